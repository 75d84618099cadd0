#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: denied.py WHO

Sends each command of the module over netlink, as a question and as a dump, right and malformed. All
must fail with EPERM, or because the command knows no such question. One line for each case.
"""
import errno
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import genl  # noqa: E402


def outcome(module, command, payload, flags):
    """What happened, in a word: an errno's name or "success"."""
    try:
        module.send(command, payload, flags)
        module.replies()
        return "success"
    except genl.NetlinkError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def main():
    who = sys.argv[1]
    module = genl.Genl()
    n = genl.NAMES
    right = {"SERVER": genl.attr(n["A_SERVER_NAME"], "one"),
             "SWAP": genl.attr(n["A_SWAP_NAME"], "demo"),
             "VM": genl.attr(n["A_VM_NAME"], "web1"),
             "SCAN": genl.attr(n["A_SCAN_PID"], genl.u32(os.getpid()))}
    for name in sorted(k for k in n if k.startswith("CMD_") and k not in ("CMD_UNSPEC", "CMD_EVENT")):
        payload = next((body for kind, body in right.items() if kind in name), b"")
        for what, body, flags in (("a question", payload, genl.NLM_F_ACK),
                                  ("an empty question", b"", genl.NLM_F_ACK),
                                  ("a malformed question", b"\xff" * 12, genl.NLM_F_ACK),
                                  ("a dump", b"", genl.NLM_F_DUMP)):
            got = outcome(module, n[name], body, flags)
            # The kernel looks at attributes before it asks the module whether this user may.
            fine = got == "EPERM" or (what == "a malformed question" and got == "EINVAL")
            # Only the commands that show something know dumps.
            fine = fine or (what == "a dump" and "GET" not in name and got == "ENOTSUP")
            # Ranges are told by dumps only.
            fine = fine or (what != "a dump" and name == "CMD_SCAN_RANGES" and got == "ENOTSUP")
            print(f"{'ok' if fine else 'not ok'}\t{who}: {name}, {what}\tgot {got}")
    print("done")


main()
