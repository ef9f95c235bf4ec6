"""The throttle's memory: which wrong secrets came at each name, and how many there were of each thing that is counted.
What is counted, and how long it makes wait: auth.throttle.

A mark is one distinct secret at one name. It is written before anything is verified and settled with the outcome,
inside transactions that no other process can interleave, so parallel guesses are counted like sequential ones. A mark
is *pending* while its attempt is under way, else it is known to be wrong.

A wrong password stays wrong, so it may be asked again now and then without being counted. A wrong code does not: half a
minute later the same string would be a fresh guess. It is *spent*: while it is known nobody is asked about it again,
whatever network it comes from, though a question is counted as if somebody were: what it costs must not tell that the
password in it is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, func, literal, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from mailguard.auth.ports import Counts, Reserved, Stake, Tally
from mailguard.auth.throttle import CODE_SECONDS, DAY, counted, passes, until, with_code
from mailguard.store import questions, shedding
from mailguard.store.schema import throttle_buckets, throttle_marks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from mailguard.auth.ports import Reservation

PENDING_SECONDS = questions.PENDING_SECONDS
ASK_AGAIN_SECONDS = 15 * 60.0
MARK_SECONDS = DAY
LEAKED_SECONDS = 2 * DAY  # the slowest bucket has leaked what counts by then

_m, _b = throttle_marks.c, throttle_buckets.c
_THIS = (_m.owner == bindparam("who"), _m.mark == bindparam("what"))
_ONE = select(literal(1).label("one")).subquery()
_READ = select(
    _m.pending,
    _m.spent,
    _m.asked_at,
    questions.known_here.label("known_here"),
    questions.asked.label("asked"),
    questions.pending.label("questions_pending"),
).select_from(_ONE.outerjoin(throttle_marks, and_(*_THIS)))
_TALLIES = select(_b.key, _b.level, _b.in_a_row, _b.at).where(_b.key.in_(bindparam("keys", expanding=True)))
_NEW_MARK = insert(throttle_marks)
_STAKE = _NEW_MARK.on_conflict_do_update(
    # Of a process that died with it in hand.
    index_elements=[_m.owner, _m.mark],
    set_={"asked_at": _NEW_MARK.excluded.asked_at, "seen_at": _NEW_MARK.excluded.seen_at},
)
_NEW_BUCKET = insert(throttle_buckets)
_COUNT = _NEW_BUCKET.on_conflict_do_update(
    index_elements=[_b.key],
    set_={
        name: func.max(_b[name], _NEW_BUCKET.excluded[name]) if name == "known" else _NEW_BUCKET.excluded[name]
        for name in ("known", "level", "in_a_row", "at")
    },
)
_UNCOUNT = (
    update(throttle_buckets)
    .where(_b.key == bindparam("bucket"))
    .values(level=func.max(0.0, _b.level - 1.0), in_a_row=func.max(0, _b.in_a_row - 1))
)
_WRONG = (
    update(throttle_marks)
    .where(*_THIS)
    .values(
        pending=False,
        spent=or_(_m.spent, bindparam("spends")),
        asked_at=func.max(_m.asked_at, bindparam("at")),
        seen_at=bindparam("at"),
    )
)
_SEEN = update(throttle_marks).where(*_THIS).values(seen_at=bindparam("at"))
_ASKED = update(throttle_marks).where(*_THIS).values(asked_at=bindparam("at"), seen_at=bindparam("at"))
_ASK_AGAIN = update(throttle_marks).where(*_THIS, _m.pending.is_(False), _m.spent.is_(False)).values(asked_at=0.0)
_UNSTAKE = delete(throttle_marks).where(*_THIS, _m.pending.is_(True))
_FORGET = delete(throttle_marks).where(*_THIS)
_EMPTY = delete(throttle_buckets).where(_b.key == bindparam("bucket"))
_UNLOCK = (
    delete(throttle_marks).where(_m.owner == bindparam("who")),
    delete(throttle_buckets).where(_b.owner == bindparam("who")),
)

_Tallies = dict[bytes, Tally]


def reserve(connection: Connection, reservation: Reservation, now: float) -> Stake:
    """Stake one attempt. Whoever is throttled leaves no row behind: a flood of names fills nothing."""
    found = connection.execute(_READ, _this(reservation) | questions.window(reservation, now)).one()
    in_flight = bool(found.pending) and now - found.asked_at < PENDING_SECONDS
    tallies = _tallies(connection, reservation)
    held = None if in_flight else _held(reservation, tallies, now, known_here=found.known_here)
    held = held or questions.held(
        reservation, asked=found.asked, pending=found.questions_pending, known_here=found.known_here
    )
    if found.pending is False:
        connection.execute(_SEEN, {**_this(reservation), "at": now})
        # Whoever is throttled hears that of any string: which were tried before, and by whom, is not to be had by it.
        if held in (None, Reserved.BUSY) and now - found.asked_at < ASK_AGAIN_SECONDS:
            return Stake(reservation, Reserved.REPEATED)
    if held is not None:
        return Stake(reservation, held)
    return _staked(connection, reservation, now, found, tallies, in_flight=in_flight)


def _staked(
    connection: Connection, reservation: Reservation, now: float, found: Row[Any], tallies: _Tallies, *, in_flight: bool
) -> Stake:
    if found.pending is False and found.spent:
        questions.refused(connection, reservation, now)
        connection.execute(_ASKED, {**_this(reservation), "at": now})
        return Stake(reservation, Reserved.REPEATED)
    questions.ask(connection, reservation, now)
    if in_flight:
        return Stake(reservation, Reserved.SHARED)
    code = with_code(tallies.get(reservation.codes), now)
    if code is not None:
        connection.execute(_COUNT, _row(reservation, Counts.CODES, reservation.codes, code))
    if found.pending is False:
        connection.execute(_ASKED, {**_this(reservation), "at": now})
        return Stake(reservation, Reserved.AGAIN, code is not None)
    if found.pending is None:  # else it was counted by the process that died
        _count(connection, reservation, tallies, now)
    connection.execute(_STAKE, _mark(reservation, now, pending=True, spent=False))
    return Stake(reservation, Reserved.NEW, code is not None)


def _held(reservation: Reservation, tallies: _Tallies, now: float, *, known_here: bool) -> Reserved | None:
    for bucket in reservation.buckets:
        tally = tallies.get(bucket.key)
        if tally is None or passes(bucket.allowance, tally, now, known_here=known_here):
            continue
        if until(bucket.allowance, tally, known_here=known_here) < float("inf"):
            return Reserved.THROTTLED
        if not reservation.unlocks:
            return Reserved.LOCKED
    return None


def _count(connection: Connection, reservation: Reservation, tallies: _Tallies, now: float) -> None:
    rows = []
    for bucket in reservation.buckets:
        tally = counted(bucket.allowance, tallies.get(bucket.key), now)
        rows.append(_row(reservation, bucket.counts, bucket.key, tally))
        if bucket.counts is Counts.OVERALL and tally.in_a_row % shedding.EVERY == 0:
            shedding.shed(connection)
    connection.execute(_COUNT, rows)


def refuse(connection: Connection, stake: Stake | None, now: float, *, spent: bool) -> None:
    """The secret was wrong: it stays counted and is known from now on. `spent`: its code was, not its password."""
    if stake is None or not stake.stands:
        return
    reservation = stake.reservation
    if connection.execute(_WRONG, {**_this(reservation), "spends": spent, "at": now}).rowcount == 0:
        # Another with the same string was deferred or granted, or the account unlocked: nobody has counted this one.
        connection.execute(_STAKE, _mark(reservation, now, pending=False, spent=spent))
        _count(connection, reservation, _tallies(connection, reservation), now)
    if stake.takes_code and not spent:
        connection.execute(_UNCOUNT, {"bucket": reservation.codes})
    questions.refused(connection, reservation, now)


def defer(connection: Connection, stake: Stake | None) -> None:
    """Nothing was found out about the secret: as if it had not been tried."""
    if stake is None or not stake.stands:
        return
    reservation, given_back = stake.reservation, [stake.reservation.codes] if stake.takes_code else []
    questions.give_back(connection, reservation)
    if stake.state is not Reserved.NEW:
        connection.execute(_ASK_AGAIN, _this(reservation))
    elif connection.execute(_UNSTAKE, _this(reservation)).rowcount:
        given_back += [bucket.key for bucket in reservation.buckets]
    if given_back:
        connection.execute(_UNCOUNT, [{"bucket": key} for key in given_back])


def refund(connection: Connection, stake: Stake | None) -> None:
    """The secret was right: its mark goes, and the buckets that a granted login resets count from nothing."""
    if stake is None:
        return
    reservation = stake.reservation
    staked = connection.execute(_FORGET, _this(reservation)).rowcount and stake.state is Reserved.NEW
    questions.clear(connection, reservation.owner)
    emptied = [bucket.key for bucket in reservation.buckets if bucket.allowance.resets]
    connection.execute(_EMPTY, [{"bucket": key} for key in (*emptied, reservation.codes)])
    given_back = [bucket.key for bucket in reservation.buckets if not bucket.allowance.resets] if staked else []
    if given_back:
        connection.execute(_UNCOUNT, [{"bucket": key} for key in given_back])


def unlock(connection: Connection, owner: bytes) -> None:
    """Forget every wrong secret tried at one account's name."""
    for statement in _UNLOCK:
        connection.execute(statement, {"who": owner})
    questions.clear(connection, owner)


