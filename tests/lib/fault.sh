# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Injected faults, on the debug kernel only: failslab, fail_page_alloc, fail_make_request. See the
# kernel's Documentation/fault-injection/fault-injection.rst for the settings.

readonly fault_root=/sys/kernel/debug

fault_available() {
	[[ -d $fault_root/failslab ]]
}

# fault_set KIND FILE=VALUE...: such as fault_set failslab probability=5 times=-1
fault_set() {
	local kind=$1 setting
	shift
	for setting in "$@"; do
		echo "${setting#*=}" >"$fault_root/$kind/${setting%%=*}"
	done
}

# fault_in_module KIND PERCENT [FILE=VALUE...]: only where the module's code is among the callers;
# anywhere else the lab itself would fall over.
fault_in_module() {
	local kind=$1 percent=$2 size address
	shift 2

	read -r _ size _ _ _ address _ < <(grep '^smemv ' /proc/modules)
	at_exit "fault_off $kind"
	fault_set "$kind" task-filter=N verbose=0 times=-1 stacktrace-depth=32 \
		require-start="$address" require-end="$(printf '0x%x' $((address + size)))" \
		"$@" probability="$percent"
}

fault_off() {
	fault_set "$1" probability=0
}
