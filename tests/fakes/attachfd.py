#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: attachfd.py NAME PID null|machine

Attaches the memory file NAME to the machine of process PID, with a descriptor that is none of that machine:
of /dev/null, or of a machine of this process. Says what the module said.
"""
import fcntl
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import genl  # noqa: E402

KVM_CREATE_VM = 0xAE01


def descriptor(what):
    if what == "null":
        return os.open("/dev/null", os.O_RDWR)
    return fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), KVM_CREATE_VM, 0)


def main():
    name, pid, what = sys.argv[1:]
    names = genl.NAMES
    try:
        genl.Genl().ask(names["CMD_VM_ATTACH"],
                        [genl.attr(names["A_VM_NAME"], name),
                         genl.attr(names["A_VM_PID"], genl.u32(int(pid))),
                         genl.attr(names["A_VM_KVM_FD"], genl.u32(descriptor(what)))])
        print("attached")
    except genl.NetlinkError as error:
        print(error)


main()
