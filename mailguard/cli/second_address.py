"""Second addresses, as `mailguard account set` and `account show` handle them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from mailguard.auth.accounts import AccountName, SecondAddress
from mailguard.auth.names import NameRefused
from mailguard.cli.output import say, when
from mailguard.cli.records import Records
from mailguard.cli.refusal import Refusal


async def change(records: Records, name: AccountName, *, added: Sequence[str], removed: Sequence[str]) -> None:
    """Add and remove, and say from when on that counts."""
    for address in added:
        _demand_elsewhere(records, name, address)
    for address in removed:
        await records.store.addresses.remove(name, address, actor=records.actor)
        say(f"{address} is told no more, after one letter that says so")
    for address in added:
        new = await records.store.addresses.add(name, address, actor=records.actor)
        say(f"{new.address} is told from {when(new.active_at)} on; those that are told already hear of it now")


def shown(address: SecondAddress, now: float) -> str:
    """An address, and from when on it is told where that is to come."""
    return address.address if address.active_at <= now else f"{address.address} (from {when(address.active_at)} on)"


def _demand_elsewhere(records: Records, name: AccountName, address: str) -> None:
    """An alias of the mailbox is the mailbox. A name that no account here can have is so much the better."""
    with contextlib.suppress(NameRefused):
        if records.name(address) == name:
            raise Refusal(f"{address} is the mailbox itself, which a thief reads first: write one elsewhere")
