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
from typing import TYPE_CHECKING, Generic, TypeVar

from mailguard.auth.accounts import (
    Account,
    AccountKind,
    AccountName,
    AppPassword,
    Claim,
    CodeKind,
    Grant,
    OneTimeCode,
    Passkey,
    SuspendedBy,
    TotpDevice,
    VaultEntry,
)
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.roles import EVERYTHING, Role, RoleLimit
from mailguard.secret import Secret
from mailguard.store.macs import fits, under_mac
from mailguard.store.portal_schema import passkeys
from mailguard.store.schema import accounts, app_passwords, claims, devices, grants, one_time_codes, vault
from mailguard.store.seal import Sealed

if TYPE_CHECKING:
    from mailguard.auth.accounts import KeyedHash
    from mailguard.store.macs import Values
    from mailguard.store.prepared import Row
    from mailguard.store.seal import Field, Seal

T = TypeVar("T")


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
        "role": account.role.value,
        "role_limit": str(account.role_limit),
        "suspended_by": account.suspended_by.value,
        "factor_required": account.factor_required,
        "created_at": account.created_at,
    }
    return under_mac(seal, accounts, values)


def account_of(seal: Seal, row: Row) -> Checked[Account]:
    """The account of a row."""
    c = accounts.c
    intact = fits(seal, accounts, row)
    account = Account(
        id=row[c.id],
        name=AccountName(row[c.name]),
        kind=AccountKind(row[c.kind]) if intact else AccountKind.PERSON,
        group=row[c.policy_group],
        role=Role(row[c.role]) if intact else Role.NONE,
        role_limit=RoleLimit.parse(row[c.role_limit]) if intact else EVERYTHING,
        suspended_by=SuspendedBy(row[c.suspended_by]) if intact else SuspendedBy.OPERATOR,
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
        "first_use_by": app_password.first_use_by,
        "revoked_at": app_password.revoked_at,
        "issued_by": app_password.issued_by,
        "seen_by_operator": app_password.seen_by_operator,
        "person_id": app_password.person_id,
        "public": app_password.public,
        "client_lock": app_password.client_lock,
        "client_bound": app_password.client_bound,
        "hash_key": digest.key_id,
        "hash": digest.digest,
    }
    return under_mac(seal, app_passwords, values)


def app_password_of(seal: Seal, row: Row) -> Checked[AppPassword]:
    """The app password of a row."""
    c = app_passwords.c
    intact = fits(seal, app_passwords, row)
    app_password = AppPassword(
        id=row[c.id],
        account_id=row[c.account_id],
        label=row[c.label],
        protocols=frozenset(map(MailProtocol, row[c.protocols].split())) if intact else frozenset(),
        networks=tuple(map(ip_network, row[c.networks].split())) if intact else (),
        created_at=row[c.created_at],
        expires_at=row[c.expires_at],
        idle=row[c.idle],
        first_use_by=row[c.first_use_by],
        revoked_at=row[c.revoked_at] if intact or row[c.revoked_at] is not None else row[c.created_at],
        last_used_at=row[c.last_used_at],
        last_used_from=row[c.last_used_from],
        last_used_protocol=row[c.last_used_protocol],
        last_client=row[c.last_client],
        issued_by=row[c.issued_by],
        seen_by_operator=row[c.seen_by_operator],
        person_id=row[c.person_id],
        public=row[c.public] if intact else None,
        client_lock=row[c.client_lock],
        client_bound=row[c.client_bound],
    )
    return Checked(app_password, intact)


