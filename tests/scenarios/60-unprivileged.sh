#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 60-unprivileged: who lacks CAP_NET_ADMIN or CAP_SYS_ADMIN in the initial user namespace can do nothing
# over netlink, not even look, and is told why; being root in a user namespace of one's own is no help.

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

net_subhost one
memserver_start one 64M
smemv_load
require "the server is added" smemv server add one "$(memserver_address one)"
disk=$(smemv swap add 16M servers one name demo) || bail "no disk was made"
echo 1 >/proc/sys/kernel/unprivileged_userns_clone 2>/dev/null || true

# Users, by the words that make them.
as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "$@"
}

as_nobody_with_net_admin() {
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+net_admin --ambient-caps=-all,+net_admin "$@"
}

as_root_without_sys_admin() {
	setpriv --bounding-set=-sys_admin --inh-caps=-all "$@"
}

as_root_without_net_admin() {
	setpriv --bounding-set=-net_admin --inh-caps=-all "$@"
}

as_root_of_a_user_namespace() {
	as_nobody unshare --user --map-root-user "$@"
}

as_root_of_its_own_namespaces() {
	as_nobody unshare --user --map-root-user --net "$@"
}

readonly denied='CAP_NET_ADMIN and CAP_SYS_ADMIN'

# no_way USER COMMAND...: exit status 1, and the reason names what is missing.
no_way() {
	local user=$1
	shift
	catch_output "as_$user" smemv "$@"
	if ((caught_status == 1)) && [[ $caught_output =~ $denied ]]; then
		pass "$user: smemv $*"
	else
		fail "$user: smemv $*" "returned $caught_status" "wanted: 1 and /$denied/" "got: $caught_output"
	fi
}

for user in nobody nobody_with_net_admin root_without_sys_admin root_without_net_admin \
	root_of_a_user_namespace root_of_its_own_namespaces; do
	require "$user exists" "as_$user" true
	no_way $user server add two "$(memserver_address one)"
	no_way $user server del one
	no_way $user server show
	no_way $user server show one
	no_way $user swap add 16M
	no_way $user swap set demo policy suspend
	no_way $user swap del demo
	no_way $user swap show
	no_way $user swap show demo
	no_way $user show
	report_cases "as_$user" "$fakes_dir/denied.py" "$user"
done
# In a user namespace nobody may listen to the initial network namespace either.
for user in nobody root_of_a_user_namespace; do
	no_way $user monitor count 1
done

fails "nobody cannot open the disk" 'Permission denied' as_nobody dd if="$disk" of=/dev/null count=1
fails "nobody cannot write it" 'Permission denied' as_nobody dd if=/dev/zero of="$disk" count=1
fails "nor in a user namespace" 'Permission denied' as_root_of_a_user_namespace dd if="$disk" of=/dev/null count=1
is "$(smemv_json '.[0] | "\(.name) \(.policy)"' swap show)" "demo error" "the disk is as it was"
is "$(smemv_json '[.[].name] | join(" ")' server show)" one "the server is as it was"
ok "root can delete the disk" smemv swap del demo
ok "and the server" smemv server del one
ok "the module goes" smemv_unload

done_testing
