"""What one signs in with, where one is told, where one is signed in: looked at, changed, ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mailguard.auth.accounts import TotpDevice
from mailguard.desk import addresses, authenticators, passkeys, recovery_codes, sessions
from mailguard.store import ChangeRefused
from mailguard.web import paths
from mailguard.web.elsewhere import lead
from mailguard.web.page import render
from mailguard.web.visit import Member, Posted, Visit

router = APIRouter()

_ONE = paths.AUTHENTICATORS + "/{device_id}"


@router.get(paths.SECURITY)
async def overview(request: Request, visit: Member) -> Response:
    """Everything at once."""
    return await _overview(request, visit)


@router.get(_ONE)
async def authenticator(request: Request, visit: Member, device_id: str) -> Response:
    """One authenticator: its name, and its end with what follows from that."""
    return await _authenticator(request, visit, await _device(visit, device_id))


@router.post(_ONE + "/name", dependencies=[Posted])
async def rename(request: Request, visit: Member, device_id: str, name: Annotated[str, Form()]) -> Response:
    """Call it something else."""
    device = await _device(visit, device_id)
    try:
        await authenticators.rename(visit.house.desk, visit.signed, device_id, name.strip())
    except ChangeRefused:
        return await _authenticator(request, visit, device, refused=True)
    return lead(paths.SECURITY, done="authenticator-renamed")


@router.post(_ONE + "/remove", dependencies=[Posted])
async def remove(visit: Member, device_id: str) -> Response:
    """Remove it. The session that was opened with it ends too."""
    desk, own = visit.house.desk, device_id == visit.signed.device
    waits = (await _device(visit, device_id)).confirmed_at is None
    await authenticators.remove(desk, visit.signed, device_id)
    if own:
        return lead(paths.SIGN_IN, done="authenticator-removed-own")
    return (
        lead(paths.SECURITY, done="authenticator-removed")
        if waits
        else await after_change(visit, "authenticator-removed")
    )


@router.get(_ONE + "/{act}")
async def loaded_by_address(_: Member, device_id: str, act: str) -> Response:
    """Nothing to see there: those answer a form."""
    return lead(f"{paths.AUTHENTICATORS}/{device_id}")


@router.post(paths.SECOND_ADDRESSES, dependencies=[Posted])
async def add_address(request: Request, visit: Member, address: Annotated[str, Form()]) -> Response:
    """One more place to be told."""
    try:
        await addresses.add(visit.house.desk, visit.signed, address)
    except ChangeRefused:
        return await _overview(request, visit, address=address)
    return lead(paths.SECURITY, done="address-added")


@router.post(paths.SECOND_ADDRESSES + "/remove", dependencies=[Posted])
async def remove_address(visit: Member, address: Annotated[str, Form()]) -> Response:
    """One less."""
    await addresses.remove(visit.house.desk, visit.signed, address)
    return lead(paths.SECURITY, done="address-removed")


@router.get(paths.BROWSERS)
async def other_browsers(request: Request, visit: Member, done: str = "") -> Response:
    """After a change of what one signs in with: where else one is signed in, and whether that is to end."""
    there = await _others(visit)
    return render(request, "security_browsers.html", others=there) if there else lead(paths.SECURITY, done=done)


@router.post(paths.BROWSERS + "/end-others", dependencies=[Posted])
async def end_others(visit: Member) -> Response:
    """Sign every other browser out."""
    assert visit.session is not None
    await sessions.end_others(visit.house.desk, visit.signed, but=visit.session.id)
    return lead(paths.SECURITY, done="browsers-ended")


@router.post(paths.BROWSERS + "/{session_id}/end", dependencies=[Posted])
async def end_one(visit: Member, session_id: str) -> Response:
    """Sign one browser out."""
    await sessions.end(visit.house.desk, visit.signed, session_id)
    return lead(paths.SECURITY, done="browser-ended")


async def after_change(visit: Visit, done: str) -> Response:
    """Where a change of factors leads: to the other browsers, if there are any (OWASP ASVS 5.0 7.4.3)."""
    return lead(paths.BROWSERS if await _others(visit) else paths.SECURITY, done=done)


async def _others(visit: Visit) -> list[object]:
    assert visit.session is not None
    there = await sessions.there(visit.house.desk, visit.signed)
    return [each for each in there if each.id != visit.session.id]


async def _overview(request: Request, visit: Visit, *, address: str | None = None) -> Response:
    desk, signed = visit.house.desk, visit.signed
    return render(
        request,
        "security.html",
        status=200 if address is None else 400,
        devices=await desk.store.devices.list(visit.account.name),
        left=await recovery_codes.left(desk, signed),
        addresses=await addresses.there(desk, signed),
        browsers=await sessions.there(desk, signed),
        now=desk.clock.now(),
        address=address or "",
        refused=address is not None,
    )


async def _authenticator(request: Request, visit: Visit, device: TotpDevice, *, refused: bool = False) -> Response:
    desk, account = visit.house.desk, visit.account
    there = [each for each in await desk.store.devices.list(account.name) if each.confirmed_at is not None]
    last = [each.id for each in there] == [device.id] and not await passkeys.there(desk, visit.signed)
    return render(
        request,
        "security_authenticator.html",
        status=400 if refused else 200,
        device=device,
        own=device.id == visit.signed.device,
        last=last,
        must=last and desk.policies.of(account).demands_factor(account, desk.clock.now()),
        refused=refused,
    )


async def _device(visit: Visit, device_id: str) -> TotpDevice:
    found = [
        device for device in await visit.house.desk.store.devices.list(visit.account.name) if device.id == device_id
    ]
    if not found:
        raise HTTPException(404)
    return found[0]
