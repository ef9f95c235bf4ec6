"""The processes: bind the ports, keep them open, run the workers and start a new one for each that dies.

The supervisor speaks no protocol and runs no event loop: it holds the listening sockets, so that a worker that is
killed loses its own sessions and no client is refused. Workers are forked and accept from the same sockets.
"""

from __future__ import annotations

import logging
import os
import pwd
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mailguard import config
from mailguard.app import start, worker
from mailguard.app.worker import Door
from mailguard.config import ConfigError, Settings
from mailguard.config.letters import silence
from mailguard.net.listener import bind
from mailguard.observe import logs

log = logging.getLogger("mailguard.supervisor")

GRACE_SECONDS = 5.0  # beyond `drain`, before a worker that does not end is killed
YOUNG_SECONDS = 5.0  # a worker that dies younger than this is replaced after a pause
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def serve(path: Path) -> int:
    """Run until told to stop; the exit code. Raises ConfigError, and OSError for a port that cannot be bound."""
    settings = config.load(path)
    logs.start(settings.observe.log)
    _take_all_descriptors()
    doors = [Door(listen, bind(listen.address)) for listen in settings.listen]
    if settings.server.user:
        _become(settings.server.user)
    failed = _in_child(lambda: start.preflight(settings, fresh=True))
    if failed:
        return failed
    for line in settings.unacted():
        log.info("not acted on yet", extra={"setting": line})
    if mute := silence(settings):
        log.warning("some are told nothing", extra={"detail": "; ".join(mute)})
    return _Supervisor(settings, doors).run()


def _take_all_descriptors() -> None:
    """Each session holds two. The usual soft limit of 1024 protects users of select(2), and would let strangers who
    sit there unauthenticated shut everybody out."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _become(user: str) -> None:
    """Drop from root to a user, for good."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ConfigError("server.user", f"there is no user {user!r} on this machine; write an existing one") from None
    if os.geteuid() == entry.pw_uid:
        return
    if os.geteuid() != 0:
        raise ConfigError("server.user", f"only root can become {user!r}; start as root, or as that user without it")
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    for file in (__file__, os.__file__):  # else the first import that is still to come ends every worker
        if not os.access(file, os.R_OK):
            raise ConfigError(
                "server.user",
                f"{user!r} may not read {file}; install mailguard and its Python where that user can, "
                "such as below /opt, or write another user",
            )


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
        log.exception("worker crashed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@dataclass(slots=True)
class _Worker:
    started_at: float = 0.0
    young_deaths: int = 0


class _Supervisor:
    def __init__(self, settings: Settings, doors: Sequence[Door]) -> None:
        self._settings = settings
        self._doors = doors
        self._workers: dict[int, _Worker] = {}  # by pid
        self._due: list[tuple[float, _Worker]] = []  # to be started again
        self._ready = 0
        self._stop_by: float | None = None
        # Workers hold the reading end: it closes when the supervisor is gone, whatever killed it.
        self._lifeline = os.pipe()
        self._ready_pipe = os.pipe()
        os.set_blocking(self._ready_pipe[0], False)

    def run(self) -> int:
        wake_read, wake_write = socket.socketpair()
        for end in (wake_read, wake_write):
            end.setblocking(False)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(wake_read, selectors.EVENT_READ)
            selector.register(self._ready_pipe[0], selectors.EVENT_READ)
            for _ in range(self._settings.server.workers):
                self._spawn(_Worker())
            while self._workers or self._due:
                for key, _ in selector.select(self._patience()):
                    if key.fileobj is wake_read:
                        self._signalled(set(wake_read.recv(4096)))
                    else:
                        self._heard(len(os.read(self._ready_pipe[0], 4096)))
                self._start_due()
                self._kill_late()
        log.info("stopped")
        return 0

    def _spawn(self, new: _Worker) -> None:
        new.started_at = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _leave(self._be_worker)
        self._workers[pid] = new

    def _be_worker(self) -> int:
        os.close(self._lifeline[1])
        os.close(self._ready_pipe[0])
        ready, lifeline = self._ready_pipe[1], self._lifeline[0]
        return start.run(self._settings, self._doors, ready=ready, lifeline=lifeline)

    def _heard(self, count: int) -> None:
        was, self._ready = self._ready, self._ready + count
        if was < self._settings.server.workers <= self._ready:
            addresses = ", ".join(f"{d.listen.protocol} {d.listen.address} {d.listen.tls}" for d in self._doors)
            log.info("ready", extra={"workers": self._settings.server.workers, "listening": addresses})

    def _signalled(self, numbers: set[int]) -> None:
        if signal.SIGCHLD in numbers:
            self._reap()
        if numbers & {signal.SIGTERM, signal.SIGINT}:
            self._stop()
        elif signal.SIGHUP in numbers:
            self._reload()

    def _reap(self) -> None:
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            dead = self._workers.pop(pid, None)
            if dead is None or self._stop_by is not None:
                continue
            now = time.monotonic()
            young = now - dead.started_at < YOUNG_SECONDS
            dead.young_deaths = dead.young_deaths + 1 if young else 0
            pause = PAUSES[min(dead.young_deaths, len(PAUSES) - 1)]
            code = os.waitstatus_to_exitcode(status)
            log.error("worker died", extra={"pid": pid, "code": code, "again_in": pause})
            self._due.append((now + pause, dead))

    def _stop(self) -> None:
        if self._stop_by is None:
            log.info("stopping", extra={"drain": self._settings.server.drain})
            for door in self._doors:
                door.sock.close()
            self._stop_by = time.monotonic() + self._settings.server.drain + GRACE_SECONDS
        self._due.clear()
        self._tell(signal.SIGTERM)  # a second one ends what is left at once

    def _reload(self) -> None:
        try:
            settings = config.load(self._settings.file)
            taken_over = worker.reloaded(self._settings, settings)
        except ConfigError as error:
            log.error("reload refused, the old configuration stays", extra={"detail": str(error)})
            return
        # In a child first: a worker that dies after the reload must be able to start from what was taken over.
        if _in_child(lambda: start.preflight(taken_over, fresh=False)):
            log.error("reload refused, the old configuration stays", extra={"detail": "the line before says why"})
            return
        changed = [name for name in worker.FIXED if getattr(settings, name) != getattr(self._settings, name)]
        if changed:
            log.warning("changes that need a restart are left out", extra={"tables": ", ".join(changed)})
        self._settings = taken_over
        self._tell(signal.SIGHUP)

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._workers:
            os.kill(pid, number)

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [each for at, each in self._due if at <= now]
        self._due = [(at, each) for at, each in self._due if at > now]
        for each in due:
            self._spawn(each)

    def _kill_late(self) -> None:
        if self._stop_by is not None and time.monotonic() >= self._stop_by:
            log.error("workers did not stop in time and are killed", extra={"pids": sorted(self._workers)})
            self._tell(signal.SIGKILL)

    def _patience(self) -> float | None:
        moments = [at for at, _ in self._due]
        if self._stop_by is not None:
            moments.append(self._stop_by)
        return max(0.0, min(moments) - time.monotonic()) if moments else None
