# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Bounded waits. They are most of what scenarios do, and in emulation each program that is started costs
# a tenth of a second: so these start none.

exec {wait_never}<> <(:)

# pause SECONDS: nothing is ever said there.
pause() {
	read -r -t "$1" -u "$wait_never" || true
}

# Milliseconds since boot, in "now"; not disturbed by the clock being set. A subshell that tells it would be most
# of what a waiting scenario costs.
read_now() {
	local uptime
	read -r uptime _ </proc/uptime
	now=$((10#${uptime/./} * 10))
}

# wait_until SECONDS COMMAND...: until COMMAND succeeds; fails when it did not in time.
wait_until() {
	local deadline now
	read_now
	deadline=$((now + $1 * 1000))
	shift

	until "$@" >/dev/null 2>&1; do
		read_now
		if ((now >= deadline)); then
			return 1
		fi
		pause 0.2
	done
}

# Only what is seen to be so: that its state cannot be read now does not say it. Read to its end, at once: after a
# line bash seeks back to it, in what the kernel then makes anew. When the process is gone by then that fails, and
# bash gives what it had read to whoever reads next, whatever that is. A process whose first thread has ended keeps
# its memory and files until the others have.
is_gone() {
	local status=''

	IFS= read -r -d '' status 2>/dev/null <"/proc/$1/status" || true
	if [[ -n $status ]]; then
		[[ $status == *$'\nState:\t'[ZX]* && $status == *$'\nThreads:\t'[01]$'\n'* ]]
	else
		[[ ! -e /proc/$1/status ]]
	fi
}

# end_process PID [SIGNAL [SECONDS]]: signal it and wait for its end; SIGKILL when it takes longer.
end_process() {
	local pid=$1 signal=${2:-TERM} seconds=${3:-10}

	kill "-$signal" "$pid" 2>/dev/null || return 0
	if ! wait_until "$seconds" is_gone "$pid"; then
		kill -KILL "$pid" 2>/dev/null || true
		wait_until 5 is_gone "$pid" || true
		return 1
	fi
}

# milliseconds_of COMMAND...: how long it took; its output goes to stderr, its failure counts.
milliseconds_of() {
	local start now
	read_now
	start=$now
	"$@" >&2 || return
	read_now
	echo $((now - start))
}
