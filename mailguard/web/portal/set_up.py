"""The set-up: an authenticator app, recovery codes, a second address, the first device. One step a page.

A page that is loaded again makes nothing twice: the authenticator belongs to the browser's session (desk.enrol's
`once`) until it is confirmed, and every step that is done leads on to the next page.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from mailguard.auth.standing import Standing
from mailguard.desk import addresses, authenticators
from mailguard.secret import Secret
from mailguard.store import ChangeRefused
from mailguard.web import cookies, paths
from mailguard.web.discovery.android import drawing
from mailguard.web.elsewhere import lead
from mailguard.web.page import render
from mailguard.web.portal.renewed import renewed
from mailguard.web.portal.security import after_change
from mailguard.web.visit import Member, Newcomer, Posted, Visit

router = APIRouter()

_GROUP = 4


@router.get(paths.SET_UP)
async def why(request: Request, visit: Newcomer) -> Response:
    """Why, and the name of the phone."""
    if visit.signed.standing is Standing.BYPASS:
        return lead(paths.HOME)
    begun = await authenticators.begun(visit.house.desk, visit.signed, _once(request))
    return render(request, "set_up.html", begun=begun, first=_first(visit))


@router.post(paths.SET_UP_SCAN, dependencies=[Posted])
async def scan(request: Request, visit: Newcomer, name: Annotated[str, Form()]) -> Response:
    """The code to scan. The one page that shows the seed."""
    return await _shown(request, visit, name)


@router.post(paths.SET_UP_CONFIRM, dependencies=[Posted])
async def confirm(request: Request, visit: Newcomer, code: Annotated[str, Form()]) -> Response:
    """A first code: the authenticator counts from now on, and the session may do everything."""
    desk, first = visit.house.desk, _first(visit)
    begun = await authenticators.begun(desk, visit.signed, _once(request))
    if begun is None:
        return lead(paths.SET_UP)
    try:
        signed = await authenticators.confirm(desk, visit.signed, begun.id, code)
    except authenticators.CodeWrong:
        return await _shown(request, visit, begun.name, wrong=True)
    if first:
        return await renewed(visit, signed, lead(paths.RECOVERY_CODES, first="yes"))
    return await renewed(visit, signed, await after_change(visit, "authenticator-added"))


@router.post(paths.SET_UP_AGAIN, dependencies=[Posted])
async def start_again(request: Request, visit: Newcomer) -> Response:
    """Forget the authenticator that was begun. The next one is another."""
    await authenticators.discard(visit.house.desk, visit.signed, _once(request))
    return await renewed(visit, visit.signed, lead(paths.SET_UP))


@router.get(paths.SET_UP_SCAN)
@router.get(paths.SET_UP_CONFIRM)
@router.get(paths.SET_UP_AGAIN)
async def loaded_by_address(_: Newcomer) -> Response:
    """These pages answer a form; by their address alone they begin at the beginning."""
    return lead(paths.SET_UP)


@router.get(paths.SET_UP_ADDRESS)
async def second_address(request: Request, visit: Member) -> Response:
    """Where else to be told."""
    there = await addresses.there(visit.house.desk, visit.signed)
    return render(request, "set_up_address.html", there=there, address="", refused=False)


@router.post(paths.SET_UP_ADDRESS, dependencies=[Posted])
async def second_address_sent(request: Request, visit: Member, address: Annotated[str, Form()]) -> Response:
    """Keep it, and go on."""
    desk = visit.house.desk
    try:
        await addresses.add(desk, visit.signed, address)
    except ChangeRefused:
        there = await addresses.there(desk, visit.signed)
        return render(request, "set_up_address.html", status=400, there=there, address=address, refused=True)
    return lead(paths.SET_UP_DEVICE, done="address-added")


@router.get(paths.SET_UP_DEVICE)
async def first_device(request: Request, _: Member) -> Response:
    """What comes after: the programs that read mail."""
    return render(request, "set_up_device.html")


async def _shown(request: Request, visit: Visit, name: str, *, wrong: bool = False) -> Response:
    device, link = await authenticators.enrol(visit.house.desk, visit.signed, name.strip(), _once(request))
    seed = device.seed.reveal().decode()
    key = " ".join(seed[at : at + _GROUP] for at in range(0, len(seed), _GROUP))
    return render(
        request,
        "set_up_scan.html",
        status=400 if wrong else 200,
        device=device,
        link=link,
        key=key,
        picture=drawing(link),
        wrong=wrong,
        first=_first(visit),
    )


def _first(visit: Visit) -> bool:
    return visit.signed.standing is Standing.ENROLS


def _once(request: Request) -> Secret:
    return cookies.once(cookies.read(request, cookies.SESSION))
