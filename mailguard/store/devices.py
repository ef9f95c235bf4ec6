"""Authenticators: enrolled, confirmed by a first code, removed. Their seeds never leave the database unsealed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select, update

from mailguard.auth import totp
from mailguard.auth.accounts import AccountName, CodeKind, TotpDevice
from mailguard.auth.events import Event
from mailguard.store import app_passwords, claims, codes, grants, macs, passkeys, revocations, rows
from mailguard.store.accounts import end_everything
from mailguard.store.binding import bind, demand_name, unbound
from mailguard.store.errors import Absent, ChangeRefused
from mailguard.store.ids import new_id
from mailguard.store.revocations import Kind
from mailguard.store.schema import accounts, devices
from mailguard.store.schema import grants as grant_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import Account
    from mailguard.auth.standing import SignedIn
    from mailguard.secret import Secret
    from mailguard.store.administration import Administration

UNCONFIRMED_KEPT_SECONDS = 24 * 3600.0
MOST = 10  # of an account, unconfirmed ones too: with each, one more code in a million fits a guess

_c = devices.c
_ENROL = insert(devices)
_OF_ACCOUNT = select(devices).where(_c.account_id == bindparam("account")).order_by(_c.created_at, _c.id)
_ONE = (
    select(devices, accounts.c.name.label("account_name"))
    .join(accounts, accounts.c.id == _c.account_id)
    .where(_c.id == bindparam("device"))
)
_CHANGE = update(devices).where(_c.id == bindparam("device"))
_SET_BACK = (
    update(devices)
    .where(_c.id == bindparam("device"), _c.last_step == bindparam("ahead"))
    .values(last_step=bindparam("back"))
)
_REMOVE = delete(devices).where(_c.id == bindparam("device"), _c.account_id == bindparam("account"))
_REMOVE_ALL = delete(devices).where(_c.account_id == bindparam("account"))


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
        device_id: str = "",
        signed: SignedIn | None = None,
    ) -> TotpDevice:
        """Keep a new seed (base32), sealed. It counts for nothing until confirm(). ChangeRefused where the account has
        this very seed already, or as many as it may have. Where it has one that waits under this `device_id`, that."""
        demand_name(label, "an authenticator")

        def work(connection: Connection) -> TotpDevice:
            account = self._by.demand_person(connection, name, signed=signed)
            if device_id and (waiting := self._waiting(connection, account, device_id)) is not None:
                return waiting
            now = self._by.now()
            new = device_id or new_id()
            device = TotpDevice(new, account.id, label, seed, digits, period, algorithm, created_at=now)
            self._demand_room(connection, name, device)
            connection.execute(_ENROL, rows.device_values(self._by.seal, device))
            self._by.record(connection, Event.TOTP_ENROLLED, name, actor, credential=device.id, detail=label)
            return device

        return await self._by.database.write(work)

    async def waiting(self, name: AccountName, device_id: str, *, signed: SignedIn) -> TotpDevice | None:
        """One of the account's authenticators that nobody confirmed yet, its seed opened; None where there is none."""

        def work(connection: Connection) -> TotpDevice | None:
            return self._waiting(connection, self._by.demand(connection, name, signed=signed), device_id)

        return await self._by.database.read(work)

    async def discard(self, name: AccountName, device_id: str, *, signed: SignedIn) -> None:
        """Forget one that nobody confirmed, as time would. It never opened anything: nobody is told."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name, signed=signed)
            mine = (_c.id == device_id) & (_c.account_id == account.id)
            connection.execute(delete(devices).where(mine, _c.confirmed_at.is_(None)))

        await self._by.database.write(work)

    def _waiting(self, connection: Connection, account: Account, device_id: str) -> TotpDevice | None:
        row = next((row for row in _rows_of(connection, account.id) if row[_c.id] == device_id), None)
        if row is None or row[_c.confirmed_at] is not None:
            return None
        checked = rows.device_of(self._by.seal, row)
        return checked.value if checked.intact else None

    def _demand_room(self, connection: Connection, name: AccountName, new: TotpDevice) -> None:
        there = [rows.device_of(self._by.seal, row).value for row in _rows_of(connection, new.account_id)]
        if len(there) >= MOST:
            raise ChangeRefused(f"{name} has {MOST} authenticators, the most there can be: remove one first")
        same = next((device for device in there if totp.alike(device, new)), None)
        if same is not None:
            raise ChangeRefused(f"this is authenticator {same.id} of {name} already: each code of it would count twice")

    async def confirm(
        self, device_id: str, step: int, *, actor: str, only_first: bool = False, signed: SignedIn | None = None
    ) -> None:
        """A first code fitted: the authenticator counts from now on, and that code's step is consumed. `only_first` as
        of binding.bind()."""

        def work(connection: Connection) -> None:
            row = connection.execute(_ONE, {"device": device_id}).mappings().first()
            if row is None or row[_c.confirmed_at] is not None or not rows.device_of(self._by.seal, row).intact:
                raise ChangeRefused(f"there is no authenticator {device_id} to confirm: enrol it again")
            name = AccountName(row["account_name"])
            account = self._by.demand(connection, name, signed=signed)
            bind(self._by, connection, account, actor, only_first=only_first)
            confirmed = macs.changed(self._by.seal, devices, row, confirmed_at=self._by.now())
            connection.execute(_CHANGE, {"device": device_id, **confirmed, "last_step": step})
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
            raise _altered(device_id)
        return checked.value

    async def list(self, name: AccountName) -> tuple[TotpDevice, ...]:
        """An account's authenticators, confirmed or not, oldest first."""

        def work(connection: Connection) -> tuple[TotpDevice, ...]:
            account = self._by.demand(connection, name)
            return tuple(rows.device_of(self._by.seal, row).value for row in _rows_of(connection, account.id))

        return await self._by.database.read(work)

    async def rename(
        self, name: AccountName, device_id: str, label: str, *, actor: str, signed: SignedIn | None = None
    ) -> None:
        """Call it something else."""
        demand_name(label, "an authenticator")

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name, signed=signed)
            row = next((row for row in _rows_of(connection, account.id) if row[_c.id] == device_id), None)
            if row is None:
                raise _no_such(name, device_id)
            if not rows.device_of(self._by.seal, row).intact:
                raise _altered(device_id)
            connection.execute(_CHANGE, {"device": device_id, **macs.changed(self._by.seal, devices, row, name=label)})
            self._by.record(connection, Event.TOTP_RENAMED, name, actor, credential=device_id, detail=label)

        await self._by.database.write(work)

    async def resync(self, name: AccountName, *, actor: str) -> tuple[TotpDevice, ...]:
        """Set back the counters that are ahead of the clock, which once was ahead itself: until it came round again,
        every code would count as used. The authenticators that were set back, as they were; their current code counts
        as used."""

        def work(connection: Connection) -> tuple[TotpDevice, ...]:
            account = self._by.demand(connection, name)
            found = (rows.device_of(self._by.seal, row).value for row in _rows_of(connection, account.id))
            return tuple(device for device in found if self._set_back(connection, name, device, actor))

        return await self._by.database.write(work)

    def _set_back(self, connection: Connection, name: AccountName, device: TotpDevice, actor: str) -> bool:
        current = int(self._by.now()) // device.period
        if device.last_step <= current + 1:  # `code_window = "both"` takes the next step's code
            return False
        connection.execute(_SET_BACK, {"device": device.id, "ahead": device.last_step, "back": current})
        seconds = (device.last_step - current) * device.period
        detail = f"its counter was {seconds} s ahead of the clock"
        self._by.record(connection, Event.TOTP_RESYNCED, name, actor, credential=device.id, detail=detail)
        return True

    async def remove(
        self, name: AccountName, device_id: str, *, actor: str, keep_one: bool = False, signed: SignedIn | None = None
    ) -> None:
        """Remove one authenticator: grants and sessions opened with it end. `keep_one`: ChangeRefused where it is the
        account's last factor."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name, signed=signed)
            if connection.execute(_REMOVE, {"device": device_id, "account": account.id}).rowcount != 1:
                raise _no_such(name, device_id)
            now = self._by.now()
            grants.end(connection, grant_table.c.device_id == device_id, now)
            revocations.revoke(connection, Kind.DEVICE, device_id, now)
            self._by.unlock(connection, name)
            self._by.record(connection, Event.TOTP_REMOVED, name, actor, credential=device_id)
            unbound(self._by, connection, account, actor, keep_one=keep_one)

        await self._by.database.write(work)

    async def reset(
        self, name: AccountName, *, actor: str, app_passwords_too: bool = False, factor_required: bool = True
    ) -> None:
        """Remove every authenticator and passkey: all sessions and grants end. With `factor_required` the bare password
        stays refused on mail, for whoever stole the phone may know it. One-time codes and claim links end. App
        passwords survive unless asked otherwise."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name)
            now = self._by.now()
            removed = connection.execute(_REMOVE_ALL, {"account": account.id}).rowcount
            removed_too = passkeys.remove_all(connection, account.id)
            self._by.rewrite(connection, replace(account, factor_required=factor_required))
            end_everything(connection, account.id, now)
            self._by.unlock(connection, name)
            detail = f"{removed} authenticators removed, {removed_too} passkeys"
            self._by.record(connection, Event.FACTORS_RESET, name, actor, detail=detail)
            codes.withdraw(self._by, connection, account, set(CodeKind), actor)
            claims.withdraw(connection, account.id)
            if app_passwords_too:
                app_passwords.revoke_all_of(self._by, connection, account, actor)

        await self._by.database.write(work)


def _rows_of(connection: Connection, account_id: str) -> Sequence[RowMapping]:
    return connection.execute(_OF_ACCOUNT, {"account": account_id}).mappings().all()


def _no_such(name: AccountName, device_id: str) -> Absent:
    return Absent(f"{name} has no authenticator {device_id}: see `mailguard totp list {name}`")


def _altered(device_id: str) -> ChangeRefused:
    return ChangeRefused(f"the row of authenticator {device_id} was altered: remove it and enrol a new one")


def purge(connection: Connection, now: float) -> None:
    """Forget seeds that nobody confirmed within a day."""
    connection.execute(delete(devices).where(_c.confirmed_at.is_(None), _c.created_at < now - UNCONFIRMED_KEPT_SECONDS))
