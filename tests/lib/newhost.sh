# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# A second main host, "new": a network namespace that reaches the memory servers, and a mount namespace
# that lasts, because its filesystem is not this host's. Source it after memfile.sh.

new_host_start() {
	ip netns add new
	at_exit 'ip netns del new 2>/dev/null'
	ip netns exec new sleep infinity &
	new_pid=$!
	at_exit "kill $new_pid 2>/dev/null"
	wait_until 20 bash -c "[[ \$(readlink /proc/$new_pid/exe) == *sleep ]]" || bail "no namespace for the new host"
	on_new mount --make-rprivate /
	modprobe -q veth || true
	ip link add to-new type veth peer name eth0 netns new
	ip addr add 10.72.0.1/24 dev to-new
	ip link set to-new up
	on_new ip addr add 10.72.0.2/24 dev eth0
	on_new ip link set eth0 up
	on_new ip route add default via 10.72.0.1
}

on_new() {
	nsenter --target "$new_pid" --net --mount --wd="$PWD" -- "$@"
}

# new_get FILE JQ-EXPRESSION, new_says FILE JQ-CONDITION
new_get() {
	on_new smemv vm show "$1" --json | jq -r "first | $2"
}

new_says() {
	[[ $(new_get "$1" "$2") == true ]]
}

new_server_is() {
	[[ $(on_new smemv server show "$1" --json | jq -r 'first | .state') == "$2" ]]
}

new_leaves() {
	on_new bash -c 'mountpoint -q /dev/smemv && rm -rf /dev/smemv/* && umount /dev/smemv'
}
