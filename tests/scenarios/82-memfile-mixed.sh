#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 82-memfile-mixed: neighbouring pages are at two servers, of which one does not answer: who needs pages of the
# other does not wait for it, and what is stored at one while the other keeps it waiting is not lost with it.
#
# check-kernels: 6.1

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

readonly spaceioctl=$fakes_dir/spaceioctl.py

# Server two has a relay before it, and more patience.
for name in one two; do
	net_subhost $name
	memserver_start $name 64M
done
relay_start two
smemv_load
at_exit memfile_unmount
require "server one is added" smemv server add one "$(memserver_address one)" lanes 2 timeout 10000
require "server two is added" smemv server add two "$(relay_address two)" lanes 2 timeout 60000
dmesg_mark

# mixed_file [MIB]: even pages are at server one, odd ones at server two; its page N is content(9, N).
mixed_file() {
	file=$(smemv vm create demo size "${1:-4}M" servers one,two policy suspend deadline 60000) || bail "no file was made"
	require "pages are stored" "$spaceioctl" mixed "$file" 9
	is "$(memfile_get demo '"\(.where.one) \(.where.two)"')" "$((${1:-4} * 128)) $((${1:-4} * 128))" "half of them at each server"
}

# reads FIRST END STEP: these pages are right; prints how many milliseconds the longest took.
reads() {
	PYTHONPATH=$fakes_dir timeout 120 python3 -c 'import mmap, sys, time
from spaceioctl import content
first, end, step = map(int, sys.argv[2:])
worst = 0
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
    for page in range(first, end, step):
        began = time.monotonic()
        seen = memory[page * 4096:(page + 1) * 4096]
        worst = max(worst, time.monotonic() - began)
        if seen != content(9, page):
            sys.exit(f"page {page} is wrong")
print(int(worst * 1000))' "$file" "$@"
}

mixed_file
ok "pages are read one after another" reads 0 64 1
compare "$(memfile_get demo .file_counters.ahead_pages)" -gt 0 "some are fetched ahead"
next=$(($(memfile_get demo .resident_bytes) / 4096 + 65))
memserver_pause one
compare "$(reads $((next | 1)) $(((next | 1) + 1)) 1)" -lt 5000 "server one is silent: a page of the other is there at once"
ok "in the end server one is taken for down" wait_until 60 memfile_server_is one down
reads 512 544 1 >"$scenario_out/waits" &
waiting=$!
wait_until 10 memfile_says '.waiting > 0' || true
compare "$(reads 513 577 2)" -lt 5000 "while somebody waits for it, pages of the other come"
ok "a hole is punched into these at once" timeout 10 fallocate -p -o $((545 * 4096)) -l 4096 "$file"
kill -0 $waiting || fail "who needs a page of it waits"
memserver_resume one
ok "and gets it when the server is back" wait $waiting
ok "the file goes" smemv vm del demo

# Batches are stored at server one; before server two answers, one is restarted and has them no more.
mixed_file
"$filecheck" --hold --seed 11 "$file" </dev/null || bail "the file was not written"
relay_rule two hold store
before=$(smemv_json '.[0].counters.store_pages' server show one)
stored_at_one() {
	(($(smemv_json '.[0].counters.store_pages' server show one) - before >= 64))
}
smemv vm evict demo 4M &
evict=$!
ok "pages are stored at server one" wait_until 30 stored_at_one
memserver_kill one
memserver_start one 64M
ok "which is back, and empty" wait_until 60 memfile_server_is one up
sleep 1
relay_rule two
wait $evict || true
is "$(memfile_get demo .lost_pages)" 0 "no page is lost"
ok "the rest is stored, too" smemv vm evict demo 4M
ok "every page is right" "$filecheck" --verify --seed 11 "$file"
ok "the file goes" smemv vm del demo
ok "the servers hold nothing" wait_until 30 servers_hold_nothing

# Who takes a space back waits for loads under way, and nobody else with him.
mixed_file
memserver_pause two
reads 1 2 1 >"$scenario_out/waits" &
waiting=$!
require "a page is waited for" wait_until 20 memfile_says '.file_counters.remote_faults > 0'
smemv vm take-back demo &
taking=$!
is_being_taken() {
	memfile_says '.owner == "claimed"'
}
require "meanwhile the space is taken back" wait_until 20 is_being_taken
ok "settings can be changed" timeout 10 smemv vm set demo deadline 50000
kill -0 $taking || fail "which waits for it"
memserver_resume two
ok "who waits gets the page" wait $waiting
ok "and the space is back" wait $taking
is "$(memfile_get demo .owner)" "active" "as its owner's"
reads 0 1024 1 >/dev/null || fail "every page is right"
ok "the file goes" smemv vm del demo

# A server takes pages out, and says so late; a connection that is made anew meanwhile finds fewer there than the map
# knows. That is no reason to believe nothing of what is there: what is here as well can go.
mixed_file 8
ok "all is stored" smemv vm evict demo 8M
reads 0 256 1 >/dev/null || fail "what was read is right"
compare "$(memfile_get demo .resident_bytes)" -ge $((1 << 20)) "some of it is here"
sent=$(memfile_get demo .counters.store_pages)
held=$(memserver_pages two)
connects=$(smemv_json '.[0].counters.connects' server show two)
relay_rule two hold invalidate
# In the third 2 MiB, which take the other connection.
timeout 30 fallocate -p -o $((1100 * 4096)) -l $((64 * 4096)) "$file" &
punching=$!
are_out() {
	(($(memserver_pages two) == held - 32))
}
ok "pages are taken out at server two" wait_until 30 are_out
relay_rule two hold invalidate , before load
is_connected_anew() {
	(($(smemv_json '.[0].counters.connects' server show two) > connects)) && memfile_server_is two up
}
reads 501 502 1 >/dev/null || fail "a page is read over a new connection"
ok "a connection is made anew meanwhile" wait_until 30 is_connected_anew
is "$(memserver_pages two) $(memfile_get demo .where.two)" "$((held - 32)) $held" "when the map does not know yet"
ok "what is here goes" timeout 20 smemv vm evict demo 8M
is "$(memfile_get demo .resident_bytes)" 0 "all of it"
is "$(memfile_get demo .counters.store_pages)" "$sent" "and none is stored again"
relay_rule two
ok "the hole is made" wait $punching
reads 0 1100 1 >/dev/null || fail "all before the hole is right"
reads 1164 2048 1 >/dev/null || fail "and all behind it"
is "$(memfile_get demo .lost_pages)" 0 "none is lost"
ok "the file goes" smemv vm del demo

# A call for pages of many places, of which each needs a request, takes no more than a deadline where there is no server.
file=$(smemv vm create wide size 128M servers one,two policy error deadline 4000) || bail "no file was made"
memserver_kill one
require "server one is down" wait_until 30 memfile_server_is one down
began_ms=$((${EPOCHREALTIME/./} / 1000))
is "$("$spaceioctl" errors "$file" 0 32768 512)" "EIO=64" "what is stored there all over the file fails"
compare $((${EPOCHREALTIME/./} / 1000 - began_ms)) -lt 14000 "after one deadline, not one for each sixteen requests"
fails "nor can it be handed over without who decides" 'decides who owns it cannot be reached' smemv vm map wide --json
ok "but looked at" smemv vm map wide
memserver_start one 64M
ok "it is back" wait_until 60 memfile_server_is one up
is "$("$spaceioctl" errors "$file" 0 32768 512)" "OK=64" "and takes them"
ok "the file goes" smemv vm del wide
ok "the servers hold nothing any more" wait_until 30 servers_hold_nothing
leave_no_module
done_testing
