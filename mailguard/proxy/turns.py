"""Decisions at one name from one network take turns, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_ONCE = 8  # as many as a client opens connections when it starts


class Turns:
    """Keeps one client from asking the store about one name more than `at_once` times in parallel (auth.ports.Turns).

    The same wrong password on two hundred connections was two hundred questions, before the first answer could mark
    it as known; a directory behind the store would have locked its account. Of this process, like its connections.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._queues: dict[tuple[str, str], _Queue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    @asynccontextmanager
    async def take(self, name: str, network: str) -> AsyncIterator[None]:
        """Wait until it is one's turn; it ends with the context."""
        queue = self._queues.setdefault((name, network), _Queue(self._at_once))
        queue.length += 1
        try:
            async with queue.turns:
                yield
        finally:
            queue.length -= 1
            if not queue.length:
                del self._queues[name, network]


class _Queue:
    __slots__ = ("length", "turns")

    def __init__(self, at_once: int) -> None:
        self.length = 0
        self.turns = asyncio.Semaphore(at_once)
