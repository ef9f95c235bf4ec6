"""The life of the children: who is started as what, when again, and how all of them end."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, NoReturn

from mailguard import config
from mailguard.app import reload, start
from mailguard.config import ConfigError, Settings
from mailguard.observe.board import Board
from mailguard.observe.families import RESTARTS, STOPPING

if TYPE_CHECKING:
    from mailguard.app.worker import Door
    from mailguard.observe.board import Meter
    from mailguard.supervisor.users import User, Users

log = logging.getLogger("mailguard.supervisor")

GRACE_SECONDS = 5.0  # beyond `drain`, before a worker that does not end is killed
YOUNG_SECONDS = 5.0  # a worker that dies younger than this is replaced after a pause
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def _as(user: User | None, work: Callable[[], int]) -> Callable[[], int]:
    """The same work, done as that user."""

    def done() -> int:
        if user is not None:
            user.become()
        return work()

    return lambda: start.explained(done)


def _in_child(work: Callable[[], int]) -> int:
    """Run something that needs an event loop or threads in a process of its own: the supervisor stays without."""
    pid = os.fork()
    if pid == 0:
        _leave(work)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _leave(work: Callable[[], int]) -> NoReturn:
    """The whole life of a child: the supervisor's signals are not its own, nor does it go back into those frames."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        code = work()
    except BaseException:
        log.exception("child crashed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@unique
class _Part(Enum):
    """What a child does. The value is what it says once it is up."""

    WORKER = b"w"
    PORTAL = b"p"
    MONITOR = b"m"


@dataclass(slots=True)
class _Child:
    part: _Part
    number: int = 0  # among those of its part
    started_at: float = 0.0
    young_deaths: int = 0


class Supervisor:
    """Starts the children and looks after them."""

    def __init__(
        self,
        settings: Settings,
        users: Users,
        doors: Sequence[Door],
        portal: socket.socket | None,
        monitor: socket.socket | None,
    ) -> None:
        self._settings = settings
        self._users = users
        self._doors = doors
        self._portal = portal
        self._monitor = monitor
        self._board = Board(settings.server.workers)
        self._children: dict[int, _Child] = {}  # by pid
        self._due: list[tuple[float, _Child]] = []  # to be started again
        self._ready = 0
        self._stop_by: float | None = None
        # Workers hold the reading end: it closes when the supervisor is gone, whatever killed it.
        self._lifeline = os.pipe()
        self._ready_pipe = os.pipe()
        os.set_blocking(self._ready_pipe[0], False)

    def preflight(self, settings: Settings, *, fresh: bool) -> int:
        """Could every child start from these settings, as its user? The exit code; what is wrong has been told.

        In a process of its own each: what they read, this one does not hold.
        """
        failed = _in_child(_as(self._users.workers, lambda: start.preflight(settings, fresh=fresh)))
        if failed or self._portal is None:
            return failed
        return _in_child(_as(self._users.portal, lambda: start.preflight_portal(settings)))

    def run(self) -> int:
        """Until told to stop, and all have stopped; the exit code."""
        wake_read, wake_write = socket.socketpair()
        for end in (wake_read, wake_write):
            end.setblocking(False)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(wake_read, selectors.EVENT_READ)
            selector.register(self._ready_pipe[0], selectors.EVENT_READ)
            for worker in range(self._settings.server.workers):
                self._spawn(_Child(_Part.WORKER, worker))
            if self._portal is not None:
                self._spawn(_Child(_Part.PORTAL))
            if self._monitor is not None:
                self._spawn(_Child(_Part.MONITOR))
            while self._children or self._due:
                for key, _ in selector.select(self._patience()):
                    if key.fileobj is wake_read:
                        self._signalled(set(wake_read.recv(4096)))
                    else:
                        self._heard(os.read(self._ready_pipe[0], 4096))
                self._start_due()
                self._kill_late()
        log.info("stopped")
        return 0

    def _spawn(self, new: _Child) -> None:
        new.started_at = time.monotonic()
        pid = os.fork()
        if pid == 0:
            match new.part:
                case _Part.WORKER:
                    _leave(_as(self._users.workers, lambda: self._be_worker(new.number)))
                case _Part.PORTAL:
                    _leave(_as(self._users.portal, self._be_portal))
                case _Part.MONITOR:
                    _leave(_as(self._users.portal or self._users.workers, self._be_monitor))
        self._children[pid] = new

    def _be_worker(self, number: int) -> int:
        self._let_go(_Part.WORKER)
        ready = self._say_ready(_Part.WORKER)
        meters = self._board.worker(number)
        return start.run(self._settings, self._doors, meters, ready=ready, lifeline=self._lifeline[0])

    def _be_portal(self) -> int:
        assert self._portal is not None
        self._let_go(_Part.PORTAL)
        ready = self._say_ready(_Part.PORTAL)
        meter = self._board.portal
        return start.run_portal(self._settings, self._portal, meter, ready=ready, lifeline=self._lifeline[0])

    def _be_monitor(self) -> int:
        assert self._monitor is not None
        self._let_go(_Part.MONITOR)
        ready = self._say_ready(_Part.MONITOR)
        return start.run_monitor(self._settings, self._monitor, self._board, ready=ready, lifeline=self._lifeline[0])

    def _let_go(self, part: _Part) -> None:
        """Close what is not its own: whoever breaks in at the portal must not take mail clients' connections, nor
        passwords."""
        os.close(self._lifeline[1])
        os.close(self._ready_pipe[0])
        if part is not _Part.WORKER:
            for door in self._doors:
                door.sock.close()
        if self._portal is not None and part is not _Part.PORTAL:
            self._portal.close()
        if self._monitor is not None and part is not _Part.MONITOR:
            self._monitor.close()

    def _say_ready(self, part: _Part) -> Callable[[], None]:
        def say() -> None:
            os.write(self._ready_pipe[1], part.value)

        return say

    def _heard(self, said: bytes) -> None:
        was, self._ready = self._ready, self._ready + said.count(_Part.WORKER.value)
        if was < self._settings.server.workers <= self._ready:
            addresses = ", ".join(f"{d.listen.protocol} {d.listen.address} {d.listen.tls}" for d in self._doors)
            log.info("ready", extra={"workers": self._settings.server.workers, "listening": addresses})
        if _Part.PORTAL.value in said:
            told = self._settings.portal
            log.info("portal ready", extra={"listening": told.address, "url": told.public_url})
        if _Part.MONITOR.value in said:
            log.info("metrics ready", extra={"listening": self._settings.observe.metrics})

    def _signalled(self, numbers: set[int]) -> None:
        if signal.SIGCHLD in numbers:
            self._reap()
        if numbers & {signal.SIGTERM, signal.SIGINT}:
            self._stop()
        elif signal.SIGHUP in numbers:
            self._reload()

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            dead = self._children.pop(pid, None)
            if dead is None:
                continue
            if (meter := self._meter_of(dead)) is not None:
                meter.forget()
            if self._stop_by is not None:
                self._end_monitor()
                continue
            self._board.supervisor.add(RESTARTS, dead.part.name.lower())
            now = time.monotonic()
            young = now - dead.started_at < YOUNG_SECONDS
            dead.young_deaths = dead.young_deaths + 1 if young else 0
            pause = PAUSES[min(dead.young_deaths, len(PAUSES) - 1)]
            code = os.waitstatus_to_exitcode(status)
            log.error(f"{dead.part.name.lower()} died", extra={"pid": pid, "code": code, "again_in": pause})
            self._due.append((now + pause, dead))

    def _meter_of(self, child: _Child) -> Meter | None:
        match child.part:
            case _Part.WORKER:
                return self._board.worker(child.number).own
            case _Part.PORTAL:
                return self._board.portal
            case _Part.MONITOR:
                return None

    def _stop(self) -> None:
        if self._stop_by is None:
            self._board.supervisor.set(STOPPING, to=time.monotonic())
            log.info("stopping", extra={"drain": self._settings.server.drain})
            for door in self._doors:
                door.sock.close()
            if self._portal is not None:
                self._portal.close()
            if self._monitor is not None:
                self._monitor.close()
            self._stop_by = time.monotonic() + self._settings.server.drain + GRACE_SECONDS
        self._due.clear()
        self._tell(signal.SIGTERM, but=_Part.MONITOR)  # a second one ends what is left at once
        self._end_monitor()

    def _end_monitor(self) -> None:
        """Once it is alone: until then it says that the others drain."""
        if all(child.part is _Part.MONITOR for child in self._children.values()):
            self._tell(signal.SIGTERM)

    def _reload(self) -> None:
        try:
            settings = config.load(self._settings.file)
            taken_over = reload.reloaded(self._settings, settings)
        except ConfigError as error:
            log.error("reload refused, the old configuration stays", extra={"detail": str(error)})
            return
        # In children first: one that dies after the reload must be able to start from what was taken over.
        if self.preflight(taken_over, fresh=False):
            log.error("reload refused, the old configuration stays", extra={"detail": "the line before says why"})
            return
        if changed := reload.left_out(self._settings, settings):
            log.warning("changes that need a restart are left out", extra={"tables": ", ".join(changed)})
        self._settings = taken_over
        self._tell(signal.SIGHUP)

    def _tell(self, number: signal.Signals, *, but: _Part | None = None) -> None:
        for pid, child in self._children.items():
            if child.part is not but:
                os.kill(pid, number)

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [each for at, each in self._due if at <= now]
        self._due = [(at, each) for at, each in self._due if at > now]
        for each in due:
            self._spawn(each)

    def _kill_late(self) -> None:
        if self._stop_by is not None and time.monotonic() >= self._stop_by:
            log.error("some did not stop in time and are killed", extra={"pids": sorted(self._children)})
            self._tell(signal.SIGKILL)

    def _patience(self) -> float | None:
        moments = [at for at, _ in self._due]
        if self._stop_by is not None:
            moments.append(self._stop_by)
        return max(0.0, min(moments) - time.monotonic()) if moments else None
