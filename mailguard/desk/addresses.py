"""A person's own second addresses: where they are told of what happens, beside the mailbox itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.auth.standing import Standing
from mailguard.desk.desk import OWNER

if TYPE_CHECKING:
    from mailguard.auth.accounts import SecondAddress
    from mailguard.auth.standing import SignedIn
    from mailguard.desk.desk import Desk


async def there(desk: Desk, signed: SignedIn) -> tuple[SecondAddress, ...]:
    """All of them, active or not yet, oldest first."""
    account = await desk.account(signed, Standing.FULL, Standing.BYPASS)
    return await desk.store.addresses.list(account.name)


async def add(desk: Desk, signed: SignedIn, address: str) -> SecondAddress:
    """One more. It is written to from 72 hours on; those that are active hear of it at once."""
    account = await desk.account(signed, Standing.FULL)
    return await desk.store.addresses.add(account.name, address.strip(), actor=OWNER, signed=signed)


async def remove(desk: Desk, signed: SignedIn, address: str) -> None:
    """One less. FreshNeeded: whoever finds a browser open must not silence the warnings."""
    account = await desk.account(signed, Standing.FULL, fresh=True)
    await desk.store.addresses.remove(account.name, address, actor=OWNER, signed=signed)
