"""The one identity question of an attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.auth.attempt import Answer, Verdict

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName
    from mailguard.auth.ports import Identity
    from mailguard.secret import Secret


async def ask(identity: Identity, name: AccountName, password: Secret) -> Answer:
    """Is this the user's password? An empty one is never asked about: some directories take it for anonymous."""
    return await identity.ask(name, password) if password else Answer(Verdict.NO)
