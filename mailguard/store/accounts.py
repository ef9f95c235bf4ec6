"""Accounts: made, changed, suspended, removed. What a change ends, it ends in the same transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from mailguard.auth.accounts import Account, AccountKind, SuspendedBy
from mailguard.auth.events import Event
from mailguard.auth.roles import EVERYTHING, Role
from mailguard.auth.throttle import owner_key
from mailguard.store import api_keys, grants, revocations, rows, waiting
from mailguard.store.app_passwords import revoke_held
from mailguard.store.errors import ChangeRefused
from mailguard.store.ids import new_id
from mailguard.store.revocations import Kind
from mailguard.store.schema import accounts
from mailguard.store.schema import grants as grant_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.auth.accounts import AccountName
    from mailguard.auth.roles import RoleLimit
    from mailguard.store.administration import Administration
    from mailguard.store.waiting import Guesses

_ADD = insert(accounts)
_LIST = select(accounts).order_by(accounts.c.name)
_OWNERS = select(accounts).where(accounts.c.role == bindparam("role"))
_REMOVE = delete(accounts).where(accounts.c.id == bindparam("gone"))


class Accounts:
    """The accounts, as an administrator sees them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def add(
        self,
        name: AccountName,
        *,
        actor: str,
        group: str = "",
        role: Role = Role.NONE,
        role_limit: RoleLimit = EVERYTHING,
        kind: AccountKind = AccountKind.PERSON,
    ) -> Account:
        """A new account, of one kind for ever; ChangeRefused where there is one of that name."""

        def work(connection: Connection) -> Account:
            if self._by.find(connection, name) is not None:
                raise ChangeRefused(f"there is an account {name} already: see `mailguard account show {name}`")
            account = Account(new_id(), name, kind, group, role, role_limit, created_at=self._by.now())
            _demand_sense(account)
            connection.execute(_ADD, rows.account_values(self._by.seal, account))
            self._by.record(connection, Event.ACCOUNT_ADDED, name, actor, detail=_standing(account))
            return account

        return await self._by.database.write(work)

    async def get(self, name: AccountName) -> Account | None:
        """The account of this name."""
        return await self._by.database.read(lambda connection: self._by.find(connection, name))

    async def list(self) -> tuple[Account, ...]:
        """All accounts by name."""
        found = await self._by.database.read(lambda connection: connection.execute(_LIST).mappings().all())
        return tuple(rows.account_of(self._by.seal, row).value for row in found)

    async def change(
        self,
        name: AccountName,
        *,
        actor: str,
        group: str | None = None,
        role: Role | None = None,
        role_limit: RoleLimit | None = None,
    ) -> Account:
        """Another group, another role; None leaves it as it is. A limit goes with the role that it is of."""

        def work(connection: Connection) -> Account:
            old = self._by.demand(connection, name)
            kept = EVERYTHING if role is Role.NONE else old.role_limit
            new = replace(
                old,
                group=old.group if group is None else group,
                role=old.role if role is None else role,
                role_limit=kept if role_limit is None else role_limit,
            )
            _demand_sense(new)
            self._by.rewrite(connection, new)
            if old.administrator and not new.administrator:
                api_keys.revoke_of(self._by, connection, new, actor)
            if new != old:  # what the password opened is judged anew when it comes back
                revocations.revoke(connection, Kind.STANDING, old.id, self._by.now())
            detail = f"{_standing(old)} -> {_standing(new)}"
            self._by.record(connection, Event.ACCOUNT_CHANGED, name, actor, detail=detail)
            return new

        return await self._by.database.write(work)

    async def suspend(self, name: AccountName, *, actor: str) -> None:
        """Nobody gets in by this account, whatever they hold; all its sessions and grants end. A person's app passwords
        at shared mailboxes are refused as well, and their sessions there end."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name)
            self._by.rewrite(connection, replace(account, suspended_by=SuspendedBy.OPERATOR))
            end_everything(connection, account.id, self._by.now())
            api_keys.revoke_of(self._by, connection, account, actor)
            self._by.record(connection, Event.ACCOUNT_SUSPENDED, name, actor)

        await self._by.database.write(work)

    async def resume(self, name: AccountName, *, actor: str) -> None:
        """Undo a suspension. Credentials are as they were; grants stay ended."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name)
            self._by.rewrite(connection, replace(account, suspended_by=SuspendedBy.NOBODY))
            self._by.unlock(connection, name)
            self._by.record(connection, Event.ACCOUNT_RESUMED, name, actor)

        await self._by.database.write(work)

    async def unlock(self, name: AccountName, *, actor: str) -> None:
        """Forget the wrong secrets tried at this name, an account's or not."""

        def work(connection: Connection) -> None:
            self._by.unlock(connection, name)
            self._by.record(connection, Event.ACCOUNT_UNLOCKED, name, actor)

        await self._by.database.write(work)

    async def guesses(self, name: AccountName) -> Guesses:
        """How much was guessed at a name, an account's or not, and what waits for it."""
        owner, now = owner_key(self._by.seal.keyring, name), self._by.now()
        return await self._by.database.read(lambda connection: waiting.guesses(connection, owner, now))

    async def remove(self, name: AccountName, *, actor: str) -> None:
        """Delete the account with its credentials; all its sessions end. The record keeps its rows. What a person holds
        at shared mailboxes is revoked."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name)
            end_everything(connection, account.id, self._by.now())
            revoke_held(self._by, connection, account, actor)
            api_keys.revoke_of(self._by, connection, account, actor)
            self._by.record(connection, Event.ACCOUNT_REMOVED, name, actor, detail=f"account {account.id}")
            connection.execute(_REMOVE, {"gone": account.id})  # last: its second addresses are told of it

        await self._by.database.write(work)


def is_last_owner(by: Administration, connection: Connection, account: Account) -> bool:
    """Would nobody be left who owns everything and gets in, if this account were not?"""
    if not _owns_everything(account):
        return False
    found = connection.execute(_OWNERS, {"role": Role.OWNER.value}).mappings()
    others = (rows.account_of(by.seal, row).value for row in found if row[accounts.c.id] != account.id)
    return not any(_owns_everything(each) and not each.suspended for each in others)


def _owns_everything(account: Account) -> bool:
    return account.role is Role.OWNER and account.role_limit == EVERYTHING


def end_everything(connection: Connection, account_id: str, now: float) -> None:
    """End an account's grants and all its sessions, those at shared mailboxes too."""
    grants.end(connection, grant_table.c.account_id == account_id, now)
    revocations.revoke(connection, Kind.ACCOUNT, account_id, now)


def end_by_password(connection: Connection, account_id: str, now: float) -> None:
    """The own password of an account changed: its grants end, and every session that the old one had part in."""
    grants.end(connection, grant_table.c.account_id == account_id, now)
    revocations.revoke(connection, Kind.PASSWORD, account_id, now)


def _demand_sense(account: Account) -> None:
    if account.administrator and account.kind is not AccountKind.PERSON:
        raise ChangeRefused(f"{account.name} is a {account.kind} account: only a person can be an administrator")
    if account.role_limit != EVERYTHING and not account.administrator:
        raise ChangeRefused(f"{account.name} has no role that could be limited: say --role as well")


def _standing(account: Account) -> str:
    standing = f"group={account.group or '-'} role={account.role or '-'}"
    standing += f" limit={account.role_limit}" if account.role_limit != EVERYTHING else ""
    return standing if account.kind is AccountKind.PERSON else f"kind={account.kind} {standing}"
