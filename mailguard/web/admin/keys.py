"""API keys: looked at, made, revoked. Only their maker ever sees the secret, once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mailguard.admin import keys
from mailguard.admin.gate import Act
from mailguard.auth.roles import Role, RoleLimit, Scope
from mailguard.store import ChangeRefused
from mailguard.web import paths
from mailguard.web.admin.administrator import Administrator
from mailguard.web.elsewhere import lead
from mailguard.web.once import new_number
from mailguard.web.page import render
from mailguard.web.visit import Posted

router = APIRouter(prefix=paths.ADMIN_KEYS)

DAY = 24 * 3600.0


@router.get("")
async def listed(request: Request, me: Administrator) -> Response:
    """Those that may be used, newest first."""
    now = me.bureau.now()
    found = [key for key in reversed(await keys.seen(me.bureau, me.acting)) if key.usable(now)]
    return render(request, "admin_keys.html", me=me, found=found)


@router.get("/add")
async def add_page(request: Request, me: Administrator) -> Response:
    """What it shall be good for."""
    me.demand(Act.MAKE_KEY, None)
    roles = [role for role in Role if role is not Role.NONE]
    return render(request, "admin_key_add.html", me=me, roles=roles, scopes=tuple(Scope), once=new_number())


@router.post("/add", dependencies=[Posted])
async def add(
    request: Request,
    me: Administrator,
    *,
    label: Annotated[str, Form()] = "",
    days: Annotated[float, Form()] = 0.0,
    role: Annotated[Role, Form()] = Role.NONE,
    limit: Annotated[str, Form()] = "",
    number: Annotated[str, Form(alias="once")] = "",
) -> Response:
    """Make it, and show it."""
    ticked = (await request.form()).getlist("scopes")
    issued = await keys.issue(
        me.bureau,
        me.acting,
        label.strip(),
        seconds=days * DAY,
        scopes=frozenset(scope for scope in Scope if scope in ticked),
        role=role,
        limit=_limit(limit),
        row_id=me.row_id(number),
    )
    return render(request, "admin_key_made.html", me=me, row=issued.row, secret=issued.secret.reveal().decode())


@router.get("/{key_id}/revoke")
async def ask_revoke(request: Request, me: Administrator, key_id: str) -> Response:
    """Is it meant?"""
    me.demand(Act.MAKE_KEY, None)
    found = next((key for key in await keys.seen(me.bureau, me.acting) if key.id == key_id), None)
    if found is None:
        raise HTTPException(404)
    return render(request, "admin_key_revoke.html", me=me, row=found)


@router.post("/{key_id}/revoke", dependencies=[Posted])
async def revoke(me: Administrator, key_id: str) -> Response:
    """It opens nothing from now on."""
    await keys.revoke(me.bureau, me.acting, key_id)
    return lead(paths.ADMIN_KEYS, done="admin-key-revoked")


def _limit(written: str) -> RoleLimit | None:
    try:
        return RoleLimit.parse(written.strip()) if written.strip() else None
    except ValueError as wrong:
        raise ChangeRefused(f"the limit {wrong}") from None
