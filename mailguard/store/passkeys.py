"""Passkeys (WebAuthn): kept, named, removed, and used. What an authenticator signed is verified where pages are made.

Most authenticators that copy their keys from device to device do not count their uses, so that the count alone stops
nobody who sends an answer once more: a challenge that was answered takes no second answer.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, delete, exists, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from mailguard.auth.accounts import Passkey
from mailguard.auth.events import Event
from mailguard.store import macs, revocations, rows
from mailguard.store.binding import bind, demand_name, unbound
from mailguard.store.errors import Absent, ChangeRefused
from mailguard.store.ids import new_id
from mailguard.store.portal_schema import passkeys, used_challenges
from mailguard.store.revocations import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import Account, AccountName
    from mailguard.auth.passkeys import NewPasskey
    from mailguard.auth.standing import SignedIn
    from mailguard.store.administration import Administration
    from mailguard.store.seal import Seal

MOST = 10  # of an account
CHALLENGE_KEPT_SECONDS = 24 * 3600.0  # a page waits minutes for an answer; a clock may be set back by hours

_c = passkeys.c
_ADD = insert(passkeys)
_OF_ACCOUNT = select(passkeys).where(_c.account_id == bindparam("account")).order_by(_c.created_at, _c.id)
_KNOWN = select(exists().where(_c.credential == bindparam("credential")))
_CHANGE = update(passkeys).where(_c.id == bindparam("passkey"))
_REMOVE = delete(passkeys).where(_c.id == bindparam("passkey"))
_REMOVE_ALL = delete(passkeys).where(_c.account_id == bindparam("account"))
# The one statement that decides which of two uses of one count is the later.
_USE = (
    update(passkeys)
    .where(
        _c.id == bindparam("passkey"),
        _c.account_id == bindparam("account"),
        or_(_c.sign_count < bindparam("count"), and_(_c.sign_count == 0, bindparam("count") == 0)),
    )
    .values(sign_count=bindparam("count"), last_used_at=bindparam("at"))
)
_SPEND = insert(used_challenges).on_conflict_do_nothing(index_elements=[used_challenges.c.digest])
_SPENT = select(exists().where(used_challenges.c.digest == bindparam("digest")))


class Passkeys:
    """The passkeys, as their owner and an administrator see them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def add(
        self,
        name: AccountName,
        label: str,
        made: NewPasskey,
        *,
        actor: str,
        only_first: bool = False,
        signed: SignedIn | None = None,
    ) -> Passkey:
        """Keep a new passkey, which counts at once: making it has shown that its owner can use it. ChangeRefused where
        the challenge was answered before, where it is known already, or where there are as many as there may be.
        `only_first` as of binding.bind()."""
        demand_name(label, "a passkey")

        def work(connection: Connection) -> Passkey:
            account = self._by.demand_person(connection, name, signed=signed)
            now = self._by.now()
            if not spend(connection, made.challenge, now):
                raise ChangeRefused("this passkey was made for a page that has been used: load the page again")
            if connection.execute(_KNOWN, {"credential": made.credential}).scalar_one():
                raise ChangeRefused("this passkey is there already: choose another device, or remove the old one first")
            if len(_rows_of(connection, account.id)) >= MOST:
                raise ChangeRefused(f"{name} has {MOST} passkeys, the most there can be: remove one first")
            bind(self._by, connection, account, actor, only_first=only_first)
            passkey = Passkey(
                new_id(), account.id, label, made.credential, made.public_key, made.sign_count, created_at=now
            )
            connection.execute(_ADD, rows.passkey_values(self._by.seal, passkey))
            self._by.record(connection, Event.PASSKEY_ADDED, name, actor, credential=passkey.id, detail=label)
            return passkey

        return await self._by.database.write(work)

    async def list(self, name: AccountName) -> tuple[Passkey, ...]:
        """An account's passkeys, oldest first."""

        def work(connection: Connection) -> tuple[Passkey, ...]:
            account = self._by.demand(connection, name)
            return tuple(rows.passkey_of(self._by.seal, row).value for row in _rows_of(connection, account.id))

        return await self._by.database.read(work)

    async def rename(
        self, name: AccountName, passkey_id: str, label: str, *, actor: str, signed: SignedIn | None = None
    ) -> None:
        """Call it something else."""
        demand_name(label, "a passkey")

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name, signed=signed)
            row = _demand_row(connection, account, passkey_id)
            if not rows.passkey_of(self._by.seal, row).intact:
                raise ChangeRefused(f"the row of passkey {passkey_id} was altered: remove it and add a new one")
            renamed = macs.changed(self._by.seal, passkeys, row, name=label)
            connection.execute(_CHANGE, {"passkey": passkey_id, **renamed})
            self._by.record(connection, Event.PASSKEY_RENAMED, name, actor, credential=passkey_id, detail=label)

        await self._by.database.write(work)

    async def remove(
        self, name: AccountName, passkey_id: str, *, actor: str, keep_one: bool = False, signed: SignedIn | None = None
    ) -> None:
        """Remove one passkey: who signed in with it is out. `keep_one`: ChangeRefused where it is the account's last
        factor."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name, signed=signed)
            label = _demand_row(connection, account, passkey_id)[_c.name]
            # Before it is gone, so that the letter can name it.
            self._by.record(connection, Event.PASSKEY_REMOVED, name, actor, credential=passkey_id, detail=label)
            connection.execute(_REMOVE, {"passkey": passkey_id})
            revocations.revoke(connection, Kind.DEVICE, passkey_id, self._by.now())
            self._by.unlock(connection, name)
            unbound(self._by, connection, account, actor, keep_one=keep_one)

        await self._by.database.write(work)


def remove_all(connection: Connection, account_id: str) -> int:
    """Remove an account's passkeys within the caller's transaction; how many there were."""
    return connection.execute(_REMOVE_ALL, {"account": account_id}).rowcount


def usable(connection: Connection, seal: Seal, account_id: str) -> tuple[Sequence[Passkey], Sequence[Passkey]]:
    """The passkeys that an account may sign in with; and those whose rows were altered, with which nobody does."""
    checked = [rows.passkey_of(seal, row) for row in _rows_of(connection, account_id)]
    return [each.value for each in checked if each.intact], [each.value for each in checked if not each.intact]


def use(connection: Connection, passkey: Passkey, sign_count: int, now: float) -> bool:
    """Take over the count of a use; False where another one came later, or the passkey is gone."""
    used = {"passkey": passkey.id, "account": passkey.account_id, "count": sign_count, "at": now}
    return connection.execute(_USE, used).rowcount == 1


def spend(connection: Connection, challenge: bytes, now: float) -> bool:
    """Take a challenge as answered; False where it was before."""
    return connection.execute(_SPEND, {"digest": _digest(challenge), "at": now}).rowcount == 1


def spent(connection: Connection, challenge: bytes) -> bool:
    """Whether a challenge was answered before."""
    return bool(connection.execute(_SPENT, {"digest": _digest(challenge)}).scalar_one())


def purge(connection: Connection, now: float) -> None:
    """Forget challenges that no page waits for any more."""
    connection.execute(delete(used_challenges).where(used_challenges.c.at < now - CHALLENGE_KEPT_SECONDS))


def _digest(challenge: bytes) -> bytes:
    return hashlib.sha256(challenge).digest()


def _rows_of(connection: Connection, account_id: str) -> Sequence[RowMapping]:
    return connection.execute(_OF_ACCOUNT, {"account": account_id}).mappings().all()


def _demand_row(connection: Connection, account: Account, passkey_id: str) -> RowMapping:
    row = next((row for row in _rows_of(connection, account.id) if row[_c.id] == passkey_id), None)
    if row is None:
        raise Absent(f"{account.name} has no passkey {passkey_id}: see `mailguard passkey list {account.name}`")
    return row
