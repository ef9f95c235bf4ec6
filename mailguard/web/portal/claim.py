"""Claim links: an administrator sends one, its person opens it, signs in, and gets an app password.

The address of a link holds its token. Between the click and the sign-in that lies in a cookie for an hour, not in the
address of any page: what stands in an address ends up in the logs of whatever forwards it. By itself it opens nothing.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from mailguard.auth.passwords import normalise_app_password
from mailguard.desk import app_passwords
from mailguard.secret import Secret
from mailguard.store import ChangeRefused
from mailguard.web import cookies, paths
from mailguard.web.elsewhere import lead
from mailguard.web.page import render
from mailguard.web.portal.add_device import Wrong, proven, shown
from mailguard.web.portal.guides import Program
from mailguard.web.visit import Member, Posted, Visit

router = APIRouter(prefix=paths.CLAIM)

_KEPT_SECONDS = 3600


@router.get("/{token}")
async def follow(token: str) -> Response:
    """Remember it, and go on without it. Nothing is looked up for whoever is not signed in."""
    answer = lead(paths.CLAIM)
    if (bare := normalise_app_password(token.encode())) is not None:
        cookies.put(answer, cookies.CLAIM, bare.decode(), seconds=_KEPT_SECONDS)
    return answer


@router.get("")
async def look(request: Request, visit: Member) -> Response:
    """What the link makes, and for which mailbox."""
    return await _page(request, visit)


@router.post("", dependencies=[Posted])
async def redeem(
    request: Request, visit: Member, program: Annotated[Program, Form()], password: Annotated[str, Form()] = ""
) -> Response:
    """Make the app password, and show it once with the steps of that program."""
    desk, token = visit.house.desk, _token(request)
    try:
        claim, _ = await app_passwords.look(desk, visit.signed, token)
    except ChangeRefused:
        return _over(request)
    evidence = None
    if app_passwords.needs_password(desk, visit.account.id, claim):
        try:
            evidence = await proven(visit, password)
        except Wrong as wrong:
            return await _page(request, visit, wrong)
    issued = await app_passwords.redeem(desk, visit.signed, token, evidence)
    answer = shown(request, visit, issued, program)
    cookies.drop(answer, cookies.CLAIM)
    return answer


async def _page(request: Request, visit: Visit, wrong: Wrong | None = None) -> Response:
    desk = visit.house.desk
    try:
        claim, mailbox = await app_passwords.look(desk, visit.signed, _token(request))
    except ChangeRefused:
        return _over(request)
    return render(
        request,
        "claim.html",
        status=wrong.status if wrong else 200,
        said=wrong.said if wrong else "",
        claim=claim,
        mailbox=mailbox,
        programs=tuple(Program),
        asks_password=app_passwords.needs_password(desk, visit.account.id, claim),
    )


def _over(request: Request) -> Response:
    """Another person's link reads like none."""
    answer = render(request, "claim_over.html", status=404)
    cookies.drop(answer, cookies.CLAIM)
    return answer


def _token(request: Request) -> Secret:
    return Secret(cookies.read(request, cookies.CLAIM).encode())
