#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 41-fake-server-hello: a server that cannot be used is refused when it is added, in bounded time and
# with a reason that says what to do; likewise a disk whose space the server does not open.
#
# check-kernels: 6.12  (about the wire protocol, which hardly depends on the kernel)

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

readonly bound_ms=15000

net_subhost fake
net_subhost silent
fake_start fake
smemv_load

# refused REGEX DESCRIPTION COMMAND...: exit status 1, the reason on one line, in time.
refused() {
	local regex=$1 what=$2 start elapsed now
	shift 2

	read_now
	start=$now
	catch_output "$@"
	read_now
	elapsed=$((now - start))
	if ((caught_status == 1 && elapsed < bound_ms)) && [[ $caught_output =~ $regex && $caught_output != *$'\n'* ]]; then
		pass "$what"
	else
		fail "$what" "$* returned $caught_status after $elapsed ms" "wanted: 1 and /$regex/" "got: $caught_output"
	fi
}

# bad_hello MISBEHAVIOUR REGEX
bad_hello() {
	fake_tell fake arm hello "$1" -1 >/dev/null
	refused "$2" "hello: $1" smemv server add bad "$(memserver_address fake)" timeout 1000
}

# bad_open MISBEHAVIOUR REGEX
bad_open() {
	fake_tell fake arm open "$1" -1 >/dev/null
	refused "$2" "open: $1" smemv swap add 4M servers fake name bad
}

readonly foreign='what answers there does not speak the S-memV protocol'
readonly no_answer='accepted the connection but did not answer within the timeout; is it smemv-memserver'

for misbehaviour in silence truncated-silence truncated-header trickle; do
	bad_hello $misbehaviour "$no_answer"
done
for misbehaviour in garbage http bad-magic other-opcode opcode-0 tag-unknown tag-0 count-max length-huge \
	length-max length-0 not-a-reply flags-unknown bad-reserved status-unknown other-space refuse-ok reply-with-data; do
	bad_hello $misbehaviour "$foreign"
done
bad_hello bad-header-crc 'answer arrived damaged'
bad_hello bad-version 'another protocol version; install the same S-memV release'
for misbehaviour in close reset truncated-close; do
	bad_hello $misbehaviour 'closed the connection before it answered; its log says why'
done
bad_hello hello-version 'does not speak protocol version 1; install the same S-memV release'
bad_hello hello-features 'lacks a feature that this module needs; update the server'
bad_hello no-features 'lacks a feature that this module needs; update the server'
bad_hello hello-fenced 'knows a newer connection of this client'
bad_hello refuse-limit 'takes fewer connections of a client than this module makes; install the same S-memV release'
bad_hello refuse-no-space 'has no memory for another client'
for misbehaviour in refuse-stopping refuse-bad-request; do
	bad_hello $misbehaviour 'refused the connection; its log says why'
done
is "$(smemv_json length server show)" 0 "none of them was added"
fake_tell fake clear >/dev/null

refused 'nothing listens at this address and port; start smemv-memserver' "nobody listens" \
	smemv server add bad "$(memserver_address silent)"
refused 'no route to this address|could not be made' "no route" smemv server add bad 203.0.113.1
net_cut silent
refused 'did not answer within the timeout; check the address' "packets vanish" \
	smemv server add bad "$(memserver_address silent)" timeout 1000

# Limits that leave no room for anything.
for misbehaviour in max-spaces-0 max-spaces-1; do
	fake_tell fake arm hello $misbehaviour -1 >/dev/null
	ok "a server with $misbehaviour can be added" smemv server add fake "$(memserver_address fake)" timeout 1000
	refused 'as many spaces of this host as it allows' "and no disk can be made on it" \
		smemv swap add 4M servers fake name bad
	ok "it can be deleted" smemv server del fake
done
fake_tell fake clear >/dev/null

require "the server is added when it behaves" smemv server add fake "$(memserver_address fake)" timeout 1000
bad_open refuse-limit 'as many spaces as it allows'
bad_open open-size 'has this space with another size'
bad_open open-stale-epoch 'another main host owns this space'
bad_open refuse-stopping 'the server is being stopped'
bad_open refuse-no-space 'has no memory for another space'
bad_open refuse-bad-request 'refused to open the space; its log says why'
is "$(smemv_json length swap show)" 0 "no disk is left"
fake_tell fake clear >/dev/null
like "$(fake_tell fake state)" '"spaces": \{\}' "nor a space there"
# Rule 2 lets a newer connection of the same client fence what an older one has on its way.
like "$(fake_tell fake state)" '"clients": 1,' "however often the server was added, it saw one client"
ok "a disk is made when it behaves" smemv swap add 4M servers fake name fine
ok "and deleted" smemv swap del fine
ok "the server is deleted" smemv server del fake
ok "the module goes" smemv_unload

done_testing
