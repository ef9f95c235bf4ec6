"""Signing in: address and password, then the second field. One decision, made with the second page.

The first page asks nobody: it would tell who has the right password by what it shows next. It leads every name to the
same second page.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from mailguard.auth.attempt import Reason, Refused
from mailguard.auth.authenticator import new_session_id
from mailguard.auth.ports import temporary
from mailguard.auth.recovery import grouped
from mailguard.auth.signin import Presented
from mailguard.auth.standing import SignedIn, Standing
from mailguard.observe.families import GRANTED, NO_FACTOR, SIGN_INS
from mailguard.secret import Secret
from mailguard.web import cookies, paths
from mailguard.web.elsewhere import Elsewhere, lead
from mailguard.web.half import MOST_OCTETS, Half, seal, unseal
from mailguard.web.page import hidden, render
from mailguard.web.passkeys import party_of
from mailguard.web.visit import Guest, Member, Posted, Visit

router = APIRouter()

_WORDS = {
    Reason.THROTTLED: "sign-in.throttled",
    Reason.LOCKED: "sign-in.locked",
}
"""What may be told apart: it depends on the name, the network and their count alone."""


@router.get(paths.SIGN_IN)
async def first_page(request: Request, visit: Guest, next: str = paths.HOME) -> Response:
    """Address and password."""
    if visit.session is not None:
        return lead(paths.HOME)
    return render(request, "sign_in.html", next=paths.inside(next), address="", again=False, said="")


@router.get(paths.AGAIN)
async def first_page_again(request: Request, visit: Member, next: str = paths.HOME) -> Response:
    """The same for somebody who is signed in already, before what might harm them."""
    return render(request, "sign_in.html", next=paths.inside(next), address=visit.account.name, again=True, said="")


@router.post(paths.SIGN_IN)
async def first_page_sent(
    visit: Guest,
    address: Annotated[str, Form()],
    password: Annotated[str, Form()],
    next: Annotated[str, Form()] = paths.HOME,
) -> Response:
    """Keep what was typed, in the browser, and ask for the rest. Nothing is looked at before."""
    typed = Secret(password.encode())
    desk = visit.house.desk
    answer = lead(paths.SECOND)
    half = Half.begun(address.strip(), typed, paths.inside(next), desk.clock.now())
    sealed = seal(desk.keyring, half)
    if len(sealed) > MOST_OCTETS:
        raise Elsewhere(paths.SIGN_IN)
    cookies.put(answer, cookies.HALF, sealed)
    return answer


@router.get(paths.SECOND)
async def second_page(request: Request, visit: Guest) -> Response:
    """The code, or what stands in for it."""
    half = _half(request, visit)
    asked = party_of(visit.house).request(half.challenge)
    return render(request, "second.html", address=half.username, half_token=hidden(_token(request)), asked=asked)


@router.post(paths.SECOND)
async def second_page_sent(
    request: Request,
    visit: Guest,
    token: Annotated[str, Form()],
    second: Annotated[str, Form()] = "",
    passkey: Annotated[str, Form()] = "",
) -> Response:
    """Decide, and open a session."""
    half = _half(request, visit)
    if token != _token(request):
        raise Elsewhere(paths.SIGN_IN)
    shown = party_of(visit.house).answer(passkey, half.challenge) if passkey else None
    signed = await _decided(visit, Presented(half.username, half.password, Secret(second.encode()), shown))
    if isinstance(signed, Refused):
        return _refused(request, signed)
    fresh = cookies.new_token()
    await visit.house.store.portal_sessions.open(
        signed, visit.browser(fresh), instead=visit.session.id if visit.session is not None else ""
    )
    answer: Response = _recovered(request, signed) or lead(
        half.next if signed.standing is not Standing.ENROLS else paths.SET_UP
    )
    cookies.drop(answer, cookies.HALF)
    cookies.put(answer, cookies.SESSION, fresh)
    return answer


@router.post(paths.SIGN_OUT, dependencies=[Posted])
async def sign_out(visit: Guest) -> Response:
    """End this session."""
    if visit.session is not None:
        await visit.house.store.portal_sessions.end(visit.account.name, visit.session.id, actor="owner")
    answer = lead(paths.SIGN_IN, done="signed-out")
    cookies.drop(answer, cookies.SESSION)
    return answer


async def _decided(visit: Visit, presented: Presented) -> SignedIn | Refused:
    """A refusal leaves when those of mail do, whatever its reason."""
    house = visit.house
    loop = asyncio.get_running_loop()
    arrived, session = loop.time(), new_session_id()
    attempt = house.sign_ins.attempt(presented, visit.origin, session)
    signed = await attempt.decide(house.asking(visit.origin, session))
    if not isinstance(signed, Refused):
        house.meter.add(SIGN_INS, GRANTED, signed.factor)
        return signed
    house.meter.add(SIGN_INS, signed.reason, NO_FACTOR)
    await asyncio.sleep(max(0.0, arrived + house.settings.throttle.failure_delay - loop.time()))
    return signed


def _refused(request: Request, refused: Refused) -> Response:
    known = _WORDS.get(refused.reason)
    said = known or ("sign-in.unavailable" if temporary(refused.reason) else "sign-in.refused")
    status = 503 if said == "sign-in.unavailable" else 403
    answer = render(request, "sign_in.html", status=status, next=paths.HOME, address="", again=False, said=said)
    cookies.drop(answer, cookies.HALF)
    return answer


def _recovered(request: Request, signed: SignedIn) -> Response | None:
    """The recovery code that replaces the one just used, shown once."""
    if signed.recovery_code is None:
        return None
    return render(request, "recovered.html", code=grouped(signed.recovery_code))


def _half(request: Request, visit: Visit) -> Half:
    desk = visit.house.desk
    half = unseal(desk.keyring, cookies.read(request, cookies.HALF), desk.clock.now())
    if half is None:
        raise Elsewhere(paths.SIGN_IN)
    return half


def _token(request: Request) -> str:
    return cookies.form_token(cookies.read(request, cookies.HALF))
