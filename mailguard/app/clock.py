"""The wall clock, and whether it can be believed."""

from __future__ import annotations

import time
from collections.abc import Callable

JUMP_SECONDS = 30.0
BEHIND_SECONDS = 60.0
DISTRUST_SECONDS = 60.0


class SystemClock:
    """Wall time watched against the monotonic clock (SECURITY.md, promise 2).

    After a jump, or where it starts out behind what the records have seen, codes are refused for a minute: a clock set
    back would accept codes again that time has closed, one set forward would burn steps to come.
    """

    def __init__(
        self,
        newest_known: float,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()
        behind = wall() < newest_known - BEHIND_SECONDS
        self._distrusted_until = monotonic() + DISTRUST_SECONDS if behind else float("-inf")

    def now(self) -> float:
        """UTC seconds since 1970."""
        self._watch()
        return self._wall()

    def trusted(self) -> bool:
        """False for a minute after a jump."""
        self._watch()
        return self._monotonic() >= self._distrusted_until

    def _watch(self) -> None:
        offset = self._wall() - self._monotonic()
        if abs(offset - self._offset) > JUMP_SECONDS:
            self._distrusted_until = self._monotonic() + DISTRUST_SECONDS
            self._offset = offset
