"""What was guessed at one name, and what waits because of it: for operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from mailguard.auth.ports import Counts, Tally
from mailguard.auth.throttle import ALLOWANCES, until
from mailguard.store.schema import throttle_buckets

if TYPE_CHECKING:
    from sqlalchemy import Connection

_c = throttle_buckets.c
_OF_NAME = select(_c.counts, _c.level, _c.in_a_row, _c.at).where(_c.owner == bindparam("who"))


@dataclass(frozen=True, slots=True)
class Guesses:
    """Ends of waits in UTC seconds; None where nothing waits, infinite where only unlocking helps."""

    in_a_row: int = 0
    known: float | None = None  # at networks where the name was granted lately
    strangers: float | None = None  # at all others
    networks: int = 0  # that wait by themselves
    longest: float | None = None  # of these waits


def guesses(connection: Connection, owner: bytes, now: float) -> Guesses:
    """As of `now`."""
    in_a_row, known, strangers = 0, None, None
    pairs: list[float] = []
    for row in connection.execute(_OF_NAME, {"who": owner}):
        counts, tally = Counts(row.counts), Tally(row.level, row.in_a_row, row.at)
        match counts:
            case Counts.ACCOUNT:
                in_a_row = tally.in_a_row
                known, strangers = (_end(counts, tally, now, known_here=which) for which in (True, False))
            case Counts.PAIR if (end := _end(counts, tally, now, known_here=False)) is not None:
                pairs.append(end)
    return Guesses(in_a_row, known, strangers, len(pairs), max(pairs, default=None))


def _end(counts: Counts, tally: Tally, now: float, *, known_here: bool) -> float | None:
    end = until(ALLOWANCES[counts], tally, known_here=known_here)
    return end if end > now else None
