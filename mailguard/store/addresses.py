"""Second addresses: where an account's owner is told of what happens to it, beside the mailbox that it protects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from mailguard.auth.accounts import SecondAddress
from mailguard.auth.events import Event
from mailguard.auth.notices import SECOND_ADDRESS_WAITS
from mailguard.config.kinds import is_mailbox
from mailguard.store.errors import ChangeRefused
from mailguard.store.ids import new_id
from mailguard.store.macs import fits, under_mac
from mailguard.store.schema import addresses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

    from mailguard.auth.accounts import Account, AccountName
    from mailguard.auth.standing import SignedIn
    from mailguard.store.administration import Administration

MOST = 5  # of one account

_c = addresses.c
_ADD = insert(addresses)
_OF_ACCOUNT = select(addresses).where(_c.account_id == bindparam("account")).order_by(_c.added_at, _c.id)
_REMOVE = delete(addresses).where(_c.id == bindparam("gone"))


class Addresses:
    """The second addresses, as their owner and an administrator see them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def add(
        self, name: AccountName, address: str, *, actor: str, signed: SignedIn | None = None
    ) -> SecondAddress:
        """A further address, written to from 72 hours on, the first one too. Those that are active are told at once.

        ChangeRefused where it is no address, the mailbox itself or there already, or where there are MOST.
        """
        if not is_mailbox(address):
            raise ChangeRefused(f"{address!r} is no mail address of ASCII such as ann@home.example: write it in full")
        if address.casefold() == name:
            raise ChangeRefused(f"{address} is the mailbox itself, which a thief reads first: write one elsewhere")

        def work(connection: Connection) -> SecondAddress:
            account = self._by.demand(connection, name, signed=signed)
            there = _rows_of(connection, account)
            if any(_same(row, address) for row in there):
                raise ChangeRefused(f"{name} has the second address {address} already")
            if len(there) >= MOST:
                raise ChangeRefused(f"{name} has {MOST} second addresses, the most there may be: remove one first")
            now = self._by.now()
            added = SecondAddress(new_id(), account.id, address, now, now + SECOND_ADDRESS_WAITS, actor)
            self._by.record(connection, Event.ADDRESS_ADDED, name, actor, credential=added.id, detail=address)
            values = {
                "id": added.id,
                "account_id": added.account_id,
                "address": added.address,
                "added_at": added.added_at,
                "active_at": added.active_at,
                "added_by": added.added_by,
            }
            connection.execute(_ADD, under_mac(self._by.seal, addresses, values))
            return added

        return await self._by.database.write(work)

    async def remove(self, name: AccountName, address: str, *, actor: str, signed: SignedIn | None = None) -> None:
        """It is written to no more, but for the letter that says so."""

        def work(connection: Connection) -> None:
            account = self._by.demand(connection, name, signed=signed)
            found = next((row for row in _rows_of(connection, account) if _same(row, address)), None)
            if found is None:
                raise ChangeRefused(f"{name} has no second address {address}: see `mailguard account show {name}`")
            # Recorded first: whoever takes an address away must not thereby keep its owner from hearing of it.
            self._by.record(connection, Event.ADDRESS_REMOVED, name, actor, credential=found[_c.id], detail=address)
            connection.execute(_REMOVE, {"gone": found[_c.id]})

        await self._by.database.write(work)

    async def list(self, name: AccountName) -> tuple[SecondAddress, ...]:
        """An account's second addresses, active or not yet, oldest first; without those whose rows were altered."""

        def work(connection: Connection) -> tuple[SecondAddress, ...]:
            found = _rows_of(connection, self._by.demand(connection, name))
            return tuple(_address_of(row) for row in found if fits(self._by.seal, addresses, row))

        return await self._by.database.read(work)


def _rows_of(connection: Connection, account: Account) -> Sequence[RowMapping]:
    return connection.execute(_OF_ACCOUNT, {"account": account.id}).mappings().all()


def _same(row: RowMapping, address: str) -> bool:
    return bool(row[_c.address].casefold() == address.casefold())


def _address_of(row: RowMapping) -> SecondAddress:
    return SecondAddress(
        row[_c.id], row[_c.account_id], row[_c.address], row[_c.added_at], row[_c.active_at], row[_c.added_by]
    )
