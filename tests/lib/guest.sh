# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# Real guests: QEMU with KVM, Debian's kernel, and memcheck as the only program. And memcheck as a
# plain process of the main host, which pages the same way and costs less.

declare -A guest_pids=()
readonly guest_dir=$LAB_TREE/build/tests/guest
memcheck=$guest_dir/memcheck
# Debian's own, whatever else was built; a scenario that migrates takes the patched one, from PATH.
guest_qemu=/usr/bin/qemu-system-x86_64
# What else a library may set: a command that starts QEMU somewhere.
guest_prefix=()
# A command before all that enters nested machines: the emulator can lose the state of the main host's first processor
# while it enters or leaves one (tests/lab/README.md), so they run on the others, where there are.
nested_prefix=()
if (($(nproc) > 1)); then
	nested_prefix=(taskset -c "1-$(($(nproc) - 1))")
fi
guest_initramfs=$guest_dir/initramfs.cpio
# And more words for the guest's kernel and init.
guest_append=''

# KVM, with one machine held open for the rest of the boot: see kvm-hold.c.
kvm_start() {
	if [[ -e /run/lab/kvm-hold.pid ]]; then
		return
	fi
	# In kernels that need no ccp there is none.
	modprobe -q ccp || true
	modprobe kvm-amd || bail "kvm-amd cannot be loaded: no nested guests here"
	setsid "$guest_dir/kvm-hold" >/run/lab/kvm-hold.log 2>&1 </dev/null &
	echo $! >/run/lab/kvm-hold.pid
	wait_until 10 grep -q ready /run/lab/kvm-hold.log ||
		bail "no virtual machine can be made: $(</run/lab/kvm-hold.log)"
}

guest_kernel() {
	local image=$SMEMV_CACHE/kernels/6.1/vmlinux
	[[ -r $image ]] || bail "the guests' kernel is missing: run tests/lab/kernels 6.1"
	echo "$image"
}

# guest_kernel_line MEMCHECK-OPTION...: what a guest's kernel is told. Its warnings are in its log (guest_kernel_is_well).
guest_kernel_line() {
	echo "console=ttyS0 loglevel=5 panic=-1 mitigations=off nokaslr random.trust_cpu=on init_on_alloc=0 hardened_usercopy=off apparmor=0 audit=0 $guest_append memcheck=$(IFS=,; echo "$*")"
}

