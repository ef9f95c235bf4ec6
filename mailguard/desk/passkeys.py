"""A person's own passkeys: added, named, removed. By the rules that hold for authenticators."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailguard.auth.attempt import Factor
from mailguard.auth.standing import Standing
from mailguard.desk.desk import OWNER

if TYPE_CHECKING:
    from mailguard.auth.accounts import Passkey
    from mailguard.auth.passkeys import NewPasskey
    from mailguard.auth.standing import SignedIn
    from mailguard.desk.desk import Desk

_BINDS = (Standing.FULL, Standing.ENROLS)
_READS = (*_BINDS, Standing.BYPASS)


async def there(desk: Desk, signed: SignedIn) -> tuple[Passkey, ...]:
    """What there is, oldest first."""
    account = await desk.account(signed, *_READS)
    return await desk.store.passkeys.list(account.name)


async def before_adding(desk: Desk, signed: SignedIn) -> tuple[Passkey, ...]:
    """What there is, for a page that is about to have another one made. FreshNeeded and ChangeRefused as add()."""
    account = await desk.account(signed, *_BINDS, fresh=True)
    return await desk.store.passkeys.list(account.name)


async def add(desk: Desk, signed: SignedIn, label: str, made: NewPasskey) -> SignedIn:
    """Let a passkey count. Whoever came to bind their first factor holds it now: the sign-in that comes back may do
    everything. FreshNeeded."""
    account = await desk.account(signed, *_BINDS, fresh=True)
    first = signed.standing is Standing.ENROLS
    kept = await desk.store.passkeys.add(account.name, label, made, actor=OWNER, only_first=first, signed=signed)
    if not first:
        return signed
    now = desk.clock.now()
    return replace(signed, standing=Standing.FULL, factor=Factor.PASSKEY, device=kept.id, at=now, until=None)


async def rename(desk: Desk, signed: SignedIn, passkey_id: str, label: str) -> None:
    """Call a passkey something else."""
    account = await desk.account(signed, Standing.FULL)
    await desk.store.passkeys.rename(account.name, passkey_id, label, actor=OWNER, signed=signed)


async def remove(desk: Desk, signed: SignedIn, passkey_id: str) -> None:
    """Remove a passkey; sessions opened with it end, this sign-in too if it was made with it. FreshNeeded."""
    account = await desk.account(signed, Standing.FULL, fresh=True)
    must = desk.policies.of(account).demands_factor(account, desk.clock.now())
    await desk.store.passkeys.remove(account.name, passkey_id, actor=OWNER, keep_one=must, signed=signed)
