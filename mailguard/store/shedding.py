"""What of the throttle's memory is given up when there is too much of it: a flood of made-up names fills no disk.

Least useful first: the oldest rows of names that no account has, then the oldest of the others. What a network has
counted goes with the former: whoever has so many networks that theirs are shed is held up by the overall bucket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from mailguard.auth.ports import Counts
from mailguard.store.schema import questions, throttle_buckets, throttle_marks

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Table

    from mailguard.auth.ports import Tally

EVERY = 512  # wrong secrets, counted overall by all processes together
MOST = {False: 20_000, True: 80_000}
"""Rows of each table, by whether the name is an account's: some 25 MB in all, indexes included, at the very most."""
OF_NAMES = frozenset({Counts.PAIR, Counts.ACCOUNT, Counts.CODES})
DEAR_IN_A_ROW = 50

_TABLES: tuple[tuple[Table, Column[bool], Column[float]], ...] = (
    (throttle_marks, throttle_marks.c.known, throttle_marks.c.seen_at),
    (throttle_buckets, throttle_buckets.c.known, throttle_buckets.c.at),
    (questions, questions.c.known, questions.c.at),
)
_SHED = tuple(
    delete(table).where(
        known == bindparam("which"),
        at
        <= select(at)
        .where(known == bindparam("which"))
        .order_by(at.desc())
        .limit(1)
        .offset(bindparam("most"))
        .scalar_subquery(),
    )
    for table, known, at in _TABLES
)


def dear(counts: Counts, tally: Tally) -> bool:
    """Whether a row is kept as if its name were an account's. Else a flood would unlock names that have none, and
    whoever tries would know which have one."""
    return counts is Counts.OVERALL or (counts is Counts.ACCOUNT and tally.in_a_row >= DEAR_IN_A_ROW)


def shed(connection: Connection) -> None:
    """Delete what is too much, within the caller's transaction."""
    for statement in _SHED:
        for which, most in MOST.items():
            connection.execute(statement, {"which": which, "most": most})
