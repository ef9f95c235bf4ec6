"""Rows to values and back. What carries a MAC or a seal is checked here, wherever a row is read.

A row that was altered behind our back is read in the way that opens least: an account as suspended, an app password
as revoked, an authenticator with a seed that no code fits (it still counts as a factor, so that its account does not
fall back to its bare password).
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import Float

from mailguard.auth.accounts import Account, AccountKind, AccountName, AppPassword, Grant, KeyedHash, TotpDevice
from mailguard.auth.attempt import MailProtocol
from mailguard.secret import Secret
from mailguard.store.schema import accounts, app_passwords, devices, grants
from mailguard.store.seal import Field, Sealed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, RowMapping

    from mailguard.store.seal import Seal

T = TypeVar("T")

Values = dict[str, Any]

_NOT_UNDER_MAC = {"mac_key", "mac", "last_used_at", "last_used_from", "last_used_protocol", "last_client"}
_ACCOUNT = [column for column in accounts.c if column.name not in _NOT_UNDER_MAC]
_APP_PASSWORD = [column for column in app_passwords.c if column.name not in _NOT_UNDER_MAC]


@dataclass(frozen=True, slots=True)
class Checked(Generic[T]):
    """A value from a row, and whether the row is as mailguard left it."""

    value: T
    intact: bool


def account_values(seal: Seal, account: Account) -> Values:
    """The row of an account, under its MAC."""
    values = {
        "id": account.id,
        "name": account.name,
        "kind": account.kind.value,
        "policy_group": account.group,
        "administrator": account.administrator,
        "suspended": account.suspended,
        "factor_required": account.factor_required,
        "created_at": account.created_at,
    }
    return _under_mac(seal, _ACCOUNT, values)


def account_of(seal: Seal, row: RowMapping) -> Checked[Account]:
    """The account of a row."""
    c = accounts.c
    intact = _fits(seal, _ACCOUNT, row)
    account = Account(
        id=row[c.id],
        name=AccountName(row[c.name]),
        kind=AccountKind(row[c.kind]) if intact else AccountKind.PERSON,
        group=row[c.policy_group],
        administrator=row[c.administrator] and intact,
        suspended=row[c.suspended] or not intact,
        factor_required=row[c.factor_required] or not intact,
        created_at=row[c.created_at],
    )
    return Checked(account, intact)


def app_password_values(seal: Seal, app_password: AppPassword, digest: KeyedHash) -> Values:
    """The row of an app password, under its MAC."""
    values = {
        "id": app_password.id,
        "account_id": app_password.account_id,
        "label": app_password.label,
        "protocols": " ".join(sorted(app_password.protocols)),
        "networks": " ".join(map(str, app_password.networks)),
        "created_at": app_password.created_at,
        "expires_at": app_password.expires_at,
        "idle": app_password.idle,
        "revoked_at": app_password.revoked_at,
        "issued_by": app_password.issued_by,
        "seen_by_operator": app_password.seen_by_operator,
        "hash_key": digest.key_id,
        "hash": digest.digest,
    }
    return _under_mac(seal, _APP_PASSWORD, values)


def app_password_of(seal: Seal, row: RowMapping) -> Checked[AppPassword]:
    """The app password of a row."""
    c = app_passwords.c
    intact = _fits(seal, _APP_PASSWORD, row)
    app_password = AppPassword(
        id=row[c.id],
        account_id=row[c.account_id],
        label=row[c.label],
        protocols=frozenset(map(MailProtocol, row[c.protocols].split())) if intact else frozenset(),
        networks=tuple(map(ip_network, row[c.networks].split())) if intact else (),
        created_at=row[c.created_at],
        expires_at=row[c.expires_at],
        idle=row[c.idle],
        revoked_at=row[c.revoked_at] if intact or row[c.revoked_at] is not None else row[c.created_at],
        last_used_at=row[c.last_used_at],
        last_used_from=row[c.last_used_from],
        last_used_protocol=row[c.last_used_protocol],
        last_client=row[c.last_client],
        issued_by=row[c.issued_by],
        seen_by_operator=row[c.seen_by_operator],
    )
    return Checked(app_password, intact)


def revoked_values(seal: Seal, row: RowMapping, at: float) -> Values:
    """What changes when an app password is revoked: `revoked_at`, and the MAC that covers it."""
    return _under_mac(seal, _APP_PASSWORD, {**{c.name: row[c] for c in _APP_PASSWORD}, "revoked_at": at})


def device_values(seal: Seal, device: TotpDevice) -> Values:
    """The row of an authenticator, its seed sealed."""
    place = _place(device.id, device.account_id, device.digits, device.period, device.algorithm)
    sealed = seal.seal(place, device.seed)
    return {
        "id": device.id,
        "account_id": device.account_id,
        "name": device.name,
        "seal_key": sealed.key_id,
        "sealed_seed": sealed.content,
        "digits": device.digits,
        "period": device.period,
        "algorithm": device.algorithm,
        "last_step": device.last_step,
        "created_at": device.created_at,
        "confirmed_at": device.confirmed_at,
    }


def device_of(seal: Seal, row: RowMapping) -> Checked[TotpDevice]:
    """The authenticator of a row, its seed opened."""
    c = devices.c
    place = _place(row[c.id], row[c.account_id], row[c.digits], row[c.period], row[c.algorithm])
    seed = seal.open(place, Sealed(row[c.seal_key], row[c.sealed_seed]))
    device = TotpDevice(
        id=row[c.id],
        account_id=row[c.account_id],
        name=row[c.name],
        seed=seed or Secret(base64.b32encode(secrets.token_bytes(20))),
        digits=row[c.digits],
        period=row[c.period],
        algorithm=row[c.algorithm],
        last_step=row[c.last_step],
        created_at=row[c.created_at],
        confirmed_at=row[c.confirmed_at],
    )
    return Checked(device, seed is not None)


def grant_of(row: RowMapping) -> Grant:
    """The grant of a row."""
    c = grants.c
    return Grant(
        id=row[c.id],
        account_id=row[c.account_id],
        device_id=row[c.device_id],
        network=row[c.network],
        opened_at=row[c.opened_at],
        until=row[c.until],
        single=row[c.single],
    )


def _place(device_id: str, account_id: str, digits: int, period: int, algorithm: str) -> list[Field]:
    return [devices.name, device_id, account_id, digits, period, algorithm]


def _under_mac(seal: Seal, columns: Sequence[Column[Any]], values: Values) -> Values:
    mac = seal.mac(_fields(columns, [values[column.name] for column in columns]))
    return {**values, "mac_key": mac.key_id, "mac": mac.digest}


def _fits(seal: Seal, columns: Sequence[Column[Any]], row: RowMapping) -> bool:
    mac_key, mac = columns[0].table.c.mac_key, columns[0].table.c.mac
    return seal.fits(_fields(columns, [row[column] for column in columns]), KeyedHash(row[mac_key], row[mac]))


def _fields(columns: Sequence[Column[Any]], values: Sequence[Any]) -> list[Field]:
    """A time may be written as 5 and is read back as 5.0: both are one value to the MAC."""
    pairs = zip(columns, values, strict=True)
    numbers = [float(v) if isinstance(c.type, Float) and v is not None else v for c, v in pairs]
    return [columns[0].table.name, *numbers]
