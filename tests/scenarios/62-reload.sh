#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 62-reload: what passes once passes a second time in the same boot, after the module was loaded anew.
#
# check-kernels: 6.12  (what it repeats runs by itself on the others)

. "$(dirname "$0")/../lib/scenario.sh"

scenarios=(53-events 70-trace)
if is_long_run; then
	scenarios+=(52-busy)
fi

# Each loads and unloads the module by itself.
passes_again() {
	local status=0

	"$LAB_TREE/tests/scenarios/$1.sh" >"$scenario_out/again" 2>&1 || status=$?
	if ((status)); then
		grep -v '^ok' "$scenario_out/again"
	fi
	return $status
}

for round in 1 2; do
	for name in "${scenarios[@]}"; do
		ok "round $round: $name" passes_again "$name"
		ok "the module is not loaded" bash -c '! test -e /sys/module/smemv'
	done
done

done_testing
