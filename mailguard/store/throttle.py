"""The throttle's memory: which wrong secrets each bucket has seen. What the buckets are: auth.throttle.

One row is one distinct secret in one bucket, known by a short mark. It is written before anything is verified and
settled with the outcome, inside transactions that no other process can interleave, so parallel guesses are counted
like sequential ones. A row is *pending* while its attempt is under way, else it is known to be wrong.

A wrong password stays wrong, so it may be asked again now and then without being counted. A wrong code does not: half a
minute later the same string would be a fresh guess. It is *spent*: while it is known nobody is asked about it again,
whatever network it comes from, and that it is known shows in no count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from mailguard.auth.ports import Reserved
from mailguard.store import questions
from mailguard.store.schema import throttle_marks

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.auth.ports import Reservation, Stake

PENDING_SECONDS = questions.PENDING_SECONDS
ASK_AGAIN_SECONDS = 15 * 60.0
MARK_SECONDS = 24 * 3600.0
SPENT = 1e15  # for `asked_at`: later than any time

_c = throttle_marks.c
_THIS = (_c.bucket == bindparam("b"), _c.mark == bindparam("m"))
_COUNT = select(func.count()).where(
    _c.bucket == bindparam("b"), _c.mark != bindparam("m"), _c.counted_at > bindparam("since")
)
_KNOWN = select(_c.pending, _c.asked_at).where(*_THIS)
_NEW = insert(throttle_marks)
_STILL = {"asked_at": func.max(_c.asked_at, _NEW.excluded.asked_at), "seen_at": _NEW.excluded.seen_at}
_STAKE = _NEW.on_conflict_do_update(
    index_elements=[_c.bucket, _c.mark],
    # A row that is there (wrong from another network) stays wrong and counted: a deferral must not take it away.
    set_=_STILL,
)
_WRONG = _NEW.on_conflict_do_update(
    index_elements=[_c.bucket, _c.mark],
    set_={"pending": _NEW.excluded.pending, **_STILL},  # counted when it was staked
)
_SEEN = update(throttle_marks).where(*_THIS).values(seen_at=bindparam("seen"))
_ASKED = update(throttle_marks).where(*_THIS).values(asked_at=bindparam("asked"), seen_at=bindparam("seen"))
_ASK_AGAIN = update(throttle_marks).where(*_THIS, _c.pending.is_(False), _c.asked_at < SPENT).values(asked_at=0.0)
_UNSTAKE = delete(throttle_marks).where(*_THIS, _c.pending.is_(True))
_FORGET = delete(throttle_marks).where(*_THIS)
_RESET = update(throttle_marks).where(_c.bucket == bindparam("b")).values(counted_at=0.0)
_UNLOCK = delete(throttle_marks).where(_c.owner == bindparam("who"))
_PURGE = delete(throttle_marks).where(_c.seen_at < bindparam("old"))


def reserve(connection: Connection, reservation: Reservation, now: float) -> Reserved:
    """Stake one attempt. Whoever is throttled leaves no row behind: a flood of names fills nothing."""
    known_here = questions.known(connection, reservation, now)
    for bucket in reservation.buckets:
        window = {"b": bucket.key, "m": bucket.mark, "since": now - bucket.window}
        if connection.execute(_COUNT, window).scalar_one() >= bucket.limit - (0 if known_here else bucket.kept):
            return Reserved.THROTTLED
    marks = _marks(reservation)
    known = [connection.execute(_KNOWN, mark).first() for mark in marks]
    if any(row is not None and row.asked_at == SPENT for row in known):
        # Counted like any other: what it costs must not tell that the password in it is right.
        connection.execute(_WRONG, _rows(reservation, now, pending=False, asked=SPENT))
        return Reserved.REPEATED
    match known[0]:
        case (False, float(asked)) if now - asked < ASK_AGAIN_SECONDS:
            connection.execute(_SEEN, [{**mark, "seen": now} for mark in marks])
            return Reserved.REPEATED
    if (held := questions.ask(connection, reservation, now, known_here=known_here)) is not None:
        return held
    match known[0]:
        case (True, float(asked)) if now - asked < PENDING_SECONDS:
            return Reserved.SHARED
        case (False, _):
            connection.execute(_ASKED, [{**mark, "asked": now, "seen": now} for mark in marks])
            return Reserved.SHARED
        case _:
            connection.execute(_STAKE, _rows(reservation, now, pending=True, asked=now))
            return Reserved.NEW


def refuse(connection: Connection, stake: Stake | None, now: float, *, spent: bool) -> None:
    """The secret was wrong: it stays counted and is known from now on. `spent`: it is never asked about again."""
    if stake is not None and stake.state in (Reserved.NEW, Reserved.SHARED):
        rows = _rows(stake.reservation, now, pending=False, asked=SPENT if spent else now)
        connection.execute(_WRONG, rows)
        questions.refused(connection, stake.reservation, now)


def defer(connection: Connection, stake: Stake | None) -> None:
    """Nothing was found out about the secret: as if it had not been tried."""
    if stake is None:
        return
    marks = _marks(stake.reservation)
    questions.give_back(connection, stake.reservation)
    if stake.state is Reserved.NEW:
        connection.execute(_UNSTAKE, marks)
    elif stake.state is Reserved.SHARED:
        connection.execute(_ASK_AGAIN, marks)


def refund(connection: Connection, stake: Stake | None) -> None:
    """The secret was right: its mark goes, and the buckets that a granted login resets count from nothing."""
    if stake is None:
        return
    connection.execute(_FORGET, _marks(stake.reservation))
    questions.clear(connection, stake.reservation.owner)
    resets = [{"b": bucket.key} for bucket in stake.reservation.buckets if bucket.resets]
    if resets:
        connection.execute(_RESET, resets)


def unlock(connection: Connection, owner: bytes) -> None:
    """Forget every wrong secret tried at one account's name."""
    connection.execute(_UNLOCK, {"who": owner})
    questions.clear(connection, owner)


def purge(connection: Connection, now: float) -> None:
    """Forget marks a day after their secret last arrived."""
    connection.execute(_PURGE, {"old": now - MARK_SECONDS})


def _marks(reservation: Reservation) -> list[dict[str, bytes]]:
    return [{"b": bucket.key, "m": bucket.mark} for bucket in reservation.buckets]


def _rows(reservation: Reservation, now: float, *, pending: bool, asked: float) -> list[dict[str, object]]:
    times = {"counted_at": now, "asked_at": asked, "seen_at": now}
    return [
        {"bucket": bucket.key, "mark": bucket.mark, "owner": reservation.owner, "pending": pending, **times}
        for bucket in reservation.buckets
    ]
