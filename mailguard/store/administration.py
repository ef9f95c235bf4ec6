"""What every administrative change shares: it finds its account, it is recorded, and it tells what it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy import bindparam, select, update

from mailguard.auth.accounts import AccountKind
from mailguard.auth.ports import AuditRow
from mailguard.auth.throttle import owner_key
from mailguard.store import audit, rows, throttle
from mailguard.store.errors import Absent, ChangeRefused
from mailguard.store.revocations import revoked_since
from mailguard.store.schema import accounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from mailguard.auth.accounts import Account, AccountName
    from mailguard.auth.events import Event
    from mailguard.auth.standing import SignedIn
    from mailguard.store.engine import Undone
    from mailguard.store.seal import Seal

T = TypeVar("T")

_BY_NAME = select(accounts).where(accounts.c.name == bindparam("wanted"))
_REWRITE = update(accounts).where(accounts.c.id == bindparam("changed"))


class Transactions(Protocol):
    """The way to the database (store.engine.Database)."""

    async def write(self, work: Callable[[Connection], T | Undone[T]]) -> T:
        """One transaction."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Statements outside any transaction."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The same, where each change first passes a check, in its own transaction: what was true when somebody asked may
    be so no more when their turn to write has come."""

    database: Transactions
    check: Callable[[Connection], None]

    async def write(self, work: Callable[[Connection], T | Undone[T]]) -> T:
        """One transaction, if the check raises nothing."""

        def checked(connection: Connection) -> T | Undone[T]:
            self.check(connection)
            return work(connection)

        return await self.database.write(checked)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As it is."""
        return await self.database.read(work)


@dataclass(frozen=True, slots=True)
class Administration:
    """The database, the keys and the clock, as the nouns of administration use them."""

    database: Transactions
    seal: Seal
    now: Callable[[], float]

    def checked(self, check: Callable[[Connection], None]) -> Administration:
        """The same, where each change first passes a check."""
        return replace(self, database=Checked(self.database, check))

    def find(self, connection: Connection, name: AccountName) -> Account | None:
        """The account of this name."""
        row = connection.execute(_BY_NAME, {"wanted": name}).mappings().first()
        return None if row is None else rows.account_of(self.seal, row).value

    def demand(self, connection: Connection, name: AccountName, *, signed: SignedIn | None = None) -> Account:
        """The account of this name; ChangeRefused where there is none, or where whoever `signed` in to change it was
        suspended or reset since, or lost the authenticator that they did it with, or whose browser was signed out."""
        account = self.find(connection, name)
        if account is None:
            raise Absent(f"there is no account {name}: see `mailguard account list`")
        if signed is not None and not _stands(connection, signed, account):
            raise ChangeRefused("this sign-in has ended: sign in again")
        return account

    def demand_person(self, connection: Connection, name: AccountName, *, signed: SignedIn | None = None) -> Account:
        """The account of this name; ChangeRefused unless a person signs in to it."""
        account = self.demand(connection, name, signed=signed)
        if account.kind is not AccountKind.PERSON:
            raise ChangeRefused(
                f"{name} is a {account.kind} account, which nobody signs in to: it takes app passwords alone"
            )
        return account

    def rewrite(self, connection: Connection, account: Account) -> None:
        """Put an account's row in place of the one it has."""
        connection.execute(_REWRITE, {"changed": account.id, **rows.account_values(self.seal, account)})

    def record(
        self,
        connection: Connection,
        event: Event,
        name: AccountName,
        actor: str,
        *,
        person: str = "",
        credential: str = "",
        detail: str = "",
    ) -> None:
        """The audit row of a change."""
        now = self.now()
        row = AuditRow(event, now, account=name, actor=actor, person=person, credential=credential, detail=detail)
        audit.append(connection, row)

    def unlock(self, connection: Connection, name: AccountName) -> None:
        """Forget wrong secrets of this name: after a change of what is right, a mark would refuse the right one."""
        throttle.unlock(connection, owner_key(self.seal.keyring, name))


def _stands(connection: Connection, signed: SignedIn, account: Account) -> bool:
    on = {"account": account.id, "password": account.id, "device": signed.device, "session": signed.session}
    return signed.account_id == account.id and not revoked_since(connection, signed.revision, **on)
