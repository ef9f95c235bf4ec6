"""Which sessions end when while a process drains: evenly over the time that it has, each while both its sides rest.

Ended all together at the deadline, ten thousand clients would come back in one second. Nothing is said to them: a line
of ours could land in the middle of a literal.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final, TypeVar

LOOK_SECONDS: Final = 0.2
REST_SECONDS: Final = 2.0  # without a word, and nothing owed: between two commands, or in IDLE

T = TypeVar("T")


class Parting:
    """One drain, from `now` on for so many `seconds` of a clock that is handed in."""

    def __init__(self, now: float, seconds: float, rest: float = REST_SECONDS) -> None:
        self._looked = now
        self._until = now + seconds
        self._rest = rest
        self._credit = 0.0  # of sessions that are to end, less than one or so

    def leave(self, rests: Iterable[tuple[float, T]], now: float) -> list[T]:
        """Those that end now, silent longest first. `rests`: all that stand, and for how long each has rested.

        Of those at rest the share ends that this look has of the time left. Whoever never rests stays to the end; many
        that come to rest late are spread over what is left then, and do not go at once.
        """
        left, passed = self._until - self._looked, now - self._looked
        self._looked = now
        resting = [(rest, number, each) for number, (rest, each) in enumerate(rests) if rest >= self._rest]
        self._credit += len(resting) * (passed / left if passed < left else 1.0)
        count = min(int(self._credit), len(resting))
        self._credit = min(self._credit - count, 1.0)
        return [each for _, _, each in heapq.nlargest(count, resting)]
