"""Logins by a bare password, as the record shows them: who would be locked out by a second factor, and with what.

Read in pieces, newest first: the one reading connection of a process also serves its logins. What a client calls itself
comes after its login, and stands in the row of its session's end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, or_, select

from mailguard.auth.attempt import Factor, Reason
from mailguard.auth.decision import lapsed
from mailguard.auth.events import Event
from mailguard.store import rows
from mailguard.store.factors import of_account
from mailguard.store.schema import accounts, app_passwords, audit, sessions

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import Account, AppPassword
    from mailguard.store.administration import Administration

PIECE = 2000  # rows of the record at a time
MOST = 50_000  # places, and sessions, that are kept in mind

_c = audit.c
_TOP = select(func.coalesce(func.max(_c.seq), 0))
_PIECE = (
    select(audit)
    .where(
        _c.seq <= bindparam("top"),
        _c.seq > bindparam("bottom"),
        _c.last_at >= bindparam("since"),
        or_(
            (_c.event.in_((Event.LOGIN_GRANTED.value, Event.SESSION_ENDED.value)))
            & (_c.factor == Factor.PASSWORD.value),
            (_c.event == Event.LOGIN_REFUSED.value) & (_c.reason == Reason.SECOND_FACTOR_REQUIRED.value),
        ),
    )
    .order_by(_c.seq.desc())
)
_NEWEST = select(func.max(_c.last_at)).where(_c.seq <= bindparam("top"), _c.seq > bindparam("bottom"))
_OPEN = select(sessions.c.id, sessions.c.client).where(sessions.c.client != "")
_WITHOUT_FACTOR = select(accounts).where(~of_account(accounts.c.id)).order_by(accounts.c.name)
_HANDED_OUT = (
    select(app_passwords)
    .where(app_passwords.c.seen_by_operator, app_passwords.c.revoked_at.is_(None))
    .order_by(app_passwords.c.created_at)
)


@dataclass(frozen=True, slots=True)
class Place:
    """Whence somebody comes with a bare password, and with what. `client` is "" where it never gave a name."""

    account: str
    client: str
    address: str
    protocol: str


@dataclass(frozen=True, slots=True)
class Seen:
    """The logins of one place: how many passed and how many were refused for want of a factor, since when."""

    place: Place
    passed: int
    refused: int
    since: float
    last_at: float

    def with_(self, other: Seen) -> Seen:
        """Both together."""
        return replace(
            self,
            passed=self.passed + other.passed,
            refused=self.refused + other.refused,
            since=min(self.since, other.since),
            last_at=max(self.last_at, other.last_at),
        )


class WatchedLogins:
    """The record and the accounts, as `readiness` asks them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def without_factor(self) -> tuple[Account, ...]:
        """All accounts that have neither authenticator nor passkey, by name."""
        found = await self._by.database.read(lambda connection: connection.execute(_WITHOUT_FACTOR).mappings().all())
        return tuple(rows.account_of(self._by.seal, row).value for row in found)

    async def handed_out(self) -> tuple[AppPassword, ...]:
        """Usable app passwords that an operator has seen, oldest first."""
        found = await self._by.database.read(lambda connection: connection.execute(_HANDED_OUT).mappings().all())
        checked = (rows.app_password_of(self._by.seal, row) for row in found)
        return tuple(each.value for each in checked if each.intact and not lapsed(each.value, self._by.now()))

    async def since(self, since: float) -> tuple[Seen, ...]:
        """Every place that a bare password came from since then."""
        tally = _Tally()
        top = await self._by.database.read(tally.begin)

        def read(connection: Connection) -> bool:
            piece = {"top": top, "bottom": top - PIECE}
            for row in connection.execute(_PIECE, {**piece, "since": since}).mappings():
                tally.count(row)
            newest = connection.execute(_NEWEST, piece).scalar()
            return newest is None or newest >= since  # rows for many come late: the oldest one says nothing

        while top > 0 and await self._by.database.read(read):
            top -= PIECE
        return tally.seen()


class _Tally:
    """What was counted so far, and the names of clients whose logins are still to come."""

    def __init__(self) -> None:
        self._clients: dict[str, str] = {}
        self._seen: dict[Place, Seen] = {}

    def begin(self, connection: Connection) -> int:
        self._clients = {row.id: row.client for row in connection.execute(_OPEN)}
        return int(connection.execute(_TOP).scalar_one())

    def count(self, row: RowMapping) -> None:
        if row[_c.event] == Event.SESSION_ENDED.value:
            if row[_c.client] and len(self._clients) < MOST:
                self._clients[row[_c.session]] = row[_c.client]
            return
        client = row[_c.client] or self._clients.get(row[_c.session], "")
        place = Place(row[_c.account], client, row[_c.address], row[_c.protocol])
        passed = row[_c.event] == Event.LOGIN_GRANTED.value
        times = row[_c.repeats] + 1
        one = Seen(place, times if passed else 0, 0 if passed else times, row[_c.at], row[_c.last_at])
        known = self._seen.get(place)
        if known is not None:
            self._seen[place] = known.with_(one)
        elif len(self._seen) < MOST:
            self._seen[place] = one

    def seen(self) -> tuple[Seen, ...]:
        return tuple(sorted(self._seen.values(), key=lambda each: (each.place.account, -each.last_at)))