# guest_start NAME CGROUP MEMORY MEMCHECK-OPTION... [-- QEMU-OPTION...]
#
# The guest's QEMU runs in CGROUP (cgroup_make), whose limits say what may stay on this host.
guest_start() {
	local name=$1 group=$2 guest_memory=$3 check=() kernel
	shift 3

	while (($#)) && [[ $1 != -- ]]; do
		check+=("$1")
		shift
	done
	if (($#)); then
		shift
	fi
	kvm_start
	kernel=$(guest_kernel)
	: >"$(guest_log_file "$name")"
	(cgroup_exec "$group" setsid "${nested_prefix[@]}" "${guest_prefix[@]}" "$guest_qemu" -name "$name" \
		-nodefaults -no-user-config -display none -no-reboot -machine pc -accel kvm -cpu host -smp 1 -m "$guest_memory" \
		-kernel "$kernel" -initrd "$guest_initramfs" \
		-append "$(guest_kernel_line "${check[@]}")" \
		-serial "file:$(guest_log_file "$name")" "$@") \
		>"$scenario_out/guest-$name.qemu" 2>&1 </dev/null &
	guest_pids[$name]=$!
	at_exit "guest_stop $name"
}

declare -A guest_inputs=() qmp_inputs=() qmp_outputs=()

# make_pipe PATH: for one of QEMU's character devices "pipe".
make_pipe() {
	rm -f "$1".{in,out}
	mkfifo "$1".{in,out}
}

# guest_takes_orders NAME: for the guest_start that follows, in whose caller guest_append and guest_control
# are local; the latter belongs to its QEMU's options. Such a guest ends when guest_end tells it to, and
# its QEMU takes QMP commands.
guest_takes_orders() {
	local input output orders=$scenario_tmp/orders-$1 qmp=$scenario_tmp/qmp-$1

	make_pipe "$orders"
	exec {input}<>"$orders.in"
	guest_inputs[$1]=$input
	make_pipe "$qmp"
	exec {input}<>"$qmp.in" {output}<>"$qmp.out"
	qmp_inputs[$1]=$input qmp_outputs[$1]=$output
	guest_append=orders=ttyS1
	guest_control=(-serial "pipe:$orders" -qmp "pipe:$qmp")
}

# guest_order NAME pause|go|stop: its program. At stop it verifies all of its memory once more and ends.
guest_order() {
	echo "$2" >&"${guest_inputs[$1]}"
}

guest_end() {
	guest_order "$1" stop
}

# qmp GUEST COMMAND [JSON]: prints what it returns; fails with what QEMU says is wrong. Through pipes, which the
# shell can use itself: to start a Python for each costs the better part of a second.
qmp() {
	local id=$BASHPID.$RANDOM answer='' begun=''

	# The first of these is answered with an error from the second time on.
	printf '%s\n' '{"execute": "qmp_capabilities"}' \
		"{\"execute\": \"$2\", \"id\": \"$id\"${3:+, \"arguments\": $3}}" >&"${qmp_inputs[$1]}"
	wait_until 60 qmp_takes_answer "$1" || true
	case $answer in
	'{"return": '*', "id": '*)
		answer=${answer#'{"return": '}
		echo "${answer%', "id": '*}"
		;;
	'')
		echo "QEMU of $1 does not answer"
		return 1
		;;
	*)
		jq -r .error.desc <<<"$answer"
		return 1
		;;
	esac
}

# Into the caller's answer: the one with its id, from among events and what others waited for in vain. Of a line that
# has not come as a whole the caller keeps the beginning.
qmp_takes_answer() {
	local more

	while IFS= read -r -t 1 more <&"${qmp_outputs[$1]}"; do
		answer=$begun$more begun=''
		[[ $answer != *"\"id\": \"$id\""* ]] || return 0
	done
	begun+=$more answer=''
	is_gone "$(guest_pid "$1")"
}

# What its QEMU told since it was last asked: of one that has ended, why (SHUTDOWN).
guest_events() {
	local line

	[[ -n ${qmp_outputs[$1]:-} ]] || return 0
	while IFS= read -r -t 1 line <&"${qmp_outputs[$1]}"; do
		echo "$line"
	done
}

# guest_remains NAME: the last words of a guest that has ended, and of its QEMU.
guest_remains() {
	guest_log "$1" | tail -n 3
	tail -n 3 "$scenario_out/guest-$1.qemu"
	guest_events "$1" | tail -n 5
}

guest_pid() {
	echo "${guest_pids[$1]:?no guest was started as $1}"
}

guest_log_file() {
	echo "$scenario_out/guest-$1.log"
}

guest_log() {
	tr -d '\r' <"$(guest_log_file "$1")"
}

# The last verdict or progress line.
guest_status() {
	guest_log "$1" | grep -E '^MEMCHECK (filled|progress|PASS|FAIL)' | tail -n 1
}

guest_has_filled() {
	has_line 'MEMCHECK filled' "$(guest_log_file "$1")"
}

guest_has_filled_or_ended() {
	guest_has_filled "$1" || is_gone "$(guest_pid "$1")"
}

# guest_fills NAME SECONDS: boots, and fills its memory.
guest_fills() {
	wait_until "$2" guest_has_filled_or_ended "$1" || true
	guest_has_filled "$1" && return
	if is_gone "$(guest_pid "$1")"; then
		echo "the guest ended:"
		guest_remains "$1"
	else
		echo "nothing was filled after $2 s; last: $(guest_status "$1")"
		guest_stands "$1"
	fi
	return 1
}

# Where the threads of its QEMU are, and their ticks in user and system mode so far.
guest_threads() {
	local task name stat

	for task in "/proc/$(guest_pid "$1")/task/"*; do
		[[ -e $task/stat ]] || continue
		IFS= read -r stat <"$task/stat"
		name=${stat%)*}
		read -r -a stat <<<"${stat##*) }"
		echo "$name) ${stat[0]}, ${stat[11]} ${stat[12]} ticks: $(tr '\n' ' ' <"$task/stack")"
	done
}

# Why and where in two seconds virtual processors left their guest, the most frequent first: a guest that stands still
# stands there. Its kernel is not randomized.
guest_exits() {
	local tracing=/sys/kernel/tracing

	mountpoint -q "$tracing" || mount -t tracefs none "$tracing"
	: >"$tracing/trace"
	echo 1 >"$tracing/events/kvm/kvm_exit/enable"
	pause 2
	echo 0 >"$tracing/events/kvm/kvm_exit/enable"
	grep -oE 'reason [^ ]+ rip 0x[0-9a-f]+' "$tracing/trace" | sort | uniq -c | sort -rn | head -n 20 || true
}

# guest_interrupts NAME: those that wait to be taken, and those that its processor has not acknowledged: when one is
# lost or never acknowledged, its device waits for good.
guest_interrupts() {
	local what
	for what in lapic pic; do
		qmp "$1" human-monitor-command "{\"command-line\": \"info $what\"}" | jq -r . 2>/dev/null | grep -v masked || true
	done
}

# What a guest does that should have been further by now.
guest_stands() {
	guest_threads "$1"
	guest_exits
	guest_threads "$1"
	if [[ -n ${qmp_inputs[$1]:-} ]]; then
		guest_interrupts "$1"
	fi
}

# guest_kernel_is_well NAME: prints what its kernel complained of. That it stood still is none: it may have waited for
# its memory, and in emulation for its turn.
guest_kernel_is_well() {
	"$LAB_TREE/tests/lab/judge" <(echo 'soft lockup|stall|blocked for more than|hung_task') "$(guest_log_file "$1")"
}

# guest_wait NAME SECONDS: prints the guest's verdict; fails unless it is PASS, and its kernel had nothing to complain of.
guest_wait() {
	local verdict

	if ! wait_until "$2" is_gone "$(guest_pid "$1")"; then
		echo "no verdict after $2 s; last: $(guest_status "$1")"
		guest_stands "$1"
		return 1
	fi
	verdict=$(guest_log "$1" | grep -E '^MEMCHECK (PASS|FAIL)' | tail -n 1) || true
	if [[ -z $verdict ]]; then
		echo "the guest ended without a verdict:"
		guest_remains "$1"
		return 1
	fi
	echo "$verdict"
	guest_kernel_is_well "$1" && [[ $verdict == 'MEMCHECK PASS'* ]]
}

# guest_devices NAME KEY: rounds, wrong or answers, as its last line about its devices says.
guest_devices() {
	local log line
	log=$(<"$(guest_log_file "$1")")
	while [[ $log == *$'\nDEVICES '* ]]; do
		line=${log##*$'\nDEVICES'}
		# The last one may not be there as a whole yet.
		if [[ ${line%%$'\n'*} =~ \ $2=([0-9]+) ]]; then
			echo "${BASH_REMATCH[1]}"
			return
		fi
		log=${log%$'\nDEVICES '*}
	done
	echo 0
}

# guest_devices_pass NAME KEY NUMBER
guest_devices_pass() {
	(($(guest_devices "$1" "$2") > $3))
}

guest_stop() {
	local offences

	end_process "${guest_pids[$1]}" TERM 10 || true
	# Also that of one whose program had no last word, as it is elsewhere now.
	offences=$(guest_kernel_is_well "$1") || complain "the kernel of guest $1 complained:" "$offences"
}
