"""Live sessions of mail clients, and browsers at the portal: who is there now, and cutting them off."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from mailguard.admin import sessions
from mailguard.admin.gate import Act
from mailguard.web.api.caller import Id, Named, Program, needs
from mailguard.web.api.problems import CHANGES
from mailguard.web.api.shapes.live import Browser, Browsers, OfAccount, Session, Sessions

router = APIRouter(tags=["sessions"])


@router.get("/sessions", openapi_extra=needs(Act.READ))
async def list_sessions(caller: Program, asked: Annotated[OfAccount, Query()]) -> Sessions:
    """Who is connected now."""
    name = None if asked.account is None else caller.name(asked.account)
    return Sessions(items=[Session.of(each) for each in await sessions.live(caller.bureau, caller.acting, name)])


@router.delete("/sessions/{id}", status_code=204, openapi_extra=needs(Act.REVOKE), responses=CHANGES)
async def end_session(caller: Program, id: Id) -> None:
    """End one on its worker; its grant ends too. A client with an app password can connect again."""
    await sessions.end(caller.bureau, caller.acting, id)


# No DELETE of the list: a program with an empty id in its hand must not end everybody's.
@router.post("/sessions/end-all", status_code=204, openapi_extra=needs(Act.END_ALL), responses=CHANGES)
async def end_all_sessions(caller: Program) -> None:
    """End every session and grant of everybody."""
    await sessions.end_all(caller.bureau, caller.acting)


@router.post("/accounts/{name}/sessions/end-all", status_code=204, openapi_extra=needs(Act.REVOKE), responses=CHANGES)
async def end_sessions_of_account(caller: Program, name: Named) -> None:
    """End all sessions and grants of an account."""
    await sessions.end_of_account(caller.bureau, caller.acting, name)


@router.get("/browsers", openapi_extra=needs(Act.READ))
async def list_browsers(caller: Program, asked: Annotated[OfAccount, Query()]) -> Browsers:
    """Which browsers are signed in at the portal."""
    name = None if asked.account is None else caller.name(asked.account)
    return Browsers(items=[Browser.of(each) for each in await sessions.browsers(caller.bureau, caller.acting, name)])


@router.delete("/accounts/{name}/browsers/{id}", status_code=204, openapi_extra=needs(Act.REVOKE), responses=CHANGES)
async def end_browser(caller: Program, name: Named, id: Id) -> None:
    """Sign one browser of an account out."""
    await sessions.end_browser(caller.bureau, caller.acting, name, id)