def device_values(seal: Seal, device: TotpDevice) -> Values:
    """The row of an authenticator, its seed sealed."""
    place = _place(device.id, device.account_id, device.digits, device.period, device.algorithm)
    sealed = seal.seal(place, device.seed)
    values = {
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
    return under_mac(seal, devices, values)


def device_of(seal: Seal, row: Row) -> Checked[TotpDevice]:
    """The authenticator of a row, its seed opened."""
    c = devices.c
    place = _place(row[c.id], row[c.account_id], row[c.digits], row[c.period], row[c.algorithm])
    seed = seal.open(place, Sealed(row[c.seal_key], row[c.sealed_seed]))
    intact = seed is not None and fits(seal, devices, row)
    device = TotpDevice(
        id=row[c.id],
        account_id=row[c.account_id],
        name=row[c.name],
        seed=seed if seed and intact else Secret(base64.b32encode(secrets.token_bytes(20))),
        digits=row[c.digits],
        period=row[c.period],
        algorithm=row[c.algorithm],
        last_step=row[c.last_step],
        created_at=row[c.created_at],
        confirmed_at=row[c.confirmed_at],
    )
    return Checked(device, intact)


def passkey_values(seal: Seal, passkey: Passkey) -> Values:
    """The row of a passkey, under its MAC."""
    values = {
        "id": passkey.id,
        "account_id": passkey.account_id,
        "name": passkey.name,
        "credential": passkey.credential,
        "public_key": passkey.public_key,
        "created_at": passkey.created_at,
        "sign_count": passkey.sign_count,
        "last_used_at": passkey.last_used_at,
    }
    return under_mac(seal, passkeys, values)


def passkey_of(seal: Seal, row: Row) -> Checked[Passkey]:
    """The passkey of a row. Whoever lets anybody in by an altered one is told by `intact`."""
    c = passkeys.c
    passkey = Passkey(
        id=row[c.id],
        account_id=row[c.account_id],
        name=row[c.name],
        credential=row[c.credential],
        public_key=row[c.public_key],
        sign_count=row[c.sign_count],
        created_at=row[c.created_at],
        last_used_at=row[c.last_used_at],
    )
    return Checked(passkey, fits(seal, passkeys, row))


def grant_values(seal: Seal, grant: Grant, string: KeyedHash) -> Values:
    """The row of a grant, under its MAC."""
    values = {
        "id": grant.id,
        "account_id": grant.account_id,
        "device_id": grant.device_id,
        "network": grant.network,
        "second": grant.second,
        "string_key": string.key_id,
        "string": string.digest,
        "opened_at": grant.opened_at,
        "until": grant.until,
        "idle": grant.idle,
        "single": grant.single,
        "idle_since": grant.idle_since,
        "ended_at": grant.ended_at,
    }
    return under_mac(seal, grants, values)


def grant_of(row: Row) -> Grant:
    """The grant of a row. Whoever lets a login pass by it checks its MAC first."""
    c = grants.c
    return Grant(
        id=row[c.id],
        account_id=row[c.account_id],
        device_id=row[c.device_id],
        network=row[c.network],
        opened_at=row[c.opened_at],
        until=row[c.until],
        idle=row[c.idle],
        second=row[c.second],
        single=row[c.single],
        idle_since=row[c.idle_since],
        ended_at=row[c.ended_at],
    )


def vault_entry_of(seal: Seal, row: Row) -> Checked[VaultEntry]:
    """The vault entry of a row."""
    c = vault.c
    entry = VaultEntry(row[c.app_password_id], row[c.sealed], row[c.sealed_at], row[c.refused_at])
    return Checked(entry, fits(seal, vault, row))


def code_values(seal: Seal, code: OneTimeCode) -> Values:
    """The row of a one-time code, under its MAC."""
    values = {
        "id": code.id,
        "account_id": code.account_id,
        "kind": code.kind.value,
        "salt": code.salt,
        "hash": code.hash,
        "created_at": code.created_at,
        "expires_at": code.expires_at,
        "used_at": code.used_at,
        "ended_at": code.ended_at,
        "may_enrol": code.may_enrol,
        "issued_by": code.issued_by,
        "kept_at": code.kept_at,
    }
    return under_mac(seal, one_time_codes, values)


def code_of(seal: Seal, row: Row) -> Checked[OneTimeCode]:
    """The one-time code of a row; an altered one has ended."""
    c = one_time_codes.c
    intact = fits(seal, one_time_codes, row)
    code = OneTimeCode(
        id=row[c.id],
        account_id=row[c.account_id],
        kind=CodeKind(row[c.kind]) if intact else CodeKind.RECOVERY,
        salt=row[c.salt],
        hash=row[c.hash],
        created_at=row[c.created_at],
        expires_at=row[c.expires_at],
        used_at=row[c.used_at],
        ended_at=row[c.ended_at] if intact else row[c.created_at],
        may_enrol=row[c.may_enrol] and intact,
        issued_by=row[c.issued_by],
        kept_at=row[c.kept_at],
    )
    return Checked(code, intact)


def claim_values(seal: Seal, claim: Claim, digest: KeyedHash) -> Values:
    """The row of a claim link, under its MAC."""
    values = {
        "id": claim.id,
        "account_id": claim.account_id,
        "label": claim.label,
        "protocols": " ".join(sorted(claim.protocols)),
        "networks": " ".join(map(str, claim.networks)),
        "life": claim.life,
        "idle": claim.idle,
        "person_id": claim.person_id,
        "client_lock": claim.client_lock,
        "created_at": claim.created_at,
        "expires_at": claim.expires_at,
        "used_at": claim.used_at,
        "issued_by": claim.issued_by,
        "hash_key": digest.key_id,
        "hash": digest.digest,
    }
    return under_mac(seal, claims, values)


def claim_of(seal: Seal, row: Row) -> Checked[Claim]:
    """The claim link of a row. Whoever lets anybody open an altered one is told by `intact`."""
    c = claims.c
    claim = Claim(
        id=row[c.id],
        account_id=row[c.account_id],
        label=row[c.label],
        protocols=frozenset(MailProtocol(name) for name in row[c.protocols].split()),
        created_at=row[c.created_at],
        expires_at=row[c.expires_at],
        networks=tuple(ip_network(network) for network in row[c.networks].split()),
        life=row[c.life],
        idle=row[c.idle],
        person_id=row[c.person_id],
        client_lock=row[c.client_lock],
        used_at=row[c.used_at],
        issued_by=row[c.issued_by],
    )
    return Checked(claim, fits(seal, claims, row))


def _place(device_id: str, account_id: str, digits: int, period: int, algorithm: str) -> list[Field]:
    return [devices.name, device_id, account_id, digits, period, algorithm]
