"""Decisions at one name from one network take turns, a few at a time, and so many wait at the most."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from mailguard.auth.ports import Crowded

REST_SECONDS = 0.1
AT_ONCE = 8  # as many as a client opens connections when it starts


@dataclass(frozen=True, slots=True)
class Most:
    """How many wait. A login goes on after its client left, so connections that are closed at once pile up logins: the
    limits on connections bound nothing here."""

    of_name: int = 256  # from one network: a client has a handful, and all of them may bring the same code
    of_network: int = 1024  # an office after a power cut
    overall: int = 4096  # some 100 MB


class Turns:
    """Keeps one client from asking the store about one name more than `at_once` times in parallel (auth.ports.Turns).

    The same wrong password on two hundred connections was two hundred questions, before the first answer could mark
    it as known; a directory behind the store would have locked its account. Of this process, like its connections.
    """

    def __init__(self, at_once: int = AT_ONCE, most: Most | None = None) -> None:
        self._at_once = at_once
        self._most = Most() if most is None else most
        self._queues: dict[tuple[str, str], _Queue] = {}
        self._waiting: Counter[tuple[str, ...]] = Counter()

    def __len__(self) -> int:
        return len(self._queues) + len(self._waiting)

    @property
    def held(self) -> int:
        """How many places are held among those who wait, or are being asked about."""
        return self._waiting[()]

    @contextmanager
    def room(self, name: str, network: str) -> Iterator[None]:
        """Hold a place among those who wait. Crowded: there are too many of this name and network, or of all."""
        most = self._most
        held = {(name, network): most.of_name, (network,): most.of_network, (): most.overall}
        if any(self._waiting[key] >= limit for key, limit in held.items()):
            raise Crowded
        self._waiting.update(held.keys())
        try:
            yield
        finally:
            self._waiting.subtract(held.keys())
            for key in held:
                if not self._waiting[key]:
                    del self._waiting[key]

    @asynccontextmanager
    async def take(self, name: str, network: str) -> AsyncIterator[None]:
        """Wait until it is one's turn; it ends with the context."""
        async with self._queued((name, network), self._at_once):
            yield

    @asynccontextmanager
    async def behind_first(self, name: str, what: str) -> AsyncIterator[Callable[[], None]]:
        """Wait until it is one's turn: alone until somebody in the queue has passed, a few at a time from then on."""
        async with self._queued((name, what), 1) as queue:
            yield lambda: queue.widen(self._at_once)

    async def rest(self) -> None:
        """Let those who are asking, here or in another process, have their answers."""
        await asyncio.sleep(REST_SECONDS)

    @asynccontextmanager
    async def _queued(self, key: tuple[str, str], at_once: int) -> AsyncIterator[_Queue]:
        queue = self._queues.setdefault(key, _Queue(at_once))
        queue.length += 1
        try:
            async with queue.turns:
                yield queue
        finally:
            queue.length -= 1
            if not queue.length:
                del self._queues[key]


class _Queue:
    """Who waits at one key. It is forgotten with the last of them."""

    __slots__ = ("at_once", "length", "turns")

    def __init__(self, at_once: int) -> None:
        self.length = 0
        self.at_once = at_once
        self.turns = asyncio.Semaphore(at_once)

    def widen(self, at_once: int) -> None:
        """Let more in at a time."""
        for _ in range(at_once - self.at_once):
            self.turns.release()
        self.at_once = max(self.at_once, at_once)
