"""One account: what it has, what holds for it, what became of it; and the acts on it, each asked about once more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mailguard.admin import accounts, app_passwords, factors, grants, record, sessions
from mailguard.auth.accounts import CodeKind
from mailguard.auth.decision import lapsed
from mailguard.explain import case, words
from mailguard.store.trail import Asked
from mailguard.web import paths
from mailguard.web.admin.accounts import page_of
from mailguard.web.admin.administrator import Administrator
from mailguard.web.admin.steps import PARTS, WHOLE
from mailguard.web.elsewhere import lead
from mailguard.web.page import render
from mailguard.web.visit import Posted

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName
    from mailguard.explain.paragraph import Words
    from mailguard.explain.troubles import Trouble

router = APIRouter(prefix=f"{paths.ADMIN_ACCOUNTS}/{{name}}")

ROWS = 25
DAY = 24 * 3600.0


@router.get("")
async def account_page(request: Request, me: Administrator, name: str) -> Response:
    """Everything about it on one page."""
    account = await me.account(name)
    bureau, acting, found = me.bureau, me.acting, account.name
    kept = await app_passwords.seen(bureau, acting, found)
    codes = await factors.codes(bureau, acting, found)
    now = bureau.now()
    return render(
        request,
        "admin_account.html",
        me=me,
        account=account,
        here=page_of(found),
        guesses=await accounts.guesses(bureau, acting, found),
        devices=await factors.devices(bureau, acting, found),
        passkeys=await factors.passkeys(bureau, acting, found),
        codes_left=sum(each.kind is CodeKind.RECOVERY and each.usable(now) for each in codes),
        handed=[each for each in codes if each.kind is not CodeKind.RECOVERY and each.usable(now)],
        app_passwords=[each for each in kept if each.revoked_at is None and not lapsed(each, now)],
        ended=sum(each.revoked_at is not None or lapsed(each, now) for each in kept),
        addresses=await bureau.store.addresses.list(found),
        grants=await grants.live(bureau, acting, found),
        sessions=await sessions.live(bureau, acting, found),
        browsers=await sessions.browsers(bureau, acting, found),
        policy=bureau.policies.of(account),
        mode=bureau.policies.of(account).mode(account, now),
        claims=bureau.policies.of(account).demands_claim(account, now),
        rows=(await record.page(bureau, acting, Asked(account=found), size=ROWS)).rows,
        troubles=await _troubles(me, found),
    )


@router.get("/{step}")
async def ask_whole(request: Request, me: Administrator, name: str, step: str) -> Response:
    """Is it meant?"""
    account = await me.account(name)
    if step not in WHOLE:
        raise HTTPException(404)
    me.demand(WHOLE[step].act, account)
    return render(request, "admin_confirm.html", me=me, account=account, here=page_of(account.name), step=step, what="")


@router.post("/{step}", dependencies=[Posted])
async def do_whole(me: Administrator, name: str, step: str) -> Response:
    """Do it."""
    found = me.name(name)
    if step not in WHOLE:
        raise HTTPException(404)
    await WHOLE[step].do(me.bureau, me.acting, found)
    return lead(paths.ADMIN_ACCOUNTS if WHOLE[step].gone else page_of(found), done=f"admin-{step}")


@router.get("/{step}/{item}")
async def ask_part(request: Request, me: Administrator, name: str, step: str, item: str) -> Response:
    """Is it meant, of one thing?"""
    account = await me.account(name)
    what = await _what(me, account.name, step, item)
    me.demand(PARTS[step].act, account)
    here = page_of(account.name)
    return render(request, "admin_confirm.html", me=me, account=account, here=here, step=f"{step}/{item}", what=what)


@router.post("/{step}/{item}", dependencies=[Posted])
async def do_part(me: Administrator, name: str, step: str, item: str) -> Response:
    """Do it, to one thing."""
    found = me.name(name)
    await _what(me, found, step, item)
    await PARTS[step].do(me.bureau, me.acting, found, item)
    return lead(page_of(found), done=f"admin-{step}")


async def _what(me: Administrator, name: AccountName, step: str, item: str) -> str:
    """What this thing of the account is called; there is no such page where it has none of that id."""
    there = await PARTS[step].named(me.bureau, me.acting, name) if step in PARTS else {}
    if item not in there:
        raise HTTPException(404)
    return there[item]


async def _troubles(me: Administrator, name: AccountName) -> tuple[tuple[Trouble, Words], ...]:
    """What failed in the last day and what to do. Who else fails at the same place is named within the limit alone."""
    store, now = me.bureau.store, me.bureau.now()
    known = await case.read(store, name, now - DAY, now)
    seen = await store.search.within(me.acting.limit, {each.account for each in known.neighbours})
    known = replace(known, neighbours=tuple(each for each in known.neighbours if each.account in seen))
    return tuple((each, words.paragraph(each, known)) for each in known.troubles)
