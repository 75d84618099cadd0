# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash source-path=SCRIPTDIR
#
# The main host as a machine: what QEMU and its kernel are told, whether it boots or goes on from a snapshot.

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Emulation lacks some of that processor's features, and would say so each time.
readonly lab_cpu='EPYC,+svm,+npt,-rdseed,-sha-ni,-fxsr-opt,-misalignsse,-3dnowprefetch,-osvw,-topoext,-nrip-save,-xsavec'

# machine_arguments KERNEL MEMORY PROCESSORS WORK SHARE [PARAMETER...]: sets the array "machine". WORK gets the
# console, and has the FIFOs nudge.in and nudge.out; SHARE is the folder that the main host may write to.
machine_arguments() {
	local kernel emulator initramfs work=$4 share=$5 parameters
	local export_options=security_model=none,multidevs=remap

	kernel=$(realpath "$(kernel_dir "$1")")
	emulator=$("$lab_dir/emulator")
	initramfs=$("$lab_dir/initramfs" "$1")
	# Emulated processors share one counter, which the kernel cannot know; the clocks it would take
	# instead cost an exit into the emulator each time they are read. Nor could it measure the counter on
	# a busy machine.
	parameters=(console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on
		rcupdate.rcu_cpu_stall_timeout=60 log_buf_len=8M no_timer_check tsc=reliable
		"tsc_early_khz=$(tsc_khz)" init_on_alloc=0 hardened_usercopy=off apparmor=0 audit=0 "${@:6}")
	# Each device costs the boot a tenth of a second: no more than these two by default.
	# shellcheck disable=SC2034,SC2054 # for those who source this; QEMU's options have commas
	machine=("$emulator/usr/bin/qemu-system-x86_64" -L "$emulator/usr/share/qemu" -L "$emulator/usr/share/seabios"
		-nodefaults -no-user-config -display none -no-reboot
		-machine pc -accel tcg,thread=multi -cpu "$lab_cpu" -smp "$3" -m "$2"
		-kernel "$kernel/vmlinux" -initrd "$initramfs" -append "${parameters[*]}"
		-serial "file:$work/console" -serial "pipe:$work/nudge"
		-virtfs "local,mount_tag=hostroot,path=/,readonly=on,$export_options"
		-virtfs "local,mount_tag=labshare,path=$share,$export_options")
}
