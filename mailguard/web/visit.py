"""One request: who comes, from where, in which language, and what they may see."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from mailguard.auth.attempt import Origin
from mailguard.auth.standing import Standing
from mailguard.store.portal_sessions import Browser
from mailguard.web import cookies, paths
from mailguard.web.elsewhere import Elsewhere
from mailguard.web.house import Held, House
from mailguard.web.language import language_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from mailguard.auth.accounts import Account, Network
    from mailguard.auth.standing import SignedIn
    from mailguard.store.portal_sessions import PortalSession


class FormRefused(Exception):
    """A form without the token of this visit: another site's, or one that was left open since the last sign-in."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request. `session` is None for whoever is not signed in."""

    house: House
    origin: Origin
    agent: str
    language: str
    session: PortalSession | None
    form_token: str

    @property
    def signed(self) -> SignedIn:
        """The sign-in of this visit. For pages that demand one."""
        assert self.session is not None
        return self.session.signed

    @property
    def account(self) -> Account:
        """Whose it is."""
        assert self.session is not None
        return self.session.account

    @property
    def looks(self) -> bool:
        """Whether they have no second factor yet, and policy lets them look at more than the set-up all the same."""
        if self.session is None or self.signed.standing is not Standing.ENROLS:
            return False
        desk = self.house.desk
        return not desk.policies.of(self.account).demands_factor(self.account, desk.clock.now())

    def browser(self, token: str) -> Browser:
        """Where a session with this token would be held."""
        return Browser(cookies.digest(token), self.origin, self.agent)

    def say(self, key: str, /, **values: object) -> str:
        """A text in the language of this visit."""
        return self.house.texts[self.language](key, **values)


async def visit(request: Request) -> Visit:
    """Whoever comes."""
    held: Held = request.app.state.held
    house = held.house
    token = cookies.read(request, cookies.SESSION)
    session = await house.store.portal_sessions.find(cookies.digest(token)) if token else None
    request.state.visit = found = Visit(
        house,
        origin_of(request, house.settings.portal.proxy_from),
        request.headers.get("user-agent", ""),
        language_of(request),
        session,
        cookies.form_token(token if session is not None else cookies.read(request, cookies.HALF)),
    )
    return found


Guest = Annotated[Visit, Depends(visit)]
"""Whoever comes, signed in or not."""


async def _member(guest: Guest, request: Request) -> Visit:
    match guest.session.signed.standing if guest.session is not None else None:
        case Standing.FULL | Standing.BYPASS:
            return guest
        case Standing.ENROLS:
            raise Elsewhere(paths.SET_UP)
        case _:
            raise Elsewhere(paths.SIGN_IN, next=request.url.path if request.method == "GET" else "")


async def _onlooker(guest: Guest, request: Request) -> Visit:
    return guest if guest.looks else await _member(guest, request)


async def _newcomer(guest: Guest) -> Visit:
    if guest.session is None:
        raise Elsewhere(paths.SIGN_IN)
    return guest


Member = Annotated[Visit, Depends(_member)]
"""Somebody who signed in with a second factor, or a bypass. Others are led to where they get there."""

Onlooker = Annotated[Visit, Depends(_onlooker)]
"""The same, and whoever has no second factor where policy does not demand one. For pages that change nothing."""

Newcomer = Annotated[Visit, Depends(_newcomer)]
"""Somebody who signed in, if only to set up the first factor."""


async def posted(request: Request, guest: Guest) -> AsyncIterator[None]:
    """Demands the form's token. A dependency of every route that changes anything. Files that came are closed after."""
    async with request.form() as form:
        brought = form.get("token", "")
        if not guest.form_token or not isinstance(brought, str):
            raise FormRefused
        if not hmac.compare_digest(brought.encode(), guest.form_token.encode()):
            raise FormRefused
        yield


Posted = Depends(posted)


def origin_of(request: Request, forwarders: Sequence[Network]) -> Origin:
    """Where the client is: the peer, or who our own forwarders say that they forward. The rightmost address that is no
    forwarder of ours: what stands left of it, the client may have written itself."""
    host, port = request.client or ("127.0.0.1", 0)
    address = Origin.of(host, port)
    hops = [hop.strip() for line in request.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    while hops and any(
        network.version == address.address.version and address.address in network for network in forwarders
    ):
        try:
            address = Origin.of(str(ip_address(hops.pop())), 0)
        except ValueError:
            break
    return address
