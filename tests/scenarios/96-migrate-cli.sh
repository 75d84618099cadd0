#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 96-migrate-cli: smemv migrate splits a running guest between two patched QEMUs: 16 MiB of it and its devices go to
# the destination, the rest straight from the source to two memory servers. Ctrl-C before that leaves the guest and
# all its memory at the source. It goes on at the destination and finds every byte right, twice; nothing but its
# share went through the destination. Before all that the guest came from the other host as a whole, to ordinary memory,
# for which no server is needed.
#
# qemu: patched
# check-kernels: 6.12  (long, as all migrations: each of their scenarios runs on one kernel)
# timeout: 900

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/migrate.sh"

readonly ram=112M share=$((16 << 20))
readonly workload=(--size 24M --pattern sequential --write 5 --zero 10 --passes 1000000 --progress 1)

no_space_is_left() {
	[[ $(smemv_json 'length' vm show) == 0 && ! -e /dev/smemv/source.out ]]
}

# The guest is called source from then on.
comes_as_a_whole() {
	migrate_from=dst migrate_to=src
	migrate_guest dst first $ram "${workload[@]}" --
	migrate_guest src source $ram "${workload[@]}" -- -incoming defer
	require "the guest fills its memory" guest_fills first 200
	ok "whole: it migrates to ordinary memory" migrate_cli first source
	is "$(migrate_report '.plan.mode + " " + .result + " " + .guest_is_at')" "whole migrated destination" "whole: the report says so"
	ok "whole: it runs there" wait_until 30 guest_runs source
	ok "whole: no memory file was made" no_space_is_left
	ok "whole: the servers got nothing" servers_hold_nothing
	require "whole: it goes through its memory twice" guest_sweeps source 300
	migrate_from=src migrate_to=dst
}

# stream_has_sent PAGES: to the main host.
stream_has_sent() {
	(($(migrate_get source '.smemv["main-pages"] // 0') >= $1))
}

