"""Authenticators: enrolled, confirmed by a first code, removed. Their seeds never leave the database unsealed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, insert, select, update

from mailguard.auth.accounts import AccountName, TotpDevice
from mailguard.auth.events import Event
from mailguard.store import app_passwords, grants, macs, revocations, rows
from mailguard.store.accounts import end_everything
from mailguard.store.errors import ChangeRefused
from mailguard.store.ids import new_id
from mailguard.store.revocations import Kind
from mailguard.store.schema import accounts, devices
from mailguard.store.schema import grants as grant_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.secret import Secret
    from mailguard.store.administration import Administration

UNCONFIRMED_KEPT_SECONDS = 24 * 3600.0

_c = devices.c
_ENROL = insert(devices)
_OF_ACCOUNT = select(devices).where(_c.account_id == bindparam("account")).order_by(_c.created_at, _c.id)
_ONE = (
    select(devices, accounts.c.name.label("account_name"))
    .join(accounts, accounts.c.id == _c.account_id)
    .where(_c.id == bindparam("device"))
)
_CHANGE = update(devices).where(_c.id == bindparam("device"))
_REMOVE = delete(devices).where(_c.id == bindparam("device"), _c.account_id == bindparam("account"))
_REMOVE_ALL = delete(devices).where(_c.account_id == bindparam("account"))
_CONFIRMED = select(func.count()).where(_c.account_id == bindparam("account"), _c.confirmed_at.is_not(None))


class Devices:
    """The authenticators (RFC 6238), as their owner and an administrator see them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def enrol(
        self,
        name: AccountName,
        label: str,
        seed: Secret,
        *,
        actor: str,
        digits: int = 6,
        period: int = 30,
        algorithm: str = "SHA1",
    ) -> TotpDevice:
        """Keep a new seed (base32), sealed. It counts for nothing until confirm()."""

        def work(connection: Connection) -> TotpDevice:
            account = self._by.demand(connection, name)
            now = self._by.now()
            device = TotpDevice(new_id(), account.id, label, seed, digits, period, algorithm, created_at=now)
            connection.execute(_ENROL, rows.device_values(self._by.seal, device))
            self._by.record(connection, Event.TOTP_ENROLLED, name, actor, credential=device.id, detail=label)
            return device

        return await self._by.database.write(work)

    async def confirm(self, device_id: str, step: int, *, actor: str) -> None:
        """A first code fitted: the authenticator counts from now on, and that code's step is consumed."""

        def work(connection: Connection) -> None:
            row = connection.execute(_ONE, {"device": device_id}).mappings().first()
            if row is None or row[_c.confirmed_at] is not None or not rows.device_of(self._by.seal, row).intact:
                raise ChangeRefused(f"there is no authenticator {device_id} to confirm: enrol it again")
            confirmed = macs.changed(self._by.seal, devices, row, confirmed_at=self._by.now())
            connection.execute(_CHANGE, {"device": device_id, **confirmed, "last_step": step})
            name = AccountName(row["account_name"])
            self._by.rewrite(connection, replace(self._by.demand(connection, name), factor_required=False))
            self._by.unlock(connection, name)
            self._by.record(connection, Event.TOTP_CONFIRMED, name, actor, credential=device_id)

        await self._by.database.write(work)

    async def get(self, device_id: str) -> TotpDevice | None:
        """One authenticator, confirmed or not, its seed opened. ChangeRefused where its row was altered."""
        found = await self._by.database.read(
            lambda connection: connection.execute(_ONE, {"device": device_id}).mappings().first()
        )
        if found is None:
            return None
        checked = rows.device_of(self._by.seal, found)
        if not checked.intact:
            raise ChangeRefused(f"the row of authenticator {device_id} was altered: remove it and enrol a new one")
        return checked.value

    async def list(self, name: AccountName) -> tuple[TotpDevice, ...]:
        """An account's authenticators, confirmed or not, oldest first."""

        def work(connection: Connection) -> tuple[TotpDevice, ...]:
            account = self._by.demand(connection, name)
            found = connection.execute(_OF_ACCOUNT, {"account": account.id}).mappings()
            return tuple(rows.device_of(self._by.seal, row).value for row in found)

        return await self._by.database.read(work)

    async def remove(self, name: AccountName, device_id: str, *, actor: str) -> None:
        """Remove one authenticator: grants and sessions opened with it end."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name)
            if connection.execute(_REMOVE, {"device": device_id, "account": account.id}).rowcount != 1:
                raise ChangeRefused(f"{name} has no authenticator {device_id}: see `mailguard totp list {name}`")
            now = self._by.now()
            grants.end(connection, grant_table.c.device_id == device_id, now)
            revocations.revoke(connection, Kind.DEVICE, device_id, now)
            self._by.unlock(connection, name)
            self._by.record(connection, Event.TOTP_REMOVED, name, actor, credential=device_id)

        await self._by.database.write(work)

    async def reset(
        self, name: AccountName, *, actor: str, app_passwords_too: bool = False, factor_required: bool = True
    ) -> None:
        """Remove every authenticator: all sessions and grants end. With `factor_required` the bare password stays
        refused on mail, for whoever stole the phone may know it. App passwords survive unless asked otherwise."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name)
            now = self._by.now()
            removed = connection.execute(_REMOVE_ALL, {"account": account.id}).rowcount
            self._by.rewrite(connection, replace(account, factor_required=factor_required))
            end_everything(connection, account.id, now)
            self._by.unlock(connection, name)
            detail = f"{removed} authenticators removed"
            self._by.record(connection, Event.FACTORS_RESET, name, actor, detail=detail)
            if app_passwords_too:
                app_passwords.revoke_all_of(self._by, connection, account, actor)

        await self._by.database.write(work)


def has_factor(connection: Connection, account_id: str) -> bool:
    """Has this account a confirmed authenticator?"""
    return bool(connection.execute(_CONFIRMED, {"account": account_id}).scalar_one())


def purge(connection: Connection, now: float) -> None:
    """Forget seeds that nobody confirmed within a day."""
    connection.execute(delete(devices).where(_c.confirmed_at.is_(None), _c.created_at < now - UNCONFIRMED_KEPT_SECONDS))
