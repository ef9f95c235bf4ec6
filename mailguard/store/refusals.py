"""Logins that are refused again and again, as the record shows them: which device, how often, since when.

Read in pieces, newest first: the one reading connection of a process also serves its logins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, exists, func, select

from mailguard.auth.attempt import Reason
from mailguard.auth.events import Event
from mailguard.auth.notices import Failing
from mailguard.store import programs
from mailguard.store.schema import accounts, app_passwords, audit, audit_repeats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Connection, Row, Select, Table

    from mailguard.store.administration import Transactions

PIECE = 2000  # rows of the record at a time
MOST = 20_000  # devices that are kept in mind
TELLING = (
    Reason.APP_PASSWORD_REVOKED,
    Reason.APP_PASSWORD_EXPIRED,
    Reason.APP_PASSWORD_SCOPE,
    Reason.APP_PASSWORD_NEEDS_VAULT,
    Reason.WRONG_PASSWORD,
    Reason.WRONG_REPEATED,
    Reason.CODE_MISSING,
    Reason.CODE_REUSED,
    Reason.PASSKEY_ONLY,
    Reason.SECOND_FACTOR_REQUIRED,
    Reason.NO_PASSWORD_HERE,
)
"""What a device does that goes on with what once was right."""

_c = audit.c
_TOP = select(func.coalesce(func.max(_c.seq), 0))
_PIECE = (_c.seq <= bindparam("top"), _c.seq > bindparam("bottom"))
_NEWEST = select(func.max(_c.last_at)).where(*_PIECE)


def _found(table: Table, *which: ColumnElement[bool]) -> Select[tuple[str, str, str, str, str, int, float, float]]:
    c = table.c
    return (
        select(
            c.account,
            c.address,
            c.protocol,
            c.credential,
            c.reason,
            func.sum(c.repeats + 1).label("times"),
            func.min(c.at).label("since"),
            func.max(c.last_at).label("last_at"),
        )
        .where(
            *which,
            c.event == Event.LOGIN_REFUSED.value,
            c.reason.in_([reason.value for reason in TELLING]),
            c.last_at >= bindparam("since"),
            exists().where(accounts.c.name == c.account),
        )
        .group_by(c.account, c.address, c.protocol, c.credential, c.reason)
    )


_WRITTEN = _found(audit, *_PIECE)
_HELD_BACK = _found(audit_repeats, audit_repeats.c.repeats >= 0)  # their row is still to come
_OF_CREDENTIAL = select(app_passwords.c.label, app_passwords.c.last_client).where(
    app_passwords.c.id == bindparam("credential")
)


@dataclass(frozen=True, slots=True)
class Device:
    """Where refused logins come from. `credential` is the id of an app password, or ""."""

    account: str
    address: str
    protocol: str
    credential: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """The refused logins of one device: how many, the first and the newest; `reason` is that of the newest."""

    device: Device
    times: int
    since: float
    last_at: float
    reason: Reason

    def with_(self, other: Refusals) -> Refusals:
        """Both together."""
        newer = max(self, other, key=lambda each: each.last_at)
        return replace(newer, times=self.times + other.times, since=min(self.since, other.since))


async def refused_since(database: Transactions, since: float) -> tuple[Refusals, ...]:
    """Every device of an account that was refused since then."""
    tally: dict[Device, Refusals] = {}

    def held_back(connection: Connection) -> int:
        for row in connection.execute(_HELD_BACK, {"since": since}):
            _count(tally, row)
        return int(connection.execute(_TOP).scalar_one())

    def written(connection: Connection) -> bool:
        piece = {"top": top, "bottom": top - PIECE}
        for row in connection.execute(_WRITTEN, {**piece, "since": since}):
            _count(tally, row)
        newest = connection.execute(_NEWEST, piece).scalar()
        return newest is None or newest >= since  # rows for many come late: the oldest one says nothing

    top = await database.read(held_back)
    while top > 0 and await database.read(written):
        top -= PIECE
    return tuple(tally.values())


def _count(tally: dict[Device, Refusals], row: Row[tuple[str, str, str, str, str, int, float, float]]) -> None:
    device = Device(row.account, row.address, row.protocol, row.credential)
    found = Refusals(device, row.times, row.since, row.last_at, Reason(row.reason))
    known = tally.get(device)
    if known is not None:
        tally[device] = known.with_(found)
    elif len(tally) < MOST:
        tally[device] = found


async def named(database: Transactions, refusals: Iterable[Refusals]) -> tuple[Failing, ...]:
    """The same, with what is known of the program and of the app password."""

    def work(connection: Connection) -> tuple[Failing, ...]:
        return tuple(_named(connection, each) for each in refusals)

    return await database.read(work)


def _named(connection: Connection, refusals: Refusals) -> Failing:
    device = refusals.device
    label, client = "", ""
    if device.credential:
        row = connection.execute(_OF_CREDENTIAL, {"credential": device.credential}).first()
        label, client = (row.label, row.last_client) if row is not None else ("", "")
    if not client:
        client = programs.named_itself(connection, device.account, device.address, refusals.last_at)
    return Failing(
        refusals.reason, device.address, device.protocol, refusals.times, refusals.last_at, client=client, label=label
    )
