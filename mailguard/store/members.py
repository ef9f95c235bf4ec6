"""The named people of a shared mailbox. Each holds app passwords of their own; what ends a person ends those too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from mailguard.auth.accounts import Account, AccountKind, AccountName
from mailguard.auth.events import Event
from mailguard.store.app_passwords import revoke_held
from mailguard.store.errors import ChangeRefused
from mailguard.store.schema import accounts, members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from mailguard.store.administration import Administration

_c = members.c
_ADD = insert(members).on_conflict_do_nothing()
_REMOVE = delete(members).where(_c.account_id == bindparam("mailbox"), _c.person_id == bindparam("person"))
_mailbox = accounts.alias("mailbox")
_ALL = (
    select(_mailbox.c.name.label("mailbox"), accounts.c.name.label("person"))
    .select_from(members)
    .join(_mailbox, _mailbox.c.id == _c.account_id)
    .join(accounts, accounts.c.id == _c.person_id)
    .order_by(_mailbox.c.name, accounts.c.name)
)


class Members:
    """Who stands behind which shared mailbox, as an administrator sees it."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def add(self, mailbox: AccountName, person: AccountName, *, actor: str) -> None:
        """Name a person of a shared mailbox. Repeating it is harmless. ChangeRefused where the kinds do not fit."""

        def work(connection: Connection) -> None:
            shared, human = self._pair(connection, mailbox, person)
            row = {"account_id": shared.id, "person_id": human.id, "added_at": self._by.now()}
            if connection.execute(_ADD, row).rowcount == 1:
                self._by.record(connection, Event.MEMBER_ADDED, mailbox, actor, person=person)

        await self._by.database.write(work)

    async def remove(self, mailbox: AccountName, person: AccountName, *, actor: str) -> int:
        """Name a person no longer: the app passwords they hold there are revoked; how many those were."""

        def work(connection: Connection) -> int:
            shared, human = self._pair(connection, mailbox, person)
            if connection.execute(_REMOVE, {"mailbox": shared.id, "person": human.id}).rowcount != 1:
                raise ChangeRefused(f"{person} is none of {mailbox}'s people: see `mailguard account show {mailbox}`")
            self._by.record(connection, Event.MEMBER_REMOVED, mailbox, actor, person=person)
            return revoke_held(self._by, connection, human, actor, mailbox=shared)

        return await self._by.database.write(work)

    async def all(self) -> Mapping[AccountName, tuple[AccountName, ...]]:
        """The people of every shared mailbox that has some, by name."""
        found = await self._by.database.read(lambda connection: connection.execute(_ALL).all())
        people: dict[AccountName, tuple[AccountName, ...]] = {}
        for row in found:
            mailbox = AccountName(row.mailbox)
            people[mailbox] = (*people.get(mailbox, ()), AccountName(row.person))
        return people

    def _pair(self, connection: Connection, mailbox: AccountName, person: AccountName) -> tuple[Account, Account]:
        shared, human = self._by.demand(connection, mailbox), self._by.demand(connection, person)
        if shared.kind is not AccountKind.SHARED:
            raise ChangeRefused(
                f"{mailbox} is a {shared.kind} account: only a shared mailbox has named people, and a kind is set "
                f"once, by `mailguard account add {mailbox} --kind shared`"
            )
        if human.kind is not AccountKind.PERSON:
            raise ChangeRefused(f"{person} is a {human.kind} account: name a person")
        return shared, human
