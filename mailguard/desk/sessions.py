"""Where a person is signed in with browsers, and the end of that; or of everything that is open at once.

Ending is no change of factors: it may be done at any age of a sign-in, and under a bypass, for it is what somebody does
who saw a stranger in the history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.auth.standing import Standing
from mailguard.desk.desk import OWNER

if TYPE_CHECKING:
    from mailguard.auth.standing import SignedIn
    from mailguard.desk.desk import Desk
    from mailguard.store.portal_sessions import Browser, PortalSession

_ENDS = (Standing.FULL, Standing.BYPASS)
WHY = "ended-by-owner"


async def there(desk: Desk, signed: SignedIn) -> tuple[PortalSession, ...]:
    """The browsers where they are signed in, oldest first."""
    account = await desk.account(signed, *_ENDS)
    return await desk.store.portal_sessions.list(account.name)


async def end(desk: Desk, signed: SignedIn, session_id: str) -> None:
    """Sign one browser out."""
    account = await desk.account(signed, *_ENDS)
    await desk.store.portal_sessions.end(account.name, session_id, actor=OWNER, why=WHY, signed=signed)


async def end_others(desk: Desk, signed: SignedIn, *, but: str) -> int:
    """Sign all browsers out except one; how many those were."""
    account = await desk.account(signed, *_ENDS)
    return await desk.store.portal_sessions.end_others(account.name, but=but, actor=OWNER, signed=signed)


async def end_all_else(desk: Desk, signed: SignedIn, session: PortalSession, browser: Browser) -> PortalSession:
    """End everything that is open, mail programs too, but for this browser: it goes on with a new session."""
    await desk.account(signed, *_ENDS)
    return await desk.store.portal_sessions.end_all_else(session, browser, actor=OWNER)
