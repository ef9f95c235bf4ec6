"""The monitor's process: answers whoever watches, from what all other processes have counted.

It opens no records, reads no key and holds no door that clients come in at. What it shows is no secret, and whoever
breaks in there has that and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Final

from mailguard import config
from mailguard.app.orders import Orders
from mailguard.app.reload import reloaded
from mailguard.config import ConfigError
from mailguard.net.listener import Listener, Lobby
from mailguard.net.stream import accept
from mailguard.net.tasks import Tasks
from mailguard.net.tls import TlsError, certificate_facts
from mailguard.observe import families, http
from mailguard.observe.exposition import CONTENT_TYPE, text
from mailguard.observe.http import Page

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from mailguard.config import Settings
    from mailguard.net.stream import Stream
    from mailguard.observe.board import Board
    from mailguard.observe.families import Labels

log = logging.getLogger("mailguard.monitor")

PATIENCE: Final = 5.0  # seconds for a request and for taking its answer
CONNECTIONS: Final = 64
STUCK_SECONDS: Final = 15.0  # workers show every second that they are alive
UNREAD_SECONDS: Final = 20.0  # and read the records every five
DAY: Final = 24 * 3600.0


class State:
    """What the numbers say: who serves, and whether it is worth while to send clients here."""

    def __init__(self, board: Board, now: float) -> None:
        workers = [board.worker(number).own for number in range(board.workers)]
        # Not a number where nothing was said: that compares as no.
        serving = [meter for meter in workers if now - meter.read(families.BEAT) <= STUCK_SECONDS]
        self.workers = board.workers
        self.serving = len(serving)
        self.records = bool(serving) and all(
            now - meter.read(families.RECORDS_READ) <= UNREAD_SECONDS for meter in serving
        )
        self.stores = {
            labels[0]: all(up) for labels in families.STORE_UP.series if (up := board.total(families.STORE_UP, labels))
        }
        self.draining = not math.isnan(board.supervisor.read(families.STOPPING))

    @property
    def ready(self) -> bool:
        """Somebody serves, can say yes, and knows a store to lead to."""
        return not self.draining and self.records and any(self.stores.values())

    def told(self) -> str:
        """In a few lines, for people."""
        stores = ", ".join(f"{protocol} {'up' if up else 'down'}" for protocol, up in self.stores.items())
        return (
            f"{'draining' if self.draining else 'ready' if self.ready else 'not ready'}\n"
            f"workers: {self.serving} of {self.workers}\n"
            f"records: {'readable' if self.records else 'not readable'}\n"
            f"stores: {stores or 'not seen yet'}\n"
        )


class Monitor:
    """Three pages: /metrics, /healthz (this machine runs it) and /readyz (clients may be sent here)."""

    def __init__(
        self,
        settings: Settings,
        sock: socket.socket,
        board: Board,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._sock = sock
        self._board = board
        self._monotonic = monotonic
        self._wall = wall
        self._ends = dict(_certificate_ends(settings))
        self._pages = {"/metrics": self._metrics, "/healthz": lambda: Page(http.ALIVE), "/readyz": self._readiness}
        self._lobby = Lobby(overall=CONNECTIONS, per_network=CONNECTIONS)
        self._tasks = Tasks()
        self._listener = Listener(sock, self._serve, self._tasks, "monitor")
        self._listener.start()

    async def serve(self, lifeline: int) -> None:
        """Until told to stop, which is when all others have."""
        orders = Orders.heed(lifeline, self._reload)
        await orders.stop.wait()
        await self.stop()

    async def stop(self) -> None:
        """At once: whoever asks again finds nobody here."""
        await self._listener.stop()
        self._sock.close()
        await self._tasks.close()

    async def _serve(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        task = asyncio.current_task()
        assert task is not None
        ticket = self._lobby.enter(peer[0], partial(_cut, task))
        try:
            with contextlib.suppress(OSError):  # TimeoutError is one
                stream = await accept(sock, context=None)
                try:
                    async with asyncio.timeout(PATIENCE):
                        stream.write(http.answer(await _request(stream), self._pages))
                        await stream.close()
                finally:
                    stream.abort()
        finally:
            ticket.leave()

    def _metrics(self) -> Page:
        return Page(text(self._board, self._given()), content_type=CONTENT_TYPE)

    def _readiness(self) -> Page:
        state = State(self._board, self._monotonic())
        return Page(state.told(), 200 if state.ready else 503)

    def _given(self) -> Mapping[str, Mapping[Labels, float]]:
        state, now = State(self._board, self._monotonic()), self._wall()
        return {
            families.BUILD.name: {(_version(),): 1.0},
            families.WORKERS.name: {(): float(state.workers)},
            families.WORKERS_READY.name: {(): float(state.serving)},
            families.RECORDS_UP.name: {(): float(state.records)},
            families.DRAINING.name: {(): float(state.draining)},
            families.CERTIFICATE_DAYS.name: {who: (end - now) / DAY for who, end in self._ends.items()},
        }

    def _reload(self) -> None:
        """Workers take over new certificates at the same moment: what is shown is what they show."""
        try:
            self._settings = reloaded(self._settings, config.load(self._settings.file))
        except ConfigError as error:
            log.error("reload refused, the old configuration stays", extra={"detail": str(error)})
            return
        self._ends = dict(_certificate_ends(self._settings))


def _version() -> str:
    try:
        return metadata.version("mailguard")
    except metadata.PackageNotFoundError:  # run from a tree that was never installed
        return "unknown"


def _certificate_ends(settings: Settings) -> Iterator[tuple[Labels, float]]:
    shown = [(settings.server.hostname, settings.tls.certificate)]
    for name, file in [*shown, *((each.name, each.certificate) for each in settings.tls.names)]:
        try:
            yield (name, file.name), certificate_facts(file).not_after.timestamp()
        except TlsError as error:
            log.error("a certificate cannot be read", extra={"detail": str(error)})


async def _request(stream: Stream) -> bytes:
    """What comes, up to the empty line, and no more than a request may have."""
    come = b""
    while http.END not in come and len(come) < http.HEAD_MOST and (more := await stream.read(http.HEAD_MOST)):
        come += more
    return come


def _cut(task: asyncio.Task[None]) -> None:
    task.cancel()
