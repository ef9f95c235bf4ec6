"""A list of accounts: read, shown what would become of it, then made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from mailguard.admin import accounts
from mailguard.admin.accounts import ListRefused
from mailguard.admin.gate import Act
from mailguard.web import paths
from mailguard.web.admin.administrator import Administrator
from mailguard.web.page import render
from mailguard.web.visit import Posted

if TYPE_CHECKING:
    from mailguard.admin.accounts import Imported

router = APIRouter()

SHOWN = 100  # names, and lines that cannot be


@router.get(paths.ADMIN_IMPORT)
async def import_page(request: Request, me: Administrator) -> Response:
    """The form."""
    me.demand_role(Act.ADD)
    return _page(request, me)


@router.post(paths.ADMIN_IMPORT, dependencies=[Posted])
async def import_sent(request: Request, me: Administrator) -> Response:
    """First say what would happen; then, where that was seen, have it happen."""
    form = await request.form()
    text = await _text(form.get("file"))
    if text == "":
        text = await _text(form.get("lines"))
    if text is None:
        return _page(request, me, refused=(me.visit.say("admin-import.not_text"),))
    try:
        if form.get("sure"):
            return _page(request, me, done=await accounts.bring(me.bureau, me.acting, text.splitlines()))
        return _page(request, me, text=text, plan=await accounts.plan(me.bureau, me.acting, text.splitlines()))
    except ListRefused as refused:
        return _page(request, me, text=text, refused=refused.lines)


def _page(
    request: Request,
    me: Administrator,
    *,
    text: str = "",
    plan: Imported | None = None,
    done: Imported | None = None,
    refused: tuple[str, ...] = (),
) -> Response:
    status = 400 if refused else 200
    values = {"text": text, "plan": plan, "done_now": done, "refused": refused[:SHOWN], "shown": SHOWN}
    return render(request, "admin_import.html", status=status, me=me, more=len(refused) - SHOWN, **values)


async def _text(sent: UploadFile | str | None) -> str | None:
    """What was sent as a file or in the field; "" for no file. None: no text in UTF-8."""
    if not isinstance(sent, UploadFile):
        return sent or ""
    try:
        return (await sent.read()).decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
