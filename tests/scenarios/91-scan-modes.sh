#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 91-scan-modes: where KVM's tables cannot be walked the scan asks KVM, says so and why, and misses
# nothing that a guest touched: without the TDP MMU and with shadow paging, by one processor and several,
# through dirty logging, by 2 MiB; with the TDP MMU back it walks again, under the same module.
#
# kernels: 6.1 6.12  (on 7.2, without the TDP MMU, a page touched while writes are logged was missed once in four runs)
# smoke: no
# timeout: 400

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/scan.sh"

smemv_load
echo always >/sys/kernel/mm/transparent_hugepage/enabled

has_scanned() {
	(($(scan_get .scans) > 1))
}

# says METHOD REASON: what is told of a machine that is scanned
says() {
	machine_start --size $((4 << 20)) --smm
	require "a machine is scanned" smemv scan start pid "$machine_pid" interval 50
	ok "it touches its memory" machine_tell touch 0 1024
	ok "and is scanned" wait_until 30 has_scanned
	is "$(scan_get .method)" "$1" "by $1"
	like "$(scan_get '.why // "-"')" "$2" "and says why"
	# The program has four pages.
	compare "$(scan_get '.pages_by_age | add')" -le $((1024 + 4)) "each page has one age"
	end_process "$machine_pid" KILL
}

# checks TITLE METHOD [OPTION]
checks() {
	local title=$1 method=$2
	shift 2

	# What was idle for eight intervals is asked for as a whole first: then more is reported.
	scan_check "$title" "$method" --coarse "$@" --size $((4 << 20)) -- \
		0+1024 5+1 100+77 7+500*2 "log on" 3+77 "log off" 0+300*3
	scan_check "$title, several processors" "$method" --coarse "$@" --cpus 2 --size $((4 << 20)) -- \
		0+1024 10+300 cpu move 20+77
}

require "KVM without the TDP MMU" kvm_reload kvm=tdp_mmu=0
says clear-young 'TDP MMU is off'
checks "no TDP MMU" clear-young
# A touch of one page of a 2 MiB entry is one of all; dirty logging makes small ones of it.
scan_check "no TDP MMU, 2 MiB" clear-young --coarse --huge --size $((4 << 20)) -- \
	0+1024 =512+512 700+1 =0+1024 511+2 "log on" 600+1

require "KVM with shadow paging" kvm_reload kvm_amd=npt=0
says clear-young 'TDP MMU is off|shadow paging'
checks "shadow paging" clear-young

require "KVM as it was" kvm_reload
says tdp-walk '^-$'
scan_check "TDP MMU again" tdp-walk --size $((4 << 20)) -- 0+1024 idle 100+77 idle
ok "the module goes" smemv_unload

done_testing
