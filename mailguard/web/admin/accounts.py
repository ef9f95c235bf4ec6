"""Accounts: found, page by page, and made."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from mailguard.admin import accounts
from mailguard.admin.bureau import NotAllowed
from mailguard.admin.gate import Act
from mailguard.auth.accounts import AccountName
from mailguard.auth.names import NameRefused
from mailguard.store import ChangeRefused
from mailguard.store.search import Wanted
from mailguard.web import paths
from mailguard.web.admin.administrator import Administrator
from mailguard.web.elsewhere import lead
from mailguard.web.page import render
from mailguard.web.visit import Posted

router = APIRouter(prefix=paths.ADMIN_ACCOUNTS)

FILTERS = ("no_factor", "failing", "suspended", "privileged")
NO_GROUP, IN_GROUP = "none", "in:"  # of the filter; "" is whatever it may be


@router.get("")
async def found(request: Request, me: Administrator, text: str = "", group: str = "", after: str = "") -> Response:
    """One page of those that match. The filters stand in the address: such a page can be kept as a bookmark."""
    marked = {each: bool(request.query_params.get(each)) for each in FILTERS}
    page = await accounts.search(
        me.bureau, me.acting, Wanted(text=text, group=_group(group), **marked), after=AccountName(after) or None
    )
    asked = {"text": text, "group": group, **{each: "1" for each, on in marked.items() if on}}
    onward = urlencode({**asked, "after": page.after}) if page.after is not None else ""
    return render(
        request,
        "admin_accounts.html",
        me=me,
        page=page,
        text=text,
        group=group,
        marked=marked,
        groups=sorted(me.bureau.limits.group),
        onward=onward,
        first=not after,
        asked=urlencode(asked),
    )


@router.get("/add")
async def add_page(request: Request, me: Administrator) -> Response:
    """The form for a new one."""
    me.demand_role(Act.ADD)
    return _add_page(request, me)


@router.post("/add", dependencies=[Posted])
async def add(
    request: Request,
    me: Administrator,
    address: Annotated[str, Form()] = "",
    group: Annotated[str, Form()] = "",
) -> Response:
    """Make a person's, and go there."""
    try:
        name = me.bureau.canonical(address.strip())
        await accounts.add(me.bureau, me.acting, name, group=group)
    except NameRefused as refused:
        return _add_page(request, me, f"this account name {refused}", address)
    except NotAllowed:
        raise
    except ChangeRefused as refused:
        return _add_page(request, me, str(refused), address)
    return lead(page_of(name), done="account-added")


def _add_page(request: Request, me: Administrator, refused: str = "", address: str = "") -> Response:
    return render(
        request,
        "admin_add.html",
        status=400 if refused else 200,
        me=me,
        refused=refused,
        address=address,
        groups=sorted(me.bureau.limits.group),
    )


def page_of(name: str) -> str:
    """Where an account is looked at."""
    return f"{paths.ADMIN_ACCOUNTS}/{quote(name, safe='@')}"


def _group(asked: str) -> str | None:
    if asked.startswith(IN_GROUP):
        return asked.removeprefix(IN_GROUP)
    return "" if asked == NO_GROUP else None
