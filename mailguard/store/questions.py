"""What the identity source was asked about each name in vain, and where each name was granted lately.

A directory counts wrong passwords too, and locks its account after so many. Of the allowance one question is kept for
networks from which the name was granted in the last 30 days: strangers who use up the rest do not shut its owner out.
A row stands from before the question is put; it is *pending* until the answer is in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, exists, func, select
from sqlalchemy.dialects.sqlite import insert

from mailguard.auth.ports import Reserved
from mailguard.store.prepared import Prepared
from mailguard.store.schema import known_networks, questions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.auth.ports import Place, Reservation

PENDING_SECONDS = 120.0  # no attempt takes longer; the process of an older pending row has died
KEPT_SECONDS = 24 * 3600.0  # the longest window there is
KNOWN_SECONDS = 30 * 24 * 3600.0
SEEN_GRAIN = 3600.0  # a page less to write for each login of a device that comes all day

_c, _n = questions.c, known_networks.c
_recent = select(func.count()).where(_c.owner == bindparam("who"), _c.at > bindparam("since"))
asked = _recent.scalar_subquery()
"""How many questions about a name stand in its window."""
pending = _recent.where(_c.pending, _c.at > bindparam("overdue")).scalar_subquery()
"""How many of these are not answered yet."""
known_here = exists().where(_n.network == bindparam("place"), _n.seen_at > bindparam("known_since"))
"""Was the name granted from this network in the last 30 days?"""
_ASKED = insert(questions)
_REFUSED = _ASKED.on_conflict_do_update(
    # It may be gone: a granted login clears what is under way beside it, which is not to be lost by that.
    index_elements=[_c.id],
    set_={"pending": _ASKED.excluded.pending, "at": _ASKED.excluded.at},
)
_GIVE_BACK = delete(questions).where(_c.id == bindparam("question"))
_CLEAR = delete(questions).where(_c.owner == bindparam("who"))
_SAW = insert(known_networks)
_SEEN = Prepared(
    _SAW.on_conflict_do_update(
        index_elements=[_n.network],
        set_={name: _SAW.excluded[name] for name in ("seen_at", "private")},
        where=(_n.seen_at <= _SAW.excluded.seen_at - SEEN_GRAIN) | (_n.private != _SAW.excluded.private),
    ),
    fills=("network", "owner", "seen_at", "private"),
)


def window(reservation: Reservation, now: float) -> dict[str, object]:
    """What the three above are asked with."""
    question = reservation.question
    return {
        "who": reservation.owner,
        "since": now - (question.allowance.window if question is not None else 0.0),
        "overdue": now - PENDING_SECONDS,
        "place": question.network if question is not None else b"",
        "known_since": now - KNOWN_SECONDS,
    }


def held(reservation: Reservation, *, asked: int, pending: int, known_here: bool) -> Reserved | None:
    """Why a question is not to be put: THROTTLED, or BUSY while the answers to others may yet leave room for it."""
    question = reservation.question
    if question is None:
        return None
    room = question.allowance.limit - (0 if known_here else 1)
    if asked < room:
        return None
    return Reserved.BUSY if asked - pending < room else Reserved.THROTTLED


def ask(connection: Connection, reservation: Reservation, now: float) -> None:
    """Count a question that is about to be put."""
    if reservation.question is not None:
        connection.execute(_ASKED, _row(reservation, now, pending=True))


def refused(connection: Connection, reservation: Reservation, now: float) -> None:
    """No login came of it."""
    if reservation.question is not None:
        connection.execute(_REFUSED, _row(reservation, now, pending=False))


def give_back(connection: Connection, reservation: Reservation) -> None:
    """It found nothing out: as if it had not been put."""
    if reservation.question is not None:
        connection.execute(_GIVE_BACK, {"question": reservation.question.id})


def clear(connection: Connection, owner: bytes) -> None:
    """Forget what was asked about a name: a right password came, which sets back the directory's own count too."""
    connection.execute(_CLEAR, {"who": owner})


def saw(connection: Connection, place: Place | None, now: float) -> None:
    """A login was granted here."""
    if place is not None:
        seen = {"network": place.network, "owner": place.owner, "seen_at": now, "private": place.private}
        _SEEN.run(connection, seen)


def purge(connection: Connection, now: float) -> None:
    """Forget what no window reaches back to, and networks not seen for 30 days."""
    connection.execute(delete(questions).where(_c.at < now - KEPT_SECONDS))
    connection.execute(delete(known_networks).where(_n.seen_at < now - KNOWN_SECONDS))


def _row(reservation: Reservation, now: float, *, pending: bool) -> dict[str, object]:
    assert reservation.question is not None
    question, known = reservation.question, reservation.known
    return {"id": question.id, "owner": reservation.owner, "at": now, "pending": pending, "known": known}
