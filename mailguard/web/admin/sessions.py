"""Who is connected now, by mail programs and browsers, and cutting all of them off."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from mailguard.admin import sessions
from mailguard.admin.gate import Act
from mailguard.web import paths
from mailguard.web.admin.administrator import Administrator
from mailguard.web.elsewhere import lead
from mailguard.web.page import render
from mailguard.web.visit import Posted

router = APIRouter(prefix=paths.ADMIN_SESSIONS)

SHOWN = 500


@router.get("")
async def live(request: Request, me: Administrator) -> Response:
    """The oldest of them; an account's own page shows all of its."""
    mail = await sessions.live(me.bureau, me.acting)
    browsers = await sessions.browsers(me.bureau, me.acting)
    return render(
        request,
        "admin_sessions.html",
        me=me,
        mail=mail[:SHOWN],
        browsers=browsers[:SHOWN],
        more=max(len(mail), len(browsers)) > SHOWN,
        total=len(mail) + len(browsers),
    )


@router.get("/end-all")
async def ask_all(request: Request, me: Administrator) -> Response:
    """Is it meant?"""
    me.demand(Act.END_ALL, None)
    return render(request, "admin_end_all.html", me=me)


@router.post("/end-all", dependencies=[Posted])
async def end_all(me: Administrator) -> Response:
    """Cut everybody off."""
    await sessions.end_all(me.bureau, me.acting)
    return lead(paths.ADMIN_SESSIONS, done="admin-end-all")
