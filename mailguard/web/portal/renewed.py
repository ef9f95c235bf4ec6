"""A new token for a session whose rights have changed, as at a sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.web import cookies

if TYPE_CHECKING:
    from starlette.responses import Response

    from mailguard.auth.standing import SignedIn
    from mailguard.web.visit import Visit


async def renewed(visit: Visit, signed: SignedIn, answer: Response) -> Response:
    """The answer, with the cookie of a session by this sign-in; the token before it ends."""
    assert visit.session is not None
    token = cookies.new_token()
    await visit.house.store.portal_sessions.renew(visit.session, signed, visit.browser(token))
    cookies.put(answer, cookies.SESSION, token)
    return answer
