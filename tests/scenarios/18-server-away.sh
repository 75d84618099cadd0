#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 18-server-away: while a server is away its pages wait, and nobody else's: not neighbours that the block layer
# puts into one request with them, and not those behind any number of requests that wait.
#
# smoke: yes

. "$(dirname "$0")/../lib/scenario.sh"

readonly deadline_ms=60000
# Of one hardware queue.
readonly requests=128

two_servers 32M timeout 1000
make_disk 32M deadline "$deadline_ms" policy error queues 1
data=$scenario_tmp/data
head -c 32M /dev/urandom >"$data"

# write_at SERVER FIRST COUNT: pages that go there, as the other one is away.
write_at() {
	local other=one
	if [[ $1 == one ]]; then
		other=two
	fi
	net_cut "$other"
	ok "$other is away" wait_until 30 server_is_away "$other"
	ok "pages go to $1" dd if="$data" of="$disk" bs=4k skip="$2" seek="$2" count="$3" oflag=direct status=none
	net_heal "$other"
	ok "$other is back" wait_until 30 server_state_is "$other" up
}

server_is_away() {
	! server_state_is "$1" up
}

# read_pages OUT FIRST COUNT [STEP]: in the background.
read_pages() {
	"$LAB_TREE/tests/fakes/readsat.py" "$disk" "$data" "${@:2}" >"$scenario_tmp/$1" 2>&1 &
	readers+=($!)
	at_exit "kill -KILL $! 2>/dev/null"
}
readers=()

# has_read OUT COUNT VERDICT: so many lines say so.
has_read() {
	(($(grep -c " $3 " "$scenario_tmp/$1") == $2))
}

# pages_are_right FIRST COUNT: of the disk, whatever is in memory of it.
pages_are_right() {
	timeout 20 dd if="$disk" of="$scenario_tmp/back" bs=4k skip="$1" count="$2" iflag=direct status=none &&
		cmp "$scenario_tmp/back" "$data" -i "0:$(($1 * 4096))" -n $(($2 * 4096))
}

waiting() {
	smemv_json 'first | .waiting' swap show
}

write_at one 0 4
write_at two 4 4
write_at one 1000 600
write_at two 2000 8
is "$(swap_pages one) $(swap_pages two)" "604 12" "each server has its pages"

# Neighbours on two servers, asked for at once.
for away in two one; do
	net_cut "$away"
	ok "$away is away" wait_until 30 server_is_away "$away"
	read_pages "at-once-$away" 0 8
	ok "$away away: its neighbours are there" wait_until 20 has_read "at-once-$away" 4 right
	is "$(waiting)" 4 "$away away: its own pages wait"
	net_heal "$away"
	ok "$away away: they come when it does" wait_until 15 has_read "at-once-$away" 8 right
done
is "$(swap_counter deadlines)" 0 "nothing was given up"

# A read of 64 pages is two requests at least. The first page is lost for good, the last ones come when their server does.
write_at one 4096 64
ok "writes are to fail soon" smemv swap set demo deadline 1000
for away in one two; do
	net_cut "$away"
	ok "$away is away" wait_until 30 server_is_away "$away"
done
fails "a write to nowhere" 'Input/output error' dd if="$data" of="$disk" bs=4k skip=4096 seek=4096 count=1 oflag=direct
net_heal two
ok "two is back" wait_until 30 server_state_is two up
ok "reads are to wait again" smemv swap set demo deadline "$deadline_ms"
dd if="$disk" of=/dev/null bs=256k skip=64 count=1 iflag=direct >"$scenario_tmp/split" 2>&1 &
split=$!
ok "a long read waits" wait_until 10 counter_passes 0 waiting
net_heal one
ok "one is back" wait_until 30 server_state_is one up
fails "it ends with the error of its first part" '' wait "$split"
like "$(<"$scenario_tmp/split")" 'Input/output error' "as it says"
ok "the page is written again" dd if="$data" of="$disk" bs=4k skip=4096 seek=4096 count=1 oflag=direct status=none
ok "all of them are right" pages_are_right 4096 64
given_up=$(swap_counter deadlines)

# More of them than there are requests.
net_cut one
ok "one is away" wait_until 30 server_is_away one
read_pages many 1000 300 2
ok "more wait than there are requests" wait_until 10 counter_passes $((requests * 2)) waiting
ok "the other server's pages are read" pages_are_right 2000 8
ok "pages can be written" timeout 20 dd if="$data" of="$disk" bs=4k skip=3000 seek=3000 count=64 oflag=direct status=none
ok "and discarded" timeout 20 blkdiscard -f -o $((3000 * 4096)) -l $((64 * 4096)) "$disk"
is "$(wc -l <"$scenario_tmp/many")" 0 "meanwhile those of the first wait"
net_heal one
ok "they come when it does" wait_until 30 has_read many 300 right
is "$(swap_counter deadlines)" "$given_up" "nothing was given up"
is "$(waiting)" 0 "and nothing waits"

# Until the deadline, which counts from their submission.
ok "they are to wait less long" smemv swap set demo deadline 2000
net_cut one
ok "one is away" wait_until 30 server_is_away one
read_pages late 1000 300 2
ok "they end as errors" wait_until 15 has_read late 300 EIO
longest=$(sort -n -k 3 "$scenario_tmp/late" | awk 'END { print $3 }')
diag "after $longest ms at most"
compare "$longest" -le 6000 "in time"
is "$(swap_counter deadlines)" $((given_up + 300)) "each is counted"

# By policy beyond it.
ok "they are to wait without an end" smemv swap set demo policy suspend
read_pages suspended 1000 300 2
ok "they wait beyond the deadline" wait_until 30 counter_passes 299 swap_counter suspends
ok "the other server's pages are read" pages_are_right 2000 8
is "$(swap_counter suspends)" 300 "each is counted once"
net_heal one
ok "they come when it does" wait_until 30 has_read suspended 300 right
is "$(swap_lost_pages)" 0 "nothing is lost"
wait "${readers[@]}"
ok "every byte of the disk is right" pages_are_right 1000 600

blkdiscard -f "$disk"
ok "nothing stays behind" wait_until 30 servers_are_empty one two
ok "the disk goes" smemv swap del demo
ok "the module goes" smemv_unload
done_testing
