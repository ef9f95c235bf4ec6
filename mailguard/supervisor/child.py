"""One child of the supervisor: what it does, and its life from the fork to the exit."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Final, NoReturn

from mailguard.app import start

if TYPE_CHECKING:
    from mailguard.supervisor.users import User

log = logging.getLogger("mailguard.supervisor")

HEEDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)
"""What the supervisor is told by signals."""
YIELD: Final = signal.SIGUSR1
"""What tells a worker that others accept in its place."""


@unique
class Part(Enum):
    """What a child does."""

    WORKER = "worker"
    PORTAL = "portal"
    MONITOR = "monitor"


@dataclass(slots=True)
class Child:
    """A child that runs, or is to be started again."""

    part: Part
    number: int = 0  # among those of its part
    started_at: float = 0.0
    young_deaths: int = 0
    up: bool = False


def as_user(user: User | None, work: Callable[[], int]) -> Callable[[], int]:
    """The same work, done as that user."""

    def done() -> int:
        if user is not None:
            user.become()
        return work()

    return lambda: start.explained(done)


def in_child(work: Callable[[], int]) -> int:
    """Run something that needs an event loop or threads in a process of its own: the supervisor stays without."""
    pid = os.fork()
    if pid == 0:
        leave(work)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def leave(work: Callable[[], int]) -> NoReturn:
    """The whole life of a child: the supervisor's signals are not its own, nor does it go back into those frames."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in HEEDED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # `systemctl kill` sends it to all of us, and means one
        code = work()
    except BaseException:
        log.exception("child crashed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
