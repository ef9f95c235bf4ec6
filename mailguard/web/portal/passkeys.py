"""Passkeys: looked at, added, named, removed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from mailguard.auth.standing import Standing
from mailguard.desk import passkeys
from mailguard.web import challenge as challenges
from mailguard.web import paths
from mailguard.web.elsewhere import lead
from mailguard.web.page import render
from mailguard.web.passkeys import party_of
from mailguard.web.portal.renewed import renewed
from mailguard.web.portal.security import after_change
from mailguard.web.visit import Member, Newcomer, Posted

router = APIRouter()

_ONE = paths.PASSKEYS + "/{passkey_id}"


@router.get(paths.PASSKEYS)
async def overview(request: Request, visit: Member) -> Response:
    """What there is."""
    return render(request, "passkeys.html", passkeys=await passkeys.there(visit.house.desk, visit.signed))


@router.get(paths.PASSKEY_ADD)
async def to_add(request: Request, visit: Newcomer) -> Response:
    """Ask the browser for one."""
    assert visit.session is not None
    desk = visit.house.desk
    existing = await passkeys.before_adding(desk, visit.signed)
    challenge, form = challenges.issue(desk.keyring, visit.session.id, desk.clock.now())
    asked = party_of(visit.house).creation(visit.signed, existing, challenge)
    return render(request, "passkey_add.html", asked=asked, challenge=form)


@router.post(paths.PASSKEY_ADD, dependencies=[Posted])
async def add(
    visit: Newcomer,
    name: Annotated[str, Form()],
    challenge: Annotated[str, Form()],
    passkey: Annotated[str, Form()] = "",
) -> Response:
    """Keep what the browser made. Whoever came to set up their first factor goes on with every right."""
    assert visit.session is not None
    desk = visit.house.desk
    waited_for = challenges.read(desk.keyring, visit.session.id, challenge, desk.clock.now())
    made = party_of(visit.house).made(passkey, waited_for) if waited_for is not None else None
    if made is None:
        return lead(paths.PASSKEY_ADD, done="passkey-not-made")
    first = visit.signed.standing is Standing.ENROLS
    signed = await passkeys.add(desk, visit.signed, name.strip(), made)
    if first:
        return await renewed(visit, signed, lead(paths.RECOVERY_CODES, first="yes"))
    return await after_change(visit, "passkey-added")


@router.post(_ONE + "/name", dependencies=[Posted])
async def rename(visit: Member, passkey_id: str, name: Annotated[str, Form()]) -> Response:
    """Call it something else."""
    await passkeys.rename(visit.house.desk, visit.signed, passkey_id, name.strip())
    return lead(paths.PASSKEYS, done="passkey-renamed")


@router.post(_ONE + "/remove", dependencies=[Posted])
async def remove(visit: Member, passkey_id: str) -> Response:
    """Remove it. The session that was opened with it ends too."""
    await passkeys.remove(visit.house.desk, visit.signed, passkey_id)
    if passkey_id == visit.signed.device:
        return lead(paths.SIGN_IN, done="passkey-removed")
    return await after_change(visit, "passkey-removed")
