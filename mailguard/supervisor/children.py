"""The life of the children: who is started as what, when again, and how all of them end."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import struct
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailguard import config
from mailguard.app import reload, start
from mailguard.app.pulse import Pulse
from mailguard.config import ConfigError, Settings
from mailguard.observe.board import Board
from mailguard.observe.families import RESTARTS, STOPPING
from mailguard.supervisor.child import HEEDED, YIELD, Child, Part, as_user, in_child, leave
from mailguard.supervisor.generations import Generations
from mailguard.supervisor.watchdog import Watchdog

if TYPE_CHECKING:
    from mailguard.app.worker import Door
    from mailguard.net.activation import Handed
    from mailguard.observe.board import Meter
    from mailguard.supervisor.handover import Predecessor
    from mailguard.supervisor.notify import Notifier
    from mailguard.supervisor.users import Users

log = logging.getLogger("mailguard.supervisor")

GRACE_SECONDS = 5.0  # beyond `drain`, before a worker that does not end is killed
YOUNG_SECONDS = 5.0  # a worker that dies younger than this is replaced after a pause
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0)
_SIGN = struct.Struct("=i")  # a sign of life: whose


class Supervisor:
    """Starts the children and looks after them."""

    def __init__(
        self,
        settings: Settings,
        users: Users,
        doors: Sequence[Door],
        portal: socket.socket | None,
        monitor: socket.socket | None,
        *,
        notifier: Notifier,
        handed: Sequence[Handed] = (),
        predecessor: Predecessor | None = None,
    ) -> None:
        """Without doors there are no workers, without their sockets there is no portal and no monitor. `handed`: all of
        these sockets, for the next generation."""
        self._settings = settings
        self._users = users
        self._doors = doors
        self._portal = portal
        self._monitor = monitor
        self._board = Board(settings.server.workers)
        self._children: dict[int, Child] = {}  # by pid
        self._due: list[tuple[float, Child]] = []  # to be started again
        self._wanted = {
            Part.WORKER: settings.server.workers if doors else 0,
            Part.PORTAL: int(portal is not None),
            Part.MONITOR: int(monitor is not None),
        }
        self._told: set[Part] = set()  # of which it has been told that they are up
        self._selector = selectors.DefaultSelector()
        self._generations = Generations(
            handed, notifier, predecessor, self._selector, retire=self._retire, tell=self._notify_ready
        )
        self._watchdog = Watchdog(notifier.watchdog, time.monotonic()) if notifier.watchdog is not None else None
        self._stop_by: float | None = None
        # Workers hold the reading end: it closes when the supervisor is gone, whatever killed it.
        self._lifeline = os.pipe()
        self._signs = os.pipe()
        for end in self._signs:
            os.set_blocking(end, False)  # a child waits for nobody, not for a supervisor that hangs either

    def preflight(self, settings: Settings, *, fresh: bool) -> int:
        """Could every child start from these settings, as its user? The exit code; what is wrong has been told.

        In a process of its own each: what they read, this one does not hold.
        """
        if self._doors:
            failed = in_child(as_user(self._users.workers, lambda: start.preflight(settings, fresh=fresh)))
            if failed or self._portal is None:
                return failed
        return in_child(as_user(self._users.portal, lambda: start.preflight_portal(settings)))

    def run(self) -> int:
        """Until told to stop, and all have stopped; the exit code."""
        wake_read, wake_write = socket.socketpair()
        for end in (wake_read, wake_write):
            end.setblocking(False)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        for number in HEEDED:
            signal.signal(number, lambda *_: None)
        with self._selector as selector:
            selector.register(wake_read, selectors.EVENT_READ, lambda: self._signalled(set(wake_read.recv(4096))))
            selector.register(self._signs[0], selectors.EVENT_READ, self._heard)
            for part, count in self._wanted.items():
                for place in range(count):
                    self._spawn(Child(part, place))
            while self._children or self._due:
                for key, _ in selector.select(self._patience()):
                    key.data()
                self._start_due()
                self._generations.look()
                self._kill_silent()
                self._kill_late()
        log.info("stopped")
        return 0

    def _spawn(self, new: Child) -> None:
        new.started_at = time.monotonic()
        new.up = False
        pid = os.fork()
        if pid == 0:
            match new.part:
                case Part.WORKER:
                    leave(as_user(self._users.workers, lambda: self._be_worker(new.number)))
                case Part.PORTAL:
                    leave(as_user(self._users.portal, self._be_portal))
                case Part.MONITOR:
                    leave(as_user(self._users.portal or self._users.workers, self._be_monitor))
        self._children[pid] = new

    def _be_worker(self, number: int) -> int:
        self._let_go(Part.WORKER)
        meters = self._board.worker(number)
        return start.run(self._settings, self._doors, meters, pulse=self._pulse(), lifeline=self._lifeline[0])

    def _be_portal(self) -> int:
        assert self._portal is not None
        self._let_go(Part.PORTAL)
        pulse, lifeline = self._pulse(), self._lifeline[0]
        return start.run_portal(self._settings, self._portal, self._board.portal, pulse=pulse, lifeline=lifeline)

    def _be_monitor(self) -> int:
        assert self._monitor is not None
        self._let_go(Part.MONITOR)
        pulse, lifeline = self._pulse(), self._lifeline[0]
        return start.run_monitor(self._settings, self._monitor, self._board, pulse=pulse, lifeline=lifeline)

    def _let_go(self, part: Part) -> None:
        """Close what is not its own: whoever breaks in at the portal must not take mail clients' connections, nor
        passwords."""
        os.close(self._lifeline[1])
        os.close(self._signs[0])
        self._selector.close()
        self._generations.forget()
        if part is not Part.WORKER:
            for door in self._doors:
                door.sock.close()
        if self._portal is not None and part is not Part.PORTAL:
            self._portal.close()
        if self._monitor is not None and part is not Part.MONITOR:
            self._monitor.close()

    def _pulse(self) -> Pulse:
        sign = _SIGN.pack(os.getpid())

        def beat() -> None:
            with contextlib.suppress(OSError):  # nobody listens any more, or has for long: the lifeline tells the first
                os.write(self._signs[1], sign)

        return Pulse(beat, None if self._watchdog is None else self._watchdog.beat)

    def _heard(self) -> None:
        for (pid,) in _SIGN.iter_unpack(os.read(self._signs[0], _SIGN.size * 1024)):
            child = self._children.get(pid)
            if child is None:
                continue  # its last words
            if self._watchdog is not None:
                self._watchdog.heard(pid, time.monotonic())
            if not child.up:
                child.up = True
                self._tell_of(child.part)

    def _tell_of(self, part: Part) -> None:
        """Say once that all of this part are up, and that everything is."""
        up = sum(child.up for child in self._children.values() if child.part is part)
        if part in self._told or up < self._wanted[part]:
            return
        self._told.add(part)
        told = self._settings
        match part:
            case Part.WORKER:
                addresses = ", ".join(f"{d.listen.protocol} {d.listen.address} {d.listen.tls}" for d in self._doors)
                log.info("ready", extra={"workers": up, "listening": addresses})
            case Part.PORTAL:
                log.info("portal ready", extra={"listening": told.portal.address, "url": told.portal.public_url})
            case Part.MONITOR:
                log.info("metrics ready", extra={"listening": told.observe.metrics})
        self._notify_ready()

    def _notify_ready(self) -> None:
        if all(part in self._told for part, count in self._wanted.items() if count):
            self._generations.up()
            workers, pages = self._wanted[Part.WORKER], " and the portal" if self._portal is not None else ""
            self._generations.notifier.ready(
                f"{workers} workers at {len(self._doors)} doors{pages}" if workers else "the portal"
            )

    def _signalled(self, numbers: set[int]) -> None:
        if signal.SIGCHLD in numbers:
            self._reap()
        if numbers & {signal.SIGTERM, signal.SIGINT}:
            self._stop()
            return
        if signal.SIGHUP in numbers:
            self._reload()
        if signal.SIGUSR2 in numbers:
            self._generations.hand_over(ending=self._stop_by is not None)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            dead = self._children.pop(pid, None)
            if self._watchdog is not None:
                self._watchdog.forget(pid)
            if dead is None:
                continue
            if dead.part is not Part.WORKER:  # alone of its part: that it is back is news
                self._told.discard(dead.part)
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

    def _meter_of(self, child: Child) -> Meter | None:
        match child.part:
            case Part.WORKER:
                return self._board.worker(child.number).own
            case Part.PORTAL:
                return self._board.portal
            case Part.MONITOR:
                return None

    def _stop(self) -> None:
        if self._stop_by is None:
            self._generations.give_up()
            self._board.supervisor.set(STOPPING, to=time.monotonic())
            log.info("stopping", extra={"drain": self._settings.server.drain})
            self._generations.notifier.stopping("open sessions go on until the drain is over")
            self._close_doors()
        self._due.clear()
        self._tell(signal.SIGTERM, but=Part.MONITOR)  # a second one ends what is left at once
        self._end_monitor()

    def _close_doors(self) -> None:
        for door in self._doors:
            door.sock.close()
        if self._portal is not None:
            self._portal.close()
        if self._monitor is not None:
            self._monitor.close()
        self._stop_by = time.monotonic() + self._settings.server.drain + GRACE_SECONDS

    def _retire(self, pid: int) -> None:
        """Leave the doors to the next generation, and drain."""
        log.info("handed over", extra={"pid": pid, "drain": self._settings.server.drain})
        self._close_doors()
        self._due.clear()
        for own, child in self._children.items():
            os.kill(own, YIELD if child.part is Part.WORKER else signal.SIGTERM)

    def _end_monitor(self) -> None:
        """Once it is alone: until then it says that the others drain."""
        if all(child.part is Part.MONITOR for child in self._children.values()):
            self._tell(signal.SIGTERM)

    def _reload(self) -> None:
        self._generations.reloaded()
        self._generations.notifier.reloading()
        try:
            self._take_over()
        finally:
            self._notify_ready()

    def _take_over(self) -> None:
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

    def _tell(self, number: signal.Signals, *, but: Part | None = None) -> None:
        for pid, child in self._children.items():
            if child.part is not but:
                os.kill(pid, number)

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [each for at, each in self._due if at <= now]
        self._due = [(at, each) for at, each in self._due if at > now]
        for each in due:
            self._spawn(each)

    def _kill_silent(self) -> None:
        now = time.monotonic()
        if self._watchdog is None or now < self._watchdog.due:
            return
        seen = self._watchdog.look(now)
        if seen.alive or self._stop_by is not None:  # whoever ends may well be busy with that
            self._generations.notifier.alive()
        if seen.silent and self._stop_by is None:
            log.error("some hang and are killed", extra={"pids": sorted(seen.silent)})
            for pid in seen.silent:
                os.kill(pid, signal.SIGKILL)

    def _kill_late(self) -> None:
        if self._stop_by is not None and time.monotonic() >= self._stop_by:
            log.error("some did not stop in time and are killed", extra={"pids": sorted(self._children)})
            self._tell(signal.SIGKILL)

    def _patience(self) -> float | None:
        moments = [at for at, _ in self._due]
        if self._stop_by is not None:
            moments.append(self._stop_by)
        if self._watchdog is not None:
            moments.append(self._watchdog.due)
        if (due := self._generations.due) is not None:
            moments.append(due)
        return max(0.0, min(moments) - time.monotonic()) if moments else None
