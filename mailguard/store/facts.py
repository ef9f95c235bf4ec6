"""What the records know of a name and a string, read at one moment: one statement, one more for app passwords."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, exists, literal, select

from mailguard.auth.ports import AuditRow, Facts
from mailguard.store import audit, grants, macs, revocations, rows
from mailguard.store.portal_schema import passkeys
from mailguard.store.revocations import Kind
from mailguard.store.schema import accounts, app_passwords, devices
from mailguard.store.schema import grants as grant_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailguard.auth.accounts import Account, AccountName, AppPassword, Grant, KeyedHash, TotpDevice
    from mailguard.store.seal import Seal

# An account's authenticators times its grants of one string: a handful of rows. One statement sees one moment, so a
# grant is never older than the step its device is read with, and the revision never newer than either.
_ONE = select(literal(1).label("one")).subquery()
_HAS_PASSKEY = exists().where(passkeys.c.account_id == accounts.c.id)
_NAMED = (
    select(revocations.newest.label("revision"), _HAS_PASSKEY.label("passkey"), accounts, devices, grant_table)
    .select_from(_ONE)
    .outerjoin(accounts, accounts.c.name == bindparam("wanted"))
    .outerjoin(devices, and_(devices.c.account_id == accounts.c.id, devices.c.confirmed_at.is_not(None)))
    .outerjoin(
        grant_table,
        and_(
            grant_table.c.account_id == accounts.c.id,
            grant_table.c.string.in_(bindparam("strings", expanding=True)),
            *grants.live,
        ),
    )
    .order_by(devices.c.created_at, devices.c.id, grant_table.c.single, grant_table.c.opened_at)
)
# An older copy of a row, put back with a MAC that fits, does not unsay its revocation.
_TOLD = revocations.told(Kind.APP_PASSWORD, app_passwords.c.id)
_owner = accounts.alias("owner")  # `accounts` itself stands for the named person who holds it
_APP_PASSWORD = (
    select(app_passwords, accounts, _owner.c.name.label("owner"), _TOLD.label("told"))
    .join(_owner, _owner.c.id == app_passwords.c.account_id)
    .outerjoin(accounts, accounts.c.id == app_passwords.c.person_id)
    .where(app_passwords.c.hash.in_(bindparam("digests", expanding=True)))
)


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
    """Read, and check every MAC and seal on the way."""
    wanted = {"wanted": name, "strings": [s.digest for s in string], "now": now}
    found = connection.execute(_NAMED, wanted).mappings().all()
    alarms: list[AuditRow] = []

    def altered(table: str, row_id: str, owner: str) -> None:
        alarms.append(audit.altered(table, row_id, now, account=owner))

    account = None
    if found[0][accounts.c.id] is not None:
        checked = rows.account_of(seal, found[0])
        account = checked.value
        if not checked.intact:
            altered(accounts.name, account.id, name)
    authenticators: dict[str, TotpDevice] = {}
    for row in found:
        device_id = row[devices.c.id]
        if device_id is not None and device_id not in authenticators:
            device = rows.device_of(seal, row)
            authenticators[device_id] = device.value
            if not device.intact:
                altered(devices.name, device_id, name)
    leave: dict[str, Grant | None] = {}
    for row in found:
        grant_id = row[grant_table.c.id]
        if grant_id is not None and grant_id not in leave:
            leave[grant_id] = rows.grant_of(row) if macs.fits(seal, grant_table, row) else None
            if leave[grant_id] is None:
                altered(grant_table.name, grant_id, name)
    grant = next((each for each in leave.values() if each is not None), None)
    offered: AppPassword | None = None
    holder: Account | None = None
    if app_password:
        digests = {"digests": [digest.digest for digest in app_password]}
        hit = connection.execute(_APP_PASSWORD, digests).mappings().first()
        if hit is not None:
            password = rows.app_password_of(seal, hit)
            offered = password.value
            if hit["told"] and offered.revoked_at is None:
                offered = replace(offered, revoked_at=offered.created_at)
                password = rows.Checked(offered, intact=False)
            if not password.intact:
                altered(app_passwords.name, offered.id, hit["owner"])
            if hit[accounts.c.id] is not None:
                person = rows.account_of(seal, hit)
                holder = person.value
                if not person.intact:
                    altered(accounts.name, holder.id, holder.name)
    facts = Facts(
        account,
        tuple(authenticators.values()),
        offered,
        holder,
        grant,
        found[0]["revision"],
        passkeys=bool(found[0]["passkey"]),
    )
    return Reading(facts, tuple(alarms))
