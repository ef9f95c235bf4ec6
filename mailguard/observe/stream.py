"""Lines for whoever listens, written by a thread of its own: a reader that is slow or gone holds nobody up.

Lines wait in a bounded queue; what does not fit is dropped, counted, and said in the log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import threading
from collections.abc import Callable

from mailguard.config import AuditStream

log = logging.getLogger("mailguard.stream")

WAITING = 10_000  # lines
CLOSE_SECONDS = 2.0
DEV_LOG = "/dev/log"
_TAG = b"<86>mailguard-audit: "  # facility authpriv, severity informational (RFC 5424 §6.2.1)


class LineStream:
    """A way out for lines. `write` may block as long as it likes, and may raise OSError: that line is dropped."""

    def __init__(self, write: Callable[[bytes], None], waiting: int = WAITING) -> None:
        self._write = write
        self._lines: queue.Queue[bytes | None] = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Hand over one line; returns at once, whatever becomes of it."""
        try:
            self._lines.put_nowait(line.encode())
        except queue.Full:
            self._drop("it is read too slowly")

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what waits, as far as it is taken within so many seconds."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=seconds)
        self._thread.join(seconds)
        self._count_lost(self._lines.qsize() if self._thread.is_alive() else 0)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._write(line)
            except OSError as error:
                self._drop(error.strerror or str(error))
            else:
                self._count_lost(0)

    def _drop(self, why: str) -> None:
        with self._lock:
            self._dropped += 1
            first = self._dropped == 1
        if first:
            log.warning("lines of the stream are dropped", extra={"detail": why})

    def _count_lost(self, more: int) -> None:
        with self._lock:
            dropped, self._dropped = self._dropped + more, 0
        if dropped:
            log.warning("lines of the stream were dropped", extra={"lines": dropped})


def opened(kind: AuditStream) -> LineStream | None:
    """The way out that is configured."""
    match kind:
        case AuditStream.NONE:
            return None
        case AuditStream.STDOUT:
            return LineStream(to_stdout)
        case AuditStream.SYSLOG:
            return LineStream(ToSyslog())


def to_stdout(line: bytes) -> None:
    """Write a line to standard output."""
    left = line + b"\n"
    while left:
        left = left[os.write(1, left) :]


class ToSyslog:
    """Write a line to the system's log, which may be started anew meanwhile."""

    def __init__(self, path: str = DEV_LOG) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def __call__(self, line: bytes) -> None:
        """One datagram a line. OSError where nobody takes it."""
        try:
            self._connected().send(_TAG + line)
        except OSError:
            self._let_go()
            self._connected().send(_TAG + line)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            fresh = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                fresh.connect(self._path)
            except OSError:
                fresh.close()
                raise
            self._socket = fresh
        return self._socket

    def _let_go(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
