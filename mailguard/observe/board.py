"""Numbers in memory that all processes share: made before the fork, each process writes its own part, one adds them up.

A part has one writer, so that nothing is locked: an increment costs what it costs in a list. A process that dies leaves
its part behind and whoever replaces it counts on from there: no counter goes down while the supervisor lives.
"""

from __future__ import annotations

import math
import mmap
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from mailguard.observe.families import BUCKETS, FLEETING, PLACES, SIZE, Merge, width

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence

    from mailguard.observe.families import Family, Labels

SUPERVISOR: Final = 0
PORTAL: Final = 1
SHARED: Final = 2  # what is one and the same for all workers: whichever found it out last has written it
_FIRST_WORKER: Final = 3
_OCTETS: Final = 8
_UNKNOWN: Final = math.nan


class Meter:
    """One process's own part, to write. Made without any, it counts for nobody: outside a supervisor none is read."""

    __slots__ = ("_cells",)

    def __init__(self, cells: MutableSequence[float] | None = None) -> None:
        self._cells = array("d", bytes(SIZE * _OCTETS)) if cells is None else cells

    def add(self, family: Family, *labels: str, by: float = 1.0) -> None:
        """Count."""
        self._cells[PLACES[family.name, labels]] += by

    def set(self, family: Family, *labels: str, to: float) -> None:
        """Say what a gauge shows now."""
        self._cells[PLACES[family.name, labels]] = to

    def took(self, family: Family, *labels: str, seconds: float) -> None:
        """Put a length of time into its bucket."""
        place = PLACES[family.name, labels]
        self._cells[place + bisect_left(BUCKETS, seconds)] += 1.0
        self._cells[place + len(BUCKETS) + 1] += seconds

    def read(self, family: Family, *labels: str) -> float:
        """What it shows; not a number where nothing was said yet."""
        return self._cells[PLACES[family.name, labels]]

    def forget(self) -> None:
        """Nothing is said any more but what was counted: that process has ended."""
        for place in FLEETING:
            self._cells[place] = _UNKNOWN


@dataclass(frozen=True, slots=True)
class Meters:
    """What a worker writes: its own part, and the one that all share."""

    own: Meter = field(default_factory=Meter)
    shared: Meter = field(default_factory=Meter)


class Board:
    """The parts of all processes."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        parts = _FIRST_WORKER + workers
        self._numbers = memoryview(mmap.mmap(-1, parts * SIZE * _OCTETS)).cast("d")
        self._meters = tuple(Meter(self._part(number)) for number in range(parts))
        for meter in self._meters:
            meter.forget()

    def _part(self, number: int) -> MutableSequence[float]:
        """A view of doubles takes floats; its stubs know of integers alone."""
        return cast("MutableSequence[float]", self._numbers[number * SIZE : (number + 1) * SIZE])

    @property
    def supervisor(self) -> Meter:
        """Of the process that starts all others."""
        return self._meters[SUPERVISOR]

    @property
    def portal(self) -> Meter:
        """Of the portal."""
        return self._meters[PORTAL]

    def worker(self, number: int) -> Meters:
        """Of one worker, by its number from 0."""
        return Meters(self._meters[_FIRST_WORKER + number], self._meters[SHARED])

    def total(self, family: Family, labels: Labels) -> Sequence[float]:
        """The numbers of one series, of all processes together; none where no process says anything."""
        place = PLACES[family.name, labels]
        if family.kind.lasts:
            return [math.fsum(self._numbers[place + offset :: SIZE]) for offset in range(width(family))]
        said = [value for value in self._numbers[place::SIZE] if not math.isnan(value)]
        if not said:
            return ()
        match family.merge:
            case Merge.SUM:
                return [math.fsum(said)]
            case Merge.LEAST:
                return [min(said)]
            case Merge.MOST:
                return [max(said)]
