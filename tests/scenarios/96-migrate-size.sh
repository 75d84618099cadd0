#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 96-migrate-size: what a split migration costs is what the guest uses, not what it has. A guest of 1 GiB and one whose
# memory is just enough use the same amount, and migrate over the same links: in about the same time, with about the
# same number of bytes. Both find every page right, twice.
#
# qemu: patched
# check-kernels: 6.12
# memory: 4G
# timeout: 900

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/migrate.sh"

readonly share=8M
# Nothing is written meanwhile, and so nothing sent twice, which would depend on how busy the lab is.
readonly workload=(--size 48M --pattern sequential --write 0 --zero 10 --passes 1000000 --progress 1)
declare -A sent=() took_ms=()

bytes_on_links() {
	echo $(($(net_bytes one tx) + $(net_bytes two tx) + $(net_bytes dst tx)))
}

# moves SIZE
moves() {
	local size=$1 before fetched

	migrate_guest src "from-$size" "$size" "${workload[@]}" --
	migrate_target "to-$size" "$size" "$size" "${workload[@]}" --
	require "$size: the guest fills its memory" guest_fills "from-$size" 300
	net_shape one,two,dst rate 40mbit
	before=$(bytes_on_links)
	require "$size: it migrates" migrate_cli "from-$size" "to-$size" budget $share heat address downtime 2000
	sent[$size]=$(($(bytes_on_links) - before))
	# What the guest has fetched since came over the same link.
	fetched=$(($(dst smemv vm show "to-$size" --json | jq 'first | .counters.load_pages') * 4096))
	sent[$size]=$((sent[$size] - fetched))
	took_ms[$size]=$(migrate_report .total_ms)
	diag "$size: ${sent[$size]} bytes, of those fetched $fetched, $(migrate_report -c '{seconds_us, total_ms, downtime_ms, main, targets}')"
	net_shape one,two,dst
	ok "$size: it goes through its memory twice" guest_sweeps "to-$size" 300
	guest_end "to-$size"
	ok "$size: every byte is right" guest_wait "to-$size" 200
	ok "$size: its file goes" dst smemv vm del "to-$size"
	ok "$size: the servers hold nothing any more" wait_until 30 servers_hold_nothing
}

takes_as_long() {
	((took_ms[1G] <= took_ms[136M] * 4 / 3))
}

migrate_hosts 192M
# A machine that is busier for one of both than for the other slows it down: that is not so each time.
for attempt in 1 2 3; do
	moves 136M
	moves 1G
	if takes_as_long; then
		break
	fi
	diag "attempt $attempt: ${took_ms[1G]} ms, against ${took_ms[136M]}"
done
compare "${sent[1G]}" -le $((sent[136M] * 6 / 5)) "the guest of 1 GiB sends as much as the one that is just big enough"
ok "and takes as long" takes_as_long

done_testing
