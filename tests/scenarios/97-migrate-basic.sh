#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 97-migrate-basic: a running guest is split: 16 MiB of it and its devices go to the destination, the rest
# straight from the source to two memory servers. It goes on there and finds every byte right, twice;
# nothing but its share went through the destination.
#
# qemu: patched
# timeout: 900

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../lib/migrate.sh"

readonly ram=128M share=$((16 << 20))
readonly workload=(--size 32M --pattern sequential --write 5 --zero 10 --passes 1000000 --progress 1)

migrate_hosts 192M
require "the source makes a space" smemv vm create space size $ram budget 8M
require "the destination makes a memory file" dst smemv vm create web1 size $ram budget 64M
migrate_guest src source $ram "${workload[@]}" --
mapfile -t on_file < <(migrate_on_file web1 $ram)
migrate_guest dst target $ram "${workload[@]}" -- "${on_file[@]}" -incoming defer
require "the guest fills its memory" wait_until 200 guest_has_filled source

fails "the capability conflicts with postcopy" "not compatible with 'postcopy-ram'" \
	qmp source migrate-set-capabilities '{"capabilities": [{"capability": "smemv", "state": true},
		{"capability": "postcopy-ram", "state": true}]}'
ok "it can be set" migrate_split source true
fails "without a space nothing begins" 'name one of the same size with smemv-space' \
	qmp source migrate '{"uri": "tcp:127.0.0.1:9"}'
qmp source migrate-set-parameters '{"smemv-space": "/dev/zero"}' >/dev/null
fails "nor with one that is none" "'/dev/zero' is no memory file" qmp source migrate '{"uri": "tcp:127.0.0.1:9"}'
qmp source migrate-set-parameters '{"smemv-space": "/dev/smemv/space", "smemv-servers": ["three"]}' >/dev/null
fails "nor with a server that is not there" "has no server 'three'" qmp source migrate '{"uri": "tcp:127.0.0.1:9"}'

sent_before=$(net_bytes dst tx)
dmesg_mark
migrate_start source target dst "{\"smemv-servers\": [\"one\", \"two\"], \"smemv-main-budget\": $share, \"smemv-heat\": \"dirty\"}"
ok "the migration completes" migrate_wait source 240
diag "$caught_output; $(migrate_get source -c '{downtime: .downtime, total: ."total-time", smemv: .smemv}')"
sent=$(($(net_bytes dst tx) - sent_before))
# What the guest has fetched since came over the same link.
fetched=$(($(dst smemv vm show web1 --json | jq 'first | .counters.load_pages') * 4096))
ok "the guest runs at the destination" wait_until 30 guest_runs target
is "$(guest_state source)" postmigrate "it does not run at the source"
fails "and cannot be made to" 'moved to another host' qmp source cont
is "$(migrate_get source .smemv.state)" moved "the source says that it moved"
is "$(migrate_get source '.smemv."heat-source"')" dirty "by the heat that was asked for"

for server in one two; do
	pages=$(migrate_get source ".smemv.targets[] | select(.server == \"$server\") | .pages")
	compare "$pages" -gt 1024 "server $server got its part"
	is "$(migrate_get source ".smemv.targets[] | select(.server == \"$server\") | .backlog")" 0 "all of it"
done
main_bytes=$(migrate_get source '.smemv."main-bytes"')
resent=$((main_bytes > share ? main_bytes - share : 0))
compare $((sent - fetched)) -le $((share + resent + (share >> 2))) "no more than its share went to the destination ($sent bytes)"
is "$(dst smemv vm show web1 --json | jq 'first | .counters.store_pages')" 0 "which sent nothing on to a server"

ok "the guest goes through its memory twice" guest_sweeps target 400
compare "$(dst smemv vm show web1 --json | jq 'first | .counters.load_pages')" -gt 1024 "and fetched it"
migrate_quit source
migrate_end_guest target
ok "every byte is right" guest_wait target 300
unlike "$(dmesg_since)" 'smemv: .*(lost|failed|cannot)' "the kernel's log tells of no trouble"
ok "the source's space goes" smemv vm del space
ok "the guest's file goes" dst smemv vm del web1
ok "the servers hold nothing any more" wait_until 30 servers_hold_nothing

done_testing
