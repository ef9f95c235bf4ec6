"""New connections to each store come at a bounded rate: whoever comes beyond it waits in line.

After a restart ten thousand clients are back within seconds. For a store that forks for each login that is a fall from
which it does not rise by itself: clients whose login took too long come again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from mailguard.backends.failure import BackendFailure, FailureKind

if TYPE_CHECKING:
    from mailguard.backends.target import Target

# Of one process to one store. A login costs a store that forks for it some 4 ms, so this is about what one of its cores
# takes, and more than half of what one of our processes can decide in the meantime: a quiet day never meets it.
RATE: Final = 200.0  # a second
BURST: Final = 100  # at once: an office that opens its mail programs together
LINE_SECONDS: Final = 20.0  # the longest wait, as long as a store may then take; a client gives a login a minute


class Pace:
    """Whose turn it is when, of those who want to reach one store. Seconds of any one clock, handed in.

    Nobody stands in a queue: each is given the next free moment, so that the order is kept by itself.
    """

    __slots__ = ("_ahead", "_line", "_next", "_pause")

    def __init__(self, rate: float = RATE, burst: int = BURST, line: float = LINE_SECONDS) -> None:
        self._pause = 1.0 / rate
        self._ahead = (burst - 1) * self._pause
        self._line = line
        self._next = 0.0

    def wait(self, now: float) -> float | None:
        """Seconds until the turn of one more; None where the line is too long, which it then does not join."""
        due = max(self._next, now)
        wait = max(0.0, due - self._ahead - now)
        if wait > self._line:
            return None
        self._next = due + self._pause
        return wait


class Dials:
    """The lines before all stores, of one process. A store is known by its place, whoever it is dialled for.

    There are two before each: whoever has proved a secret never waits behind strangers whose passwords are asked about.
    """

    def __init__(
        self,
        now: Callable[[], float],
        pace: Callable[[], Pace] = Pace,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._now = now
        self._pace = pace
        self._sleep = sleep
        self._paces: dict[tuple[str, int, bool], Pace] = {}
        self.waiting = 0  # how many stand in line now

    async def turn(self, target: Target, *, proved: bool) -> None:
        """Wait until this store may be dialled once more. Raises BackendFailure(TEMPORARY) where the line is too long:
        that says nothing about the store."""
        place = (target.host, target.port, proved)
        pace = self._paces.get(place) or self._paces.setdefault(place, self._pace())
        wait = pace.wait(self._now())
        if wait is None:
            raise BackendFailure(FailureKind.TEMPORARY, f"{target}: too many logins wait for a connection to it")
        if wait:
            self.waiting += 1
            try:
                await self._sleep(wait)
            finally:
                self.waiting -= 1
