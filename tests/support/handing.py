"""Doors handed over as a service manager does it: open sockets from descriptor 3 on, named by the environment."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

_BECOME = """
import os, sys
given = [os.dup(int(number)) for number in sys.argv[1].split(",") if number]
high = [os.dup2(each, 200 + place) for place, each in enumerate(given)]
for place, each in enumerate(high):
    os.dup2(each, 3 + place, inheritable=True)
    os.close(each)
names = ":".join([sys.argv[2]] * len(high))
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(high)), "LISTEN_FDNAMES": names}
os.execvp(sys.argv[3], sys.argv[3:])
"""


def handed(socks: Sequence[socket.socket], command: Sequence[str], *, name: str = "doors") -> list[str]:
    """The command that runs `command` with these sockets; they have to be among `pass_fds`."""
    return [sys.executable, "-c", _BECOME, ",".join(str(sock.fileno()) for sock in socks), name, *command]
