#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 52-busy: what cannot be done is refused with a reason that helps, and changes nothing.

. "$(dirname "$0")/../lib/scenario.sh"

net_subhost one
net_subhost two
memserver_start one 128M
memserver_start two 64M
smemv_load

# refused REGEX DESCRIPTION COMMAND...: exit status 1 and the reason, not usage (2).
refused() {
	local regex=$1 what=$2
	shift 2
	catch_output "$@"
	if ((caught_status == 1)) && [[ $caught_output =~ $regex ]]; then
		pass "$what"
	else
		fail "$what" "$* returned $caught_status" "wanted: 1 and /$regex/" "got: $caught_output"
	fi
}

swap_holds() {
	(($(swap_used_pages "$disk") >= $1))
}

refused 'there is no memory server that takes pages; add one first \(smemv server add\)' "a disk without any server" smemv swap add 16M
require "server one is added" smemv server add one "$(memserver_address one)"
refused '^smemv: server add one: a server of this name exists already' "a server's name twice" \
	smemv server add one "$(memserver_address two)"
refused '^smemv: server add again: this host uses that memory server already, by another name' "a server by two names" \
	smemv server add again "$(memserver_address one)"
is "$(smemv_json '.[0].counters.disconnects' server show one)" 0 "which does not disturb its connections"
refused 'there is no server of this name' "an unknown server is shown" smemv server show nobody
refused '^smemv: server del nobody: there is no server of this name' "an unknown server is deleted" smemv server del nobody
refused 'there is no server of this name' "an unknown server is drained" smemv server drain nobody
refused 'pages cannot be moved to where they are' "a server is drained to itself" smemv server drain one to one
refused 'there is no server of this name' "a server is drained to an unknown one" smemv server drain one to nobody
refused 'there is no server of this name|nobody' "a disk on an unknown server" smemv swap add 16M servers one,nobody
refused 'limit is less than a page' "a limit of a byte" smemv server add two "$(memserver_address two)" limit 1
refused 'out of range.*timeout|timeout.*out of range' "a timeout out of range" \
	smemv server add two "$(memserver_address two)" timeout 1
refused 'out of range.*lanes|lanes.*out of range' "no lanes" smemv server add two "$(memserver_address two)" lanes 0
refused 'out of range.*lanes|lanes.*out of range' "too many lanes" smemv server add two "$(memserver_address two)" lanes 65
is "$(smemv_json length server show)" 1 "none of these changed anything"

refused 'the size must be between 1 MiB and 4 PiB' "a disk of nothing" smemv swap add 0
refused 'the size must be between 1 MiB and 4 PiB' "a disk of a page" smemv swap add 4K
refused 'the size must be between 1 MiB and 4 PiB' "a disk of a page more than 4 PiB" smemv swap add $(((1 << 52) + 4096))
refused 'the size must be a multiple of 4096' "a disk of half a page more" smemv swap add $(((1 << 24) + 2048))
refused 'out of range.*deadline|deadline.*out of range' "a deadline out of range" smemv swap add 16M deadline 1
refused 'out of range.*queues|queues.*out of range' "too many queues" smemv swap add 16M queues 65
is "$(smemv_json length swap show)" 0 "none of these made a disk"
ok "the largest disk can be made" smemv swap add 4096T name large
ok "and deleted" smemv swap del large

disk=$(smemv swap add 64M servers one name demo) || bail "no disk was made"
refused 'a swap disk of this name exists already' "a disk's name twice" smemv swap add 16M name demo
refused '^smemv: swap del nobody: there is no swap disk of this name' "an unknown disk is deleted" smemv swap del nobody
refused 'there is no swap disk of this name' "an unknown disk is shown" smemv swap show nobody
refused 'there is no swap disk of this name' "an unknown disk is changed" smemv swap set nobody policy error
refused 'out of range.*deadline|deadline.*out of range' "a deadline is set out of range" smemv swap set demo deadline 1
refused 'a swap disk or memory file uses it; drain it first \(smemv server drain\), or delete what uses it' "a server of a disk is deleted" \
	smemv server del one
refused 'uses no other server; name one' "the only server of a disk is drained" smemv server drain one

# While it is swapped to.
swap_on "$disk"
pager_cgroup pager 8M
pager_start busy pager --size 16M --duration 3600
ok "pages go out" wait_until 60 swap_holds 500
for ((attempt = 1; attempt <= 5; attempt++)); do
	refused 'the disk is in use; swapoff \(or unmount\) it first' "the disk is deleted while swapping, $attempt" smemv swap del demo
done
refused 'it holds pages of a swap disk or memory file; drain it first' "the server is deleted while it holds pages" \
	smemv server del one
ok "deadline and policy can be changed meanwhile" smemv swap set demo policy suspend deadline 5000
is "$(smemv_json '.[0] | "\(.policy) \(.deadline_ms)"' swap show demo)" "suspend 5000" "and are"
ok "the pager still runs, and no byte was lost" pager_finish busy 120
ok "swapoff" swap_off "$disk"

# A disk that is open, though not for swap.
exec {held}<"$disk"
refused 'the disk is in use' "the disk is deleted while somebody has it open" smemv swap del demo
exec {held}<&-
ok "then the disk goes" smemv swap del demo
refused 'there is no swap disk of this name' "it is gone" smemv swap show demo
ok "then the server goes" smemv server del one
refused 'there is no memory server' "it is gone too" smemv swap add 16M
ok "the module goes" smemv_unload

done_testing
