"""What the records know of a name and a string, read at one moment: one statement, one more for app passwords."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, exists, false, literal, or_, select

from mailguard.auth.ports import AuditRow, Facts
from mailguard.store import audit, grants, macs, revocations, rows
from mailguard.store.portal_schema import passkeys
from mailguard.store.prepared import Prepared
from mailguard.store.revocations import Kind
from mailguard.store.schema import accounts, app_passwords
from mailguard.store.schema import devices as device_rows
from mailguard.store.schema import grants as grant_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import BindParameter, Column, ColumnElement, Connection

    from mailguard.auth.accounts import Account, AccountName, AppPassword, Grant, KeyedHash, TotpDevice
    from mailguard.store.prepared import Found
    from mailguard.store.seal import Seal

# An account's authenticators times its grants of one string: a handful of rows. One statement sees one moment, so a
# grant is never older than the step its device is read with, and the revision never newer than either.
_ONE = select(literal(1).label("one")).subquery()
_HAS_PASSKEY = exists().where(passkeys.c.account_id == accounts.c.id)


def _any_of(column: Column[bytes], hashes: Sequence[BindParameter[bytes]]) -> ColumnElement[bool]:
    return or_(false(), *(column == each for each in hashes))


@cache
def _named(strings: int) -> Prepared:
    """Everything about a name. A string has a hash for each generation of the keys."""
    hashes: list[BindParameter[bytes]] = [bindparam(f"string_{place}") for place in range(strings)]
    query = (
        select(revocations.newest.label("revision"), _HAS_PASSKEY.label("passkey"), accounts, device_rows, grant_table)
        .select_from(_ONE)
        .outerjoin(accounts, accounts.c.name == bindparam("wanted"))
        .outerjoin(
            device_rows, and_(device_rows.c.account_id == accounts.c.id, device_rows.c.confirmed_at.is_not(None))
        )
        .outerjoin(
            grant_table,
            and_(grant_table.c.account_id == accounts.c.id, _any_of(grant_table.c.string, hashes), *grants.live),
        )
        .order_by(device_rows.c.created_at, device_rows.c.id, grant_table.c.single, grant_table.c.opened_at)
    )
    return Prepared(query)


# An older copy of a row, put back with a MAC that fits, does not unsay its revocation.
_TOLD = revocations.told(Kind.APP_PASSWORD, app_passwords.c.id)
_HOLDER = Prepared(select(accounts).where(accounts.c.id == bindparam("person")))


@cache
def _app_password(digests: int) -> Prepared:
    """An app password and its account: all that a login by it turns on, but for the person at a shared mailbox."""
    hashes: list[BindParameter[bytes]] = [bindparam(f"digest_{place}") for place in range(digests)]
    query = (
        select(revocations.newest.label("revision"), app_passwords, accounts, _TOLD.label("told"))
        .join(accounts, accounts.c.id == app_passwords.c.account_id)
        .where(_any_of(app_passwords.c.hash, hashes))
    )
    return Prepared(query)


@dataclass(frozen=True, slots=True)
class Reading:
    """The facts, and an audit row for every row that was altered behind our back."""

    facts: Facts
    alarms: tuple[AuditRow, ...]


def read(
    connection: Connection,
    seal: Seal,
    name: AccountName,
    *,
    app_password: Sequence[KeyedHash],
    string: Sequence[KeyedHash],
    now: float,
) -> Reading:
    """Read, and check every MAC and seal on the way. What was offered is an app password of this very name: no more is
    read than what decides about that."""
    reading = _Reading(connection, seal, now)
    offered = reading.app_password(app_password) if app_password else None
    if offered is not None and offered.account.name == name:
        facts = offered.facts(app_password[0].key_id)
    else:
        facts = reading.named(name, string)
        if offered is not None:
            facts = replace(facts, app_password=offered.app_password, holder=offered.holder)
    return Reading(facts, tuple(reading.alarms))


@dataclass(frozen=True, slots=True)
class _Offered:
    """An app password that is there, and whose it is."""

    app_password: AppPassword
    account: Account
    holder: Account | None
    revision: int
    hashed_under: str

    def facts(self, newest: str) -> Facts:
        rehash = self.hashed_under != newest
        return Facts(self.account, (), self.app_password, self.holder, None, self.revision, rehash=rehash)


class _Reading:
    """One reading under way, and the alarms that it raises."""

    def __init__(self, connection: Connection, seal: Seal, now: float) -> None:
        self._connection = connection
        self._seal = seal
        self._now = now
        self.alarms: list[AuditRow] = []

    def app_password(self, hashes: Sequence[KeyedHash]) -> _Offered | None:
        digests = {f"digest_{place}": each.digest for place, each in enumerate(hashes)}
        hit = _app_password(len(hashes)).first(self._connection, digests)
        if hit is None:
            return None
        password = rows.app_password_of(self._seal, hit)
        offered = password.value
        if hit["told"] and offered.revoked_at is None:
            offered = replace(offered, revoked_at=offered.created_at)
            password = rows.Checked(offered, intact=False)
        account = self._account(hit)
        if not password.intact:
            self._altered(app_passwords.name, offered.id, account.name)
        holder = None
        if offered.person_id:
            person = _HOLDER.first(self._connection, {"person": offered.person_id})
            holder = self._account(person) if person is not None else None
        return _Offered(offered, account, holder, hit["revision"], hit[app_passwords.c.hash_key])

    def named(self, name: AccountName, strings: Sequence[KeyedHash]) -> Facts:
        hashes = {f"string_{place}": each.digest for place, each in enumerate(strings)}
        found = _named(len(strings)).all(self._connection, {"wanted": name, "now": self._now, **hashes})
        account = None if found[0][accounts.c.id] is None else self._account(found[0])
        devices = tuple(self._devices(found, name))
        live = list(self._grants(found, name))
        grant, has_passkey = live[0] if live else None, bool(found[0]["passkey"])
        return Facts(account, devices, None, None, grant, found[0]["revision"], passkeys=has_passkey)

    def _account(self, row: Found) -> Account:
        account = rows.account_of(self._seal, row)
        if not account.intact:
            self._altered(accounts.name, account.value.id, account.value.name)
        return account.value

    def _devices(self, found: Sequence[Found], owner: str) -> Iterator[TotpDevice]:
        for row in _distinct(found, device_rows.c.id):
            device = rows.device_of(self._seal, row)
            if not device.intact:
                self._altered(device_rows.name, device.value.id, owner)
            yield device.value

    def _grants(self, found: Sequence[Found], owner: str) -> Iterator[Grant]:
        for row in _distinct(found, grant_table.c.id):
            if macs.fits(self._seal, grant_table, row):
                yield rows.grant_of(row)
            else:
                self._altered(grant_table.name, row[grant_table.c.id], owner)

    def _altered(self, table: str, row_id: str, owner: str) -> None:
        self.alarms.append(audit.altered(table, row_id, self._now, account=owner))


def _distinct(found: Sequence[Found], key: Column[str]) -> Iterator[Found]:
    """The rows of a join that hold something of one table, each of its rows once."""
    return iter({row[key]: row for row in found if row[key] is not None}.values())
