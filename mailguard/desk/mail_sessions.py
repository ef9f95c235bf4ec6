"""A person's own mail, as it is open now: live sessions, and the grants that may open more. Both can be ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.auth.standing import Standing
from mailguard.desk.desk import OWNER

if TYPE_CHECKING:
    from mailguard.auth.standing import SignedIn
    from mailguard.desk.desk import Desk
    from mailguard.store.grants import GrantRow
    from mailguard.store.sessions import SessionRow

_ENDS = (Standing.FULL, Standing.BYPASS)


async def listed(desk: Desk, signed: SignedIn) -> tuple[SessionRow, ...]:
    """One's own sessions, and those that one opened at shared mailboxes; oldest first."""
    account = await desk.account(signed, *_ENDS)
    return await desk.store.sessions.list(account.name)


async def end(desk: Desk, signed: SignedIn, session_id: str) -> None:
    """Cut one off. A grant that it stands on ends with it."""
    await desk.account(signed, *_ENDS)
    await desk.store.sessions.end(session_id, actor=OWNER, signed=signed)


async def grants(desk: Desk, signed: SignedIn) -> tuple[GrantRow, ...]:
    """Where a password and code, typed once, still open sessions."""
    account = await desk.account(signed, *_ENDS)
    return await desk.store.grants.list(account.name)


async def end_grant(desk: Desk, signed: SignedIn, grant_id: str) -> None:
    """End a grant and its sessions: the next one needs a new code."""
    await desk.account(signed, *_ENDS)
    await desk.store.grants.revoke(grant_id, actor=OWNER, signed=signed)
