#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""qmp.py SOCKET COMMAND [ARGUMENTS]: one QMP command to a QEMU; ARGUMENTS is JSON.

Prints what it returns as JSON. Exits 1 with the error's text when it fails.
"""
import json
import socket
import sys

TIMEOUT_S = 60


def answer(lines):
    """The next message that is no event."""
    for line in lines:
        message = json.loads(line)
        if "event" not in message:
            return message
    raise OSError("QEMU closed the connection")


def call(lines, command, arguments):
    request = {"execute": command}
    if arguments is not None:
        request["arguments"] = arguments
    lines.write(json.dumps(request) + "\n")
    lines.flush()
    return answer(lines)


def main():
    path, command = sys.argv[1:3]
    arguments = json.loads(sys.argv[3]) if len(sys.argv) > 3 else None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(path)
            lines = connection.makefile("rw", encoding="utf-8")
            answer(lines)
            call(lines, "qmp_capabilities", None)
            reply = call(lines, command, arguments)
        except OSError as error:
            sys.exit(f"{path}: {error}")
    if "error" in reply:
        sys.exit(reply["error"]["desc"])
    print(json.dumps(reply["return"]))


if __name__ == "__main__":
    main()
