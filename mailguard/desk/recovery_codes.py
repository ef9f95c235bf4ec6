"""A person's own recovery codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.auth import recovery
from mailguard.auth.accounts import CodeKind
from mailguard.auth.standing import Standing
from mailguard.desk.desk import OWNER

if TYPE_CHECKING:
    from mailguard.auth.standing import SignedIn
    from mailguard.desk.desk import Desk
    from mailguard.secret import Secret


async def issue(desk: Desk, signed: SignedIn) -> tuple[Secret, ...]:
    """Ten new codes, to be shown once; the older ones end."""
    account = await desk.account(signed, Standing.FULL)
    made = await desk.beside.run(lambda: recovery.make(recovery.RECOVERY_CODES))
    await desk.store.codes.issue(account.name, CodeKind.RECOVERY, made, actor=OWNER, signed=signed)
    return made.codes
