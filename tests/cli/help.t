#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source-path=SCRIPTDIR
#
# Help, version, man page and completion: all there, and none knows less than the others.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/.tap.sh"

version=$(sed -n 's/^VERSION := //p' "$tree/Makefile")
run --version
ok "--version tells the version" same "$status:$out$err" "0:smemv $version"
ok "NEWS tells of it" grep -q "^## $version" "$tree/NEWS"
ok "dkms.conf has it" grep -q "^PACKAGE_VERSION=\"$version\"\$" "$tree/dkms.conf"

run --help
help=$out
ok "--help succeeds" same "$status:$err" 0:
run help
ok "help is --help" same "$out" "$help"
run -h server add
server_help=$out
run help server
ok "--help of a command is its object's help" same "$server_help" "$out"

grammar=("server add NAME ADDR[:PORT] [limit SIZE]" "server show [NAME]" "server del NAME"
	"server drain NAME [to NAME[,NAME]]" "swap add SIZE [servers NAME" "swap show [NAME]"
	"swap set NAME" "swap del NAME" "vm create NAME size SIZE [budget SIZE]" "vm show [NAME]"
	"vm set NAME [budget SIZE]" "vm populate NAME" "vm evict NAME SIZE" "vm map NAME" "vm adopt NAME FILE" "vm activate NAME" "vm take-back NAME [force]"
	"vm attach NAME pid PID" "vm heat NAME [--png FILE]" "vm del NAME"
	"scan start pid PID [interval MS]" "scan show [PID]" "scan stop pid PID" "show" "monitor"
	"reclaim pid PID [cold SECONDS] [rate SIZE] [--daemon target SIZE]"
	"migrate from QMP to QMP via ADDR:PORT|uri URI [budget SIZE]")
for command in "${grammar[@]}"; do
	ok "--help has: $command" grep -qF "smemv $command" <<<"$help"
done

# The man page as plain text on one line, without hyphenation.
page=$(mandoc -Tascii -Owidth=200 "$tree/userspace/smemv.8" | sed 's/.\x08//g' | tr -s ' \n' ' ')
for word in 'server add' 'server show' 'server del' 'server drain' 'swap add' 'swap show' 'swap set' \
	'swap del' 'vm create' 'vm show' 'vm set' 'vm populate' 'vm evict' 'vm map' 'vm adopt' 'vm activate' \
	'vm take-back' 'vm attach' 'vm heat' 'vm del' 'scan start' 'scan show' 'scan stop' 'reclaim pid' '--daemon' target rate cold 'monitor' budget dma '--watch' \
	'--json' '--help' '--version' limit lanes timeout servers policy migrate via bandwidth warmup downtime \
	patience auto-converge keep-source \
	deadline queues count pid; do
	ok "the man page has: $word" grep -qF -- "$word" <<<"$page"
done

knows_each_event() {
	local names name

	mapfile -t names < <(grep -oE '\[SMEMV_EV_\w+\] = "[a-z-]+"' "$tree/userspace/decode.c" | cut -d '"' -f 2)
	((${#names[@]} > 20)) || same "${#names[@]} events" "more" || return
	for name in "${names[@]}"; do
		grep -qF -- " $name" <<<"${page##* EVENTS }" || same "nothing of $name" "" || return
	done
}
ok "the man page has each event" knows_each_event
ok "and their members" grep -qE '"time".*"event".*"server".*"space".*"page".*"count".*"reason"' <<<"$page"
ok "and what \"-\" is" grep -qF '("-" is standard input)' <<<"$page"

renders_cleanly() {
	local warnings
	warnings=$(mandoc -Tlint -Wwarning "$tree/userspace/smemv.8" 2>&1 || true)
	same "$warnings" "" || return
	if command -v groff >/dev/null; then
		warnings=$(groff -man -mdoc -ww -Tutf8 -z "$tree/userspace/smemv.8" 2>&1)
		same "$warnings" ""
	fi
}
ok "the man page renders without warnings" renders_cleanly

# A smemv of its own tells the names, so that no module is needed.
mkdir "$work/bin"
cat >"$work/bin/smemv" <<'SMEMV'
#!/bin/bash
case $1 in
server) printf '[\n  {\n    "name": "alpha",\n    "state": "up"\n  },\n  {\n    "name": "beta",\n    "state": "up"\n  }\n]\n' ;;
vm) printf '[\n  {\n    "name": "web1",\n    "size_bytes": 1\n  }\n]\n' ;;
scan) printf '[\n  {\n    "pid": 4711,\n    "files": 0\n  }\n]\n' ;;
swap) printf '[\n  {\n    "name": "pool",\n    "where": {\n      "name": 3\n    }\n  }\n]\n' ;;
esac
SMEMV
chmod +x "$work/bin/smemv"
# shellcheck source=/dev/null
ok "the completion can be sourced" bash -euc ". '$tree/userspace/smemv.bash-completion'; complete -p smemv"

# completes LINE WANTED: the last word of LINE is the one at the cursor, "" for a new one.
completes() {
	local got
	# shellcheck disable=SC2016 # for the inner shell
	got=$(PATH=$work/bin:$PATH bash -c '
		. "$1/userspace/smemv.bash-completion"
		IFS=" " read -ra COMP_WORDS <<<"$2"
		[[ $2 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_smemv
		echo "${COMPREPLY[*]}"
	' completion "$tree" "$1")
	same "$got" "$2"
}

completion() {
	ok "completion of \"$1\"" completes "$1" "$2"
}

completion 'smemv ' 'server swap vm scan reclaim migrate show monitor help --json --help --version'
completion 'smemv s' 'server swap scan show'
completion 'smemv --json sw' 'swap'
completion 'smemv server ' 'add show del drain'
completion 'smemv server add s1 10.0.0.1 ' 'limit lanes timeout'
completion 'smemv server add s1 10.0.0.1 limit 1G ' 'lanes timeout'
completion 'smemv swap add 1G policy ' 'error suspend'
completion 'smemv swap add 1G policy error n' 'name'
completion 'smemv swap set pool d' 'deadline'
completion 'smemv vm ' 'create show set populate evict map adopt activate take-back attach heat del'
completion 'smemv vm create web1 ' 'size budget servers dma overcommit policy deadline'
completion 'smemv vm create web1 size 1G dma b' 'budget'
completion 'smemv vm set web1 budget 1G ' 'policy deadline'
completion 'smemv show ' '--watch count pid --metrics'
completion 'smemv scan s' 'start show stop'
completion 'smemv scan start pid 1 ' 'interval'
touch "$work/heat.png"
completion "smemv vm heat web1 --png $work/he" "$work/heat.png"
completion 'smemv reclaim pid 1 ' 'cold rate --daemon target'
completion 'smemv reclaim pid 1 --daemon t' 'target'
completion 'smemv migrate ' 'from to via uri budget servers heat bandwidth warmup downtime timeout patience auto-converge keep-source check'
completion 'smemv migrate from /a to /b via ::1 heat s' 'scanner'
completion 'smemv migrate from /a to /b via ::1 c' 'check'
completion 'smemv help m' 'migrate monitor'
if ((EUID == 0)); then
	completion 'smemv server del ' 'alpha beta'
	completion 'smemv server --json show b' 'beta'
	completion 'smemv swap del ' 'pool'
	completion 'smemv vm del ' 'web1'
	completion 'smemv scan show ' '4711'
	completion 'smemv swap add 1G servers a' 'alpha'
	completion 'smemv swap add 1G servers alpha,' 'alpha,beta'
else
	skip "completion of names" "only root may ask for them"
fi

done_testing
