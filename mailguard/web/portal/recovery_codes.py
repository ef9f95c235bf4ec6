"""Recovery codes: shown once, as the answer to a form; copied, printed, taken along as a file; acknowledged."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from mailguard.auth.recovery import grouped
from mailguard.desk import addresses, recovery_codes
from mailguard.web import paths
from mailguard.web.elsewhere import lead
from mailguard.web.page import render
from mailguard.web.visit import Member, Posted

router = APIRouter()

_CODES = re.compile(r"[a-z2-9]{5}(-[a-z2-9]{5}){2}(\n[a-z2-9]{5}(-[a-z2-9]{5}){2}){0,9}")


@router.get(paths.RECOVERY_CODES)
async def before(request: Request, visit: Member, first: str = "") -> Response:
    """What they are for, before they are made. `first`: within the set-up."""
    left = await recovery_codes.left(visit.house.desk, visit.signed)
    return render(request, "recovery_codes.html", left=left, first=bool(first), codes=())


@router.post(paths.RECOVERY_CODES, dependencies=[Posted])
async def made(
    request: Request, visit: Member, newest: Annotated[str, Form()] = "", first: Annotated[str, Form()] = ""
) -> Response:
    """Ten new ones. The form says which were there when it was loaded: sent twice, it makes no second set."""
    desk = visit.house.desk
    left = await recovery_codes.left(desk, visit.signed)
    if left.newest != newest:
        return lead(paths.RECOVERY_CODES, first=first, done="codes-shown")
    codes = await recovery_codes.issue(desk, visit.signed, instead=newest)
    shown = tuple(grouped(code) for code in codes)
    return render(request, "recovery_codes.html", left=left, first=bool(first), codes=shown)


@router.post(paths.RECOVERY_FILE, dependencies=[Posted])
async def as_file(visit: Member, codes: Annotated[str, Form()]) -> Response:
    """The codes of the page again, as a file. They come from the page itself: nothing of them is kept here, and none
    stands in an address, which browsers remember."""
    plain = codes.replace("\r\n", "\n").strip()
    if _CODES.fullmatch(plain) is None:
        raise HTTPException(400)
    host = visit.house.settings.server.hostname
    text = visit.say("recovery-codes.file", address=visit.account.name, host=host, codes=plain)
    name = f"recovery-codes-{host}.txt"
    return PlainTextResponse(text, headers={"content-disposition": f'attachment; filename="{name}"'})


@router.post(paths.RECOVERY_KEPT, dependencies=[Posted])
async def kept(visit: Member, kept: Annotated[str, Form()] = "", first: Annotated[str, Form()] = "") -> Response:
    """They are on paper. Whoever goes on without saying so is reminded."""
    desk = visit.house.desk
    if kept:
        await recovery_codes.keep(desk, visit.signed)
    if not first:
        return lead(paths.SECURITY, done="codes-made")
    there = await addresses.there(desk, visit.signed)
    return lead(paths.SET_UP_DEVICE if there else paths.SET_UP_ADDRESS)
