"""A child's sign of life to its supervisor: once when it is up, then for as long as its event loop turns."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from mailguard.net.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Pulse:
    """`beat` gives one sign; `seconds` between two of them, None where one is enough."""

    beat: Callable[[], None]
    seconds: float | None = None

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Up from here on."""
        self.beat()
        tasks = Tasks()
        if self.seconds is not None:
            tasks.spawn(self._again(self.seconds), name="pulse")
        try:
            yield
        finally:
            await tasks.close()

    async def _again(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self.beat()
