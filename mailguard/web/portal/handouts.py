"""Setting up another device than the one in hand: a link as a QR code, and the page that it leads to.

Whoever opens that page is not signed in: the token in its address is all there is. So looking at it does nothing, for
messengers and scanners look at links; the device's owner presses a button.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from mailguard.desk import app_passwords
from mailguard.desk import handouts as desk_handouts
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, MadeAlready
from mailguard.web import once, paths
from mailguard.web.discovery.android import drawing
from mailguard.web.page import render
from mailguard.web.portal.add_device import Filled, Wrong, demand_profile, form_again, handed, proven, there, wish_of
from mailguard.web.portal.guides import Program, steps
from mailguard.web.visit import Guest, Member, Posted, Visit

router = APIRouter()


@router.post(f"{paths.DEVICES}/add/{{program}}/link", dependencies=[Posted])
async def make(request: Request, visit: Member, sent: Filled) -> Response:
    """A link, shown once, that sets up the device that opens it."""
    demand_profile(visit, sent.program)
    try:
        token = await _made(visit, sent)
    except Wrong as wrong:
        return form_again(request, visit, sent, wrong)
    except MadeAlready:
        return render(request, "made_already.html", status=409, program=sent.program)
    link = f"{visit.house.origin}{paths.HANDOUT}/{token.reveal().decode()}"
    return render(request, "handout_made.html", link=link, code=drawing(link), label=sent.label, program=sent.program)


@router.get(f"{paths.HANDOUT}/{{token}}")
async def look(request: Request, visit: Guest, token: str) -> Response:
    """What the link is good for, and a button."""
    try:
        good = await desk_handouts.look(visit.house.desk, Secret(token.encode()))
    except ChangeRefused:
        return render(request, "handout_over.html", status=404)
    return render(
        request,
        "handout.html",
        account=good.by.account.name,
        label=good.handout.label,
        until=good.handout.expires_at,
        steps=steps("profile", visit.house.texts[visit.language]),
    )


@router.post(f"{paths.HANDOUT}/{{token}}")  # the token is the proof: no other site has it, and there is no cookie
async def use(request: Request, visit: Guest, token: str) -> Response:
    """Make the app password, and hand it over inside a profile."""
    demand_profile(visit, Program.IPHONE)
    try:
        issued = await desk_handouts.use(visit.house.desk, Secret(token.encode()), there(visit))
    except ChangeRefused:
        return render(request, "handout_over.html", status=404)
    return await handed(visit, issued)


async def _made(visit: Visit, sent: Filled) -> Secret:
    assert visit.session is not None
    desk, wish = visit.house.desk, wish_of(visit, sent)
    needed = app_passwords.needs_password(desk, visit.account.id, wish)
    evidence = await proven(visit, sent.password) if needed else None
    return await desk_handouts.make(desk, visit.session, wish, evidence, row_id=once.row_id(visit, sent.number))
