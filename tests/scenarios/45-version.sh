#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 45-version: when two releases do not fit, the people on both sides are told so in words.
#
# check-kernels: 6.1  (about the wire protocol, which hardly depends on the kernel)

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../fakes/fakes.sh"

net_subhost real
net_subhost fake
memserver_start real 64M
fake_start fake
smemv_load

talk() {
	in_subhost real "$fakes_dir/wiretalk.py" "$(memserver_address real)" "$@"
}

server_said() {
	grep -E "$1" "$(memserver_log_file real)"
}

# The server's side: a client that speaks another version, wants what is not there, or is none.
like "$(talk "hello version=9")" 'hello: VERSION .*versions=1-1 closed' "a client of version 9 is told which versions there are"
ok "and the server's log tells its operator" wait_until 10 server_said 'speaks protocol version 9, this server 1 to 1; refused'
like "$(talk "hello required=0x10 name=newer")" 'hello: FEATURES features=0x[0-9a-f]+ .*closed' "a client that needs the next feature is told what there is"
ok "and so is the operator" wait_until 10 server_said 'client newer .*requires .*which this server lacks; refused'
like "$(talk "hello required=0x8000000000000000 name=future")" 'hello: FEATURES' "so is one that needs what nobody knows yet"
ok "and so is the operator" wait_until 10 server_said 'client future .*requires .*which this server lacks; refused'
printf 'GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: something that talks about something else\r\n\r\n' |
	in_subhost real timeout 10 bash -c "exec 3<>/dev/tcp/$(net_address real)/$memserver_port; cat >&3; cat <&3 >/dev/null" || true
ok "a web browser is named in the log" wait_until 10 server_said 'not an S-memV frame'

# The client's side.
fake_tell fake arm hello hello-version -1 >/dev/null
fails "a server of another version" 'does not speak protocol version 1; install the same S-memV release on both sides' \
	smemv server add fake "$(memserver_address fake)"
fake_tell fake arm hello bad-version -1 >/dev/null
fails "one that answers in its own version" 'another protocol version; install the same S-memV release on both sides' \
	smemv server add fake "$(memserver_address fake)"
fake_tell fake arm hello hello-features -1 >/dev/null
fails "one that lacks a feature" 'lacks a feature that this module needs; update the server' \
	smemv server add fake "$(memserver_address fake)"
fake_tell fake arm hello http -1 >/dev/null
fails "one that is none" 'does not speak the S-memV protocol' smemv server add fake "$(memserver_address fake)"

# A server that is exchanged for another release while it is used.
fake_tell fake clear >/dev/null
require "a server that fits is added" smemv server add fake "$(memserver_address fake)" timeout 1000
dmesg_mark
fake_tell fake arm hello hello-version -1 >/dev/null
fake_tell fake arm stat close -1 >/dev/null
told() {
	[[ $(dmesg_since) =~ 'server fake: connection '[0-9]+' cannot be made again: the server does not speak protocol version 1' ]]
}
ok "the log says why it does not come back" wait_until 30 told
fake_tell fake clear >/dev/null
ok "with the right release it does" wait_until 30 bash -c 'smemv server show fake --json | jq -e ".[0].state == \"up\""'
ok "the server goes" smemv server del fake
ok "the module goes" smemv_unload

done_testing
