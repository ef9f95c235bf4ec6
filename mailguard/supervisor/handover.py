"""The next generation of all processes: how it is started, and the line between its supervisor and ours.

It is our own command line, run anew: the code and the configuration of now. It gets the listening sockets as a service
manager would hand them over.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import struct
import sys
from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Final, NoReturn

from mailguard.net.activation import FIRST, told_of

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, MutableMapping, Sequence

    from mailguard.net.activation import Handed

_NAME: Final = "MAILGUARD_PREDECESSOR"  # the descriptor of the line to it
_PID: Final = struct.Struct("=i")
_UP: Final = b"up"

log = logging.getLogger("mailguard.supervisor")


@unique
class Said(Enum):
    """What is heard from the next generation."""

    UP = "up"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Successor:
    """The next generation while it starts. `line` is readable when it has said something, or is gone."""

    pid: int
    line: socket.socket

    @classmethod
    def start(cls, socks: Sequence[Handed], environ: Mapping[str, str]) -> Successor:
        """Run this command line once more, beside us. Raises OSError where no process can be had."""
        line, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            # It is to be nobody's child: a service manager follows the process that it is told of only where that is
            # its own child, which orphans are.
            between = os.fork()
            if between == 0:
                _start_between(socks, environ, other)
            os.waitpid(between, 0)
        pid = line.recv(_PID.size)
        if len(pid) != _PID.size:
            line.close()
            raise OSError("no process could be had")
        line.setblocking(False)
        return cls(_PID.unpack(pid)[0], line)

    def heard(self) -> Said:
        """What it has said. The line ends with the process, whatever ended it."""
        try:
            said = self.line.recv(len(_UP))
        except ConnectionError:
            return Said.GONE
        return Said.UP if said == _UP else Said.GONE

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The generation before, which serves until we are up. `line` is readable once it has withdrawn, or is gone."""

    line: socket.socket

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Predecessor | None:
        """None where there is none. The environment forgets it."""
        number = environ.pop(_NAME, "")
        if not number.isdecimal():
            return None
        line = socket.socket(fileno=int(number))
        line.set_inheritable(False)
        return cls(line)

    def say_up(self) -> None:
        """All is up here."""
        with contextlib.suppress(OSError):  # it is gone, and has no say in it any more
            self.line.send(_UP)


def _start_between(socks: Sequence[Handed], environ: Mapping[str, str], line: socket.socket) -> NoReturn:
    try:
        pid = os.fork()
        if pid == 0:
            _become(socks, environ, line)
        line.send(_PID.pack(pid))
    except BaseException:
        log.exception("the next generation cannot be started")
    finally:
        os._exit(0)


def _become(socks: Sequence[Handed], environ: Mapping[str, str], line: socket.socket) -> NoReturn:
    """Be the next generation, from its first instruction on."""
    wanted = [*(each.sock.fileno() for each in socks), line.fileno()]
    beyond = FIRST + len(wanted)
    # Out of the way first: one may lie where another belongs.
    copies = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, beyond) for number in wanted]
    for place, copy in enumerate(copies, FIRST):
        os.dup2(copy, place)
    told = {**environ, **told_of(socks, os.getpid()), _NAME: str(beyond - 1)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], told)  # noqa: S606  (nobody else's words are in it)
