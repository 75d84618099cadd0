#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 36-open: what servers answer when a space is opened there. One that takes no new space serves those that it
# has, and can be drained. What a server kept of a space from before this host let go of it there is dropped, and
# whoever still has it open cannot bring it back.
#
# check-kernels: 6.12  (about servers and their answers, which hardly depend on the kernel)
# timeout: 300

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

memfile_servers 64M timeout 1000
dmesg_mark

# file_of NAME SEED SERVERS: written, and all of it at the servers.
file_of() {
	local path
	path=$(smemv vm create "$1" size 8M servers "$3" deadline 60000) || bail "no file was made"
	require "$1 is written" "$filecheck" --hold --seed "$2" "$path" </dev/null
	require "$1 is evicted" smemv vm evict "$1" 8M
}

# A server is told to end while it is cut off, and a new space uses it meanwhile. It loses one of those that it has, of
# which all is here, too, unmodified.
file_of demo 5 one
is "$(memserver_pages one)" 2048 "all of it is at server one"
file_of third 8 one
ok "a third comes back" "$filecheck" --verify --seed 8 /dev/smemv/third
third=$(smemv vm map third --json | jq -r .uuid)
smemv vm set third deadline 3000
third_is_unowned() {
	[[ $(in_subhost one smemv-memserver spaces --server "$(memserver_address one)" --json |
		jq "map(select(.uuid == \"$third\"))[0].owned") == false ]]
}
memserver_pause one
ok "it is silent" wait_until 30 memfile_server_is one down
net_cut one
memserver_resume one
require "nobody has the third open for the server" wait_until 60 third_is_unowned
kill -TERM "$(memserver_pid one)"
ok "an operator drops the third there" in_subhost one smemv-memserver drop "$third" --server "$(memserver_address one)"
other=$(smemv vm create other size 8M deadline 60000) || bail "no file was made"
net_heal one
ok "the server is reached again" wait_until 30 memfile_server_is one up
like "$(dmesg_since)" 'server one: space .* cannot be used there: the server is being stopped' "the log tells what it refused"
ended=$(server_counter one disconnects)
ok "it serves the pages that it has" "$filecheck" --verify --seed 5 /dev/smemv/demo
require "the other file is written" "$filecheck" --hold --seed 6 "$other" </dev/null
ok "and goes where it is taken" smemv vm evict other 8M
is "$(memfile_get other '"\(.where.one // 0) \(.where.two // 0)"')" "0 2048" "all of it"
ok "every page of it is right" "$filecheck" --verify --seed 6 "$other"
fails "what is here is not dropped as if it were there" 'could be evicted' smemv vm evict third 8M
ok "every page of it is right" "$filecheck" --verify --seed 8 /dev/smemv/third
is "$(memfile_get third .lost_pages)" 0 "and none lost"
ok "it goes" smemv vm del third
sleep 2
is "$(server_counter one disconnects)" "$ended" "that it is asked again and again ends no connection"
is "$(dmesg_since | grep -c 'space .* cannot be used there')" 2 "and is told once for each space"
ok "the server is drained" smemv server drain one to two
ok "so that it ends" memserver_status one
ok "every page of the first is right" "$filecheck" --verify --seed 5 /dev/smemv/demo
ok "it goes" smemv vm del demo
ok "the other goes" smemv vm del other
ok "the server goes" smemv server del one

# A server has pages of the space from before. Who stored them still has it open.
net_subhost three
memserver_start three 64M
require "a server is added" smemv server add three "$(memserver_address three)" timeout 1000
file_of demo 7 two
uuid=$(smemv vm map demo --json | jq -r .uuid)
mkfifo "$scenario_tmp/go"
"$fakes_dir/wiretalk.py" "$(memserver_address three)" "open $uuid 2048 1" "store 0 100 9" wait "store 0 100 9" \
	<"$scenario_tmp/go" >"$scenario_out/wiretalk" &
talk=$!
exec {go}>"$scenario_tmp/go"
has_stored() {
	(($(memserver_pages three) == 100))
}
ok "it has pages of it" wait_until 30 has_stored
ok "the file's are moved there" smemv server drain two to three
is "$(memserver_pages three)" 2048 "and those only are there"
exec {go}>&-
wait $talk
is "$(tail -n 1 "$scenario_out/wiretalk")" "store: NO_SUCH_SPACE" "who had it open has it no more"
ok "every page is right" "$filecheck" --verify --seed 7 /dev/smemv/demo
ok "it goes" smemv vm del demo
ok "the server holds nothing" test "$(memserver_pages three)" = 0
umount /dev/smemv
for name in two three; do
	ok "server $name goes" smemv server del $name
	ok "server $name ends cleanly" memserver_stop $name
done
ok "the module goes" smemv_unload
done_testing
