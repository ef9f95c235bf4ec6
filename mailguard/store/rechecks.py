"""What the identity source last said about each account, and what follows from what it says now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from mailguard.auth.accounts import Account, AccountKind, SuspendedBy
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import api_keys, audit, revocations, rows
from mailguard.store.accounts import end_by_password, end_everything
from mailguard.store.revocations import Kind
from mailguard.store.schema import accounts, rechecks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from mailguard.store.administration import Administration

_c = rechecks.c
_KNOWN = (
    select(accounts, _c.mark)
    .outerjoin(rechecks, _c.account_id == accounts.c.id)
    .where(accounts.c.kind == AccountKind.PERSON.value)
    .order_by(accounts.c.name)
)
_ACCOUNT = select(accounts).where(accounts.c.id == bindparam("account"))
_NEW = insert(rechecks).from_select(  # an account may have been removed meanwhile
    ["account_id", "mark", "checked_at"],
    select(accounts.c.id, bindparam("mark"), bindparam("at")).where(accounts.c.id == bindparam("account")),
)
_LOOKED = _NEW.on_conflict_do_update(
    index_elements=[_c.account_id], set_={name: _NEW.excluded[name] for name in ("mark", "checked_at")}
)


@dataclass(frozen=True, slots=True)
class Known:
    """An account, and the mark of its password when the source was last asked; "" before that."""

    account: Account
    mark: str


@dataclass(frozen=True, slots=True)
class Change:
    """What the source's answer means for one account. `why` is for the record."""

    account_id: str
    suspend: bool = False
    resume: bool = False
    password: bool = False  # it has changed
    group: str | None = None  # None: it stays
    why: str = ""


class Rechecks:
    """The accounts, as whoever asks the identity source about them reads and changes them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def known(self) -> tuple[Known, ...]:
        """All people by name. A row that was altered behind our back is left alone: to write it anew would heal it."""
        found = await self._by.database.read(lambda c: c.execute(_KNOWN).mappings().all())
        checked = ((rows.account_of(self._by.seal, row), row[_c.mark] or "") for row in found)
        return tuple(Known(account.value, mark) for account, mark in checked if account.intact)

    async def settle(self, change: Change, *, actor: str) -> None:
        """Do it, as far as the account still stands as it stood. Only what the source suspended is resumed by it."""

        def work(connection: Connection) -> None:
            row = connection.execute(_ACCOUNT, {"account": change.account_id}).mappings().first()
            checked = None if row is None else rows.account_of(self._by.seal, row)
            if checked is not None and checked.intact:
                self._settle(connection, checked.value, change, actor)

        await self._by.database.write(work)

    def _settle(self, connection: Connection, account: Account, change: Change, actor: str) -> None:
        by, name, now = self._by, account.name, self._by.now()
        if change.password:
            end_by_password(connection, account.id, now)
            by.unlock(connection, name)
            by.record(connection, Event.PASSWORD_CHANGED, name, actor)
        if change.group is not None and change.group != account.group:
            detail = f"group={account.group or '-'} -> group={change.group or '-'}"
            account = replace(account, group=change.group)
            by.rewrite(connection, account)
            revocations.revoke(connection, Kind.STANDING, account.id, now)
            by.record(connection, Event.ACCOUNT_CHANGED, name, actor, detail=detail)
        if change.suspend and account.suspended_by is SuspendedBy.NOBODY:
            by.rewrite(connection, replace(account, suspended_by=SuspendedBy.SOURCE))
            end_everything(connection, account.id, now)
            api_keys.revoke_of(by, connection, account, actor)
            by.record(connection, Event.ACCOUNT_SUSPENDED, name, actor, detail=change.why)
        if change.resume and account.suspended_by is SuspendedBy.SOURCE:
            by.rewrite(connection, replace(account, suspended_by=SuspendedBy.NOBODY))
            by.unlock(connection, name)
            by.record(connection, Event.ACCOUNT_RESUMED, name, actor, detail=change.why)

    async def looked(self, marks: Mapping[str, str]) -> None:
        """The round is done: the mark of each account that was looked at, by account id."""
        now = self._by.now()
        values = [{"account": account, "mark": mark, "at": now} for account, mark in marks.items()]
        if values:
            await self._by.database.write(lambda connection: [connection.execute(_LOOKED, each) for each in values])

    async def held(self, detail: str) -> None:
        """Record that suspensions were held back."""
        row = AuditRow(Event.RECHECK_HELD, self._by.now(), actor="system", detail=detail)
        await self._by.database.write(lambda connection: audit.append(connection, row))