# The most bytes that any connection of this host had to send, in three seconds.
longest_queue() {
	local i queues hex longest=0

	for ((i = 0; i < 30; i++)); do
		while read -r _ _ _ _ queues _; do
			hex=${queues%:*}
			if [[ $queues == *:* ]] && ((16#$hex > longest)); then
				longest=$((16#$hex))
			fi
		done </proc/net/tcp
		pause 0.1
	done
	echo "$longest"
}

migrate_hosts 192M
comes_as_a_whole
migrate_target target $ram 64M "${workload[@]}" --

fails "the capability conflicts with postcopy" "not compatible with 'postcopy-ram'" \
	qmp source migrate-set-capabilities '{"capabilities": [{"capability": "smemv", "state": true},
		{"capability": "postcopy-ram", "state": true}]}'
ok "it can be set" migrate_split source true
fails "without a space nothing begins" 'name one of the same size with smemv-space' \
	qmp source migrate '{"uri": "tcp:127.0.0.1:9"}'
qmp source migrate-set-parameters '{"smemv-space": "/dev/zero"}' >/dev/null
fails "nor with one that is none" "'/dev/zero' is no memory file" qmp source migrate '{"uri": "tcp:127.0.0.1:9"}'

fails "a server that is not there is told of" 'there is no server three here' \
	migrate_cli source target budget $share servers one,three
migrate_third_server 8M
fails "so is a server without room for its part" \
	'the guest uses [0-9.]*M, but the budget \(8.0M\) and the servers \([78].[0-9]M free\) have room for less.*nothing was begun' \
	migrate_cli source target budget 8M servers three
ok "with others, too, there is enough" migrate_cli source target budget 8M servers one,three check
for side in src dst; do
	ok "$side: that server goes" on "$side" smemv server del three
done
ok "a check finds nothing missing" migrate_cli source target budget $share check
is "$(migrate_report '.plan.mode + " " + ([.plan.servers[].server] | join(","))')" "split one,two" "and plans a split to both servers"
ok "it made nothing" no_space_is_left

# The main host's link is slower than QEMU. It does not end before it is cancelled: the servers' links are not quick
# either, and there is no time to stop the guest for.
net_shape dst rate 8mbit
migrate_cli_begin source target budget $share heat dirty bandwidth 2M downtime 1
require "the stream is under way" wait_until 60 stream_has_sent 512
queue=$(longest_queue)
compare "$queue" -ge $((128 << 10)) "the stream waits for its link"
compare "$queue" -le $((1 << 20)) "but little of it in the kernel, where it cannot be taken back"
require "so are the servers' shares" wait_until 60 migrate_has_stored source 512
kill -INT "$migrate_cli_pid"
migrate_cli_wait 120
is "$migrate_cli_status" 3 "Ctrl-C cancels it"
is "$(migrate_report '.result + " " + .guest_is_at')" "cancelled source" "the report says so"
ok "the guest goes on at the source" guest_sweeps source 300
ok "QEMU at the destination has ended" wait_until 20 is_gone "$(guest_pid target)"
ok "its file goes" dst smemv vm del target
ok "the space under construction is gone" no_space_is_left
ok "the servers dropped what they got" wait_until 30 servers_hold_nothing
net_shape dst

migrate_target target2 $ram 64M "${workload[@]}" --
sent_before=$(net_bytes dst tx)
dmesg_mark
ok "the next attempt succeeds" migrate_cli source target2 budget $share heat scanner warmup 3
diag "$(migrate_report -c '{seconds_us, downtime, main, targets}')" "$(tail -n 3 "$scenario_out/progress")"
sent=$(($(net_bytes dst tx) - sent_before))
# What the guest has fetched since came over the same link.
fetched=$(($(dst smemv vm show target2 --json | jq 'first | .counters.load_pages') * 4096))
is "$(migrate_report '.result + " " + .guest_is_at + " " + .heat_source')" "migrated destination scanner" "the report says how"
ok "the guest runs there" wait_until 30 guest_runs target2
is "$(dst smemv vm show target2 --json | jq 'first | .scanned_pid')" "$(guest_pid target2)" "and is scanned there"
is "$(qmp target2 query-migrate-capabilities | jq '.[] | select(.capability == "smemv").state')" false "which may migrate on, or be saved, as any other guest"
ok "QEMU at the source has ended" wait_until 20 is_gone "$(guest_pid source)"
ok "the space under construction is gone" no_space_is_left
ok "progress was told" grep -q '^active: main host .*one .*two .* pass [0-9]' "$scenario_out/progress"

for server in one two; do
	compare "$(migrate_report ".targets[] | select(.server == \"$server\") | .pages")" -gt 1024 "server $server got its part"
	is "$(migrate_report ".targets[] | select(.server == \"$server\") | .backlog_pages")" 0 "all of it"
done
# Pages within the share, each time that they were sent, and 1 %. What else any migration sends, of whatever guest, are
# firmware and devices: a third of a megabyte here.
main_bytes=$(($(migrate_report .main.pages) * 4096))
most=$((main_bytes + main_bytes / 100 + (400 << 10)))
diag "over the link $sent, of that fetched since $fetched; the stream's pages $main_bytes"
compare "$(migrate_report .main.bytes)" -le $most "the stream is hardly more than its pages"
compare $((sent - fetched)) -le $most "and nothing else went to the destination"
is "$(dst smemv vm show target2 --json | jq 'first | .counters.store_pages')" 0 "which sent nothing on to a server"
peak_is_kept() {
	dst smemv vm show target2 --json | jq -e 'first | .peak_bytes <= .budget_bytes'
}
ok "and had no more here than it may" peak_is_kept

ok "the guest goes through its memory twice" guest_sweeps target2 300
compare "$(dst smemv vm show target2 --json | jq 'first | .counters.load_pages')" -gt 1024 "and fetched it"
guest_end target2
ok "every byte is right" guest_wait target2 300
unlike "$(dmesg_since)" "smemv: $in_line(lost|failed|cannot)" "the kernel's log tells of no trouble"
ok "the guest's file goes" dst smemv vm del target2
ok "the servers hold nothing any more" wait_until 30 servers_hold_nothing

# Nobody has it any more, after all of this.
ok "the destination unmounts" migrate_unmount
memfile_unmount
ok "the module goes" smemv_unload

done_testing
