#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 87-memfile-guests: two guests at once on memory files, with half their memory elsewhere. One gives memory
# back by its balloon and by reporting free pages, and exactly that leaves; the other has a network
# device whose packets vhost-net puts into its memory. Budgets change meanwhile, no byte is wrong.
#
# memory: 4G
# check-kernels: 6.12
# processors: 3
# timeout: 900
# timeout-long: 5400

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

readonly mib=$((1 << 20))

memfile_servers 384M
modprobe vhost_net
ip tuntap add tap0 mode tap
at_exit 'ip link del tap0'
ip address add 10.9.0.1/24 dev tap0
ip link set tap0 up

balloon_file=$(smemv vm create balloon size 224M budget 72M) || bail "no file was made"
network_file=$(smemv vm create network size 128M budget 60M) || bail "no file was made"
# start NAME FILE MEMORY WORDS MEMCHECK-OPTION... -- QEMU-OPTION...: until it is told to end. WORDS are for init.
start() {
	local name=$1 guest_append guest_control
	guest_takes_orders "$name"
	guest_append+=" $4"
	guest_on_file "$name" "$2" "$3" --passes 1000000 --progress 2 "${@:5}" "${guest_control[@]}"
}

start balloon "$balloon_file" 224M free=24 --size 28M --pattern 8020 -- \
	-device virtio-balloon-pci,id=balloon0,free-page-reporting=on
start network "$network_file" 128M '' --size 28M -- \
	-netdev tap,id=net0,ifname=tap0,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=net0

# Pages that are neither here nor at a server, while the guest is stopped: prints how many; they read as zeros.
absent_pages() {
	smemv vm map balloon --json >"$scenario_tmp/map" &&
		python3 -c 'import json, mmap, sys
with open(sys.argv[1]) as text:
    told = json.load(text)
there = bytearray(told["size_bytes"] // 4096)
for run in told["runs"]:
    there[run["first"]:run["first"] + run["count"]] = b"x" * run["count"]
absent = [page for page, known in enumerate(there) if not known]
with open(sys.argv[2], "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
    for page in absent:
        if memory[page * 4096:(page + 1) * 4096] != bytes(4096):
            sys.exit(f"page {page} is not zeros")
print(len(absent))' "$scenario_tmp/map" "$balloon_file"
}

punched() {
	memfile_get balloon .file_counters.punched
}

actual_is() {
	[[ $(qmp balloon query-balloon | jq .actual) == "$1" ]]
}

resize_balloon() {
	qmp balloon balloon "{\"value\": $1}" && wait_until 200 actual_is "$1"
}

require "the first has filled its memory" guest_fills balloon 400
require "so has the second" guest_fills network 400
ok "free memory is reported and given back" wait_until 60 counter_passes $((12 * 256)) punched
ok "its budget is lowered" smemv vm set balloon budget 60M
ok "the other's is raised" smemv vm set network budget 64M
before=$(punched)
ok "the balloon takes 24 MiB" resize_balloon $((200 * mib))
compare $(($(punched) - before)) -ge $((24 * 256)) "which are given back"
qmp balloon stop >/dev/null
compare "$(absent_pages)" -ge $((24 * 256)) "neither this host nor a server has them, and they read as zeros"
qmp balloon cont >/dev/null
compare "$(memfile_get balloon .resident_bytes)" -le $((60 * mib)) "the budget is kept"
ok "packets come and go meanwhile" ping -q -i 0.01 -c 300 -s 1400 -w 120 10.9.0.2
ok "the balloon gives them back" resize_balloon $((224 * mib))
if is_long_run; then
	sleep 1800
fi
guest_end balloon
guest_end network
ok "every byte of the first is right" guest_wait balloon 2400
ok "every byte of the second is right" guest_wait network 2400
for name in balloon network; do
	diag "$name: $(memfile_get $name .file_counters | tr -d '\n')"
	compare "$(memfile_get $name .file_counters.out_stored)" -gt 1024 "pages of $name went out"
	is "$(memfile_get $name .file_counters.fault_errors)" 0 "no fault failed"
done
ok "one file goes" smemv vm del network
leave_no_file balloon
leave_no_module

done_testing
