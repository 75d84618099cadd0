#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 97-libvirt: the domain of docs/migration-libvirt.xml runs under libvirt: its memory is a file that libvirt's QEMU
# makes in the mount, of which half may be here; its QMP socket is there for smemv migrate; every byte is right;
# when it ends the servers hold nothing any more.
#
# qemu: patched
# check-kernels: 6.12  (long: some 130 s of a processor)
# smoke: no
# timeout: 600

. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/memfile.sh"

readonly qmp_socket=$scenario_tmp/web1.qmp memory_mib=128 budget_mib=56

# What a distribution's packages set up, as far as a lab without them needs it.
libvirt_start() {
	mkdir -p /etc/libvirt /run/libvirt
	echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >>/etc/passwd
	echo 'libvirt-qemu:x:64055:' >>/etc/group
	grep -q '^kvm:' /etc/group || echo 'kvm:x:64056:' >>/etc/group
	printf '%s\n' 'memory_backing_dir = "/dev/smemv"' 'user = "root"' 'group = "root"' 'dynamic_ownership = 0' \
		'security_driver = "none"' 'cgroup_controllers = []' 'namespaces = []' 'stdio_handler = "file"' \
		>/etc/libvirt/qemu.conf
	LIBVIRT_LOG_OUTPUTS=3:stderr libvirtd >"$scenario_out/libvirtd.log" 2>&1 </dev/null &
	at_exit "end_process $! TERM 10"
	wait_until 60 virsh uri
}

virsh() {
	command virsh --quiet --connect qemu:///system "$@"
}

# The documented domain on this host: other paths, less memory, and a kernel to boot, as its disk is empty.
domain() {
	local kernel_line
	kernel_line=$(guest_kernel_line --size 40M --passes 1 --progress 2)

	sed -e "s|<memory unit='GiB'>16<|<memory unit='MiB'>$memory_mib<|" -e 's|<vcpu>4<|<vcpu>1<|' \
		-e "s|/usr/local/bin/qemu-system-x86_64|$(type -P qemu-system-x86_64)|" \
		-e "s|/var/lib/libvirt/images/web1.img|$scenario_tmp/disk|" -e "s|/run/smemv/web1.qmp|$qmp_socket|" \
		-e "/<type arch/a <kernel>$(guest_kernel)</kernel><initrd>$guest_initramfs</initrd><cmdline>$kernel_line</cmdline>" \
		-e "/<emulator>/a <controller type='usb' model='none'/><serial type='file'><source path='$(guest_log_file web1)'/></serial>" \
		"$LAB_TREE/docs/migration-libvirt.xml"
}

memory_file() {
	find /dev/smemv -type f
}

# Its verdict is the last that surely comes: what its init says after it may still wait for the serial port when the
# machine is powered off.
guest_has_verdict() {
	[[ $(guest_status web1) =~ ^MEMCHECK\ (PASS|FAIL) ]]
}

domain_is_off() {
	[[ $(virsh domstate web1) == 'shut off' ]]
}

# Both answers, a line each.
qmp_says() {
	python3 - "$qmp_socket" "$@" <<-'END'
		import json, socket, sys
		peer = socket.socket(socket.AF_UNIX)
		peer.settimeout(10)
		peer.connect(sys.argv[1])
		lines = peer.makefile("rw")
		lines.readline()
		for command in ("qmp_capabilities", *sys.argv[2:]):
		    print(json.dumps({"execute": command}), file=lines, flush=True)
		    print(lines.readline(), end="")
	END
}

# counter_is_above COUNTER NUMBER
counter_is_above() {
	(($(memfile_get "$name" ".file_counters.$1") > $2))
}

memfile_servers 256M
mkdir -p /dev/smemv
require "a mount whose files are split" mount -t smemv -o "budget=${budget_mib}M,servers=one:two" smemv /dev/smemv
kvm_start
modprobe -q tun || true
modprobe -q bridge || true
ip link add br0 type bridge
truncate -s 4M "$scenario_tmp/disk"
require "libvirt runs" libvirt_start
domain >"$scenario_out/domain.xml"
require "the domain is defined" virsh define "$scenario_out/domain.xml"
require "and starts" virsh start web1
is "$(virsh domstate web1)" running "it runs"
file=$(memory_file)
like "$file" '^/dev/smemv/libvirt/qemu/.*web1.*/pc.ram$' "its memory is a file of the mount"
name=${file#/dev/smemv/}
is "$(stat -c %s "$file")" $((memory_mib << 20)) "of its size"
answers=$(qmp_says query-status query-migrate-capabilities)
like "$answers" '"running": true' "its QMP socket answers beside libvirt's"
like "$answers" '"capability": "smemv"' "and knows of split migrations"
# The domain ends when its program does.
ok "pages go out" wait_until 300 counter_is_above out_stored 2048
ok "pages come back" wait_until 300 counter_is_above remote_faults 1024
compare "$(memfile_get "$name" .peak_bytes)" -le $((budget_mib << 20)) "no more than the budget was here at any time"
ok "the guest's program comes to its end" wait_until 300 guest_has_verdict
ok "and the domain with it" wait_until 60 domain_is_off
like "$(guest_status web1)" '^MEMCHECK PASS' "every byte is right"

has_no_file() {
	[[ -z $(memory_file) ]]
}
ok "with the domain its memory file goes" wait_until 30 has_no_file
ok "and the servers hold nothing any more" wait_until 30 servers_hold_nothing

done_testing