def purge(connection: Connection, now: float) -> None:
    """Forget marks a day after their secret last arrived, and buckets that have leaked. What is in a row stays."""
    connection.execute(delete(throttle_marks).where(_m.seen_at < now - MARK_SECONDS))
    gone = or_(
        and_(_b.counts != Counts.ACCOUNT.value, _b.at < now - LEAKED_SECONDS),
        and_(_b.counts == Counts.CODES.value, _b.at < now - CODE_SECONDS),
    )
    connection.execute(delete(throttle_buckets).where(gone))


def _tallies(connection: Connection, reservation: Reservation) -> _Tallies:
    keys = [reservation.codes, *(bucket.key for bucket in reservation.buckets)]
    return {key: Tally(level, row, at) for key, level, row, at in connection.execute(_TALLIES, {"keys": keys})}


def _this(reservation: Reservation) -> dict[str, object]:
    return {"who": reservation.owner, "what": reservation.mark}


def _mark(reservation: Reservation, now: float, *, pending: bool, spent: bool) -> Mapping[str, object]:
    settled = {"pending": pending, "spent": spent, "asked_at": now, "seen_at": now}
    return {"owner": reservation.owner, "mark": reservation.mark, "known": reservation.known, **settled}


def _row(reservation: Reservation, counts: Counts, key: bytes, tally: Tally) -> dict[str, object]:
    of_name = counts in shedding.OF_NAMES
    return {
        "key": key,
        "owner": reservation.owner if of_name else b"",
        "counts": counts.value,
        "known": (of_name and reservation.known) or shedding.dear(counts, tally),
        "level": tally.level,
        "in_a_row": tally.in_a_row,
        "at": tally.at,
    }
