"""The history: what failed lately and what to do, then the record itself, row by row; and "this was not me"."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from mailguard.auth.decision import lapsed
from mailguard.auth.standing import Standing
from mailguard.desk import addresses, app_passwords, recovery_codes, sessions
from mailguard.explain.troubles import Kind, Trouble, troubles
from mailguard.store.history import NEWEST, REFUSED, Place
from mailguard.web import cookies, paths
from mailguard.web.elsewhere import lead
from mailguard.web.page import render
from mailguard.web.portal.told import told
from mailguard.web.visit import Member, Onlooker, Posted, Visit

router = APIRouter()

SIZE = 50
LATELY = 7 * 24 * 3600.0
LOOKED_AT = 300  # refusals that the summary is made of


@router.get(paths.HISTORY)
async def history(
    request: Request,
    visit: Onlooker,
    only: str = "",
    at: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    seq: Annotated[int, Query(ge=0, lt=2**63)] = 0,  # the records hold no greater number, and say so by failing
) -> Response:
    """One page of it. `at` and `seq`: where the page before ended."""
    store, name = visit.house.store, visit.account.name
    before = NEWEST if at is None else Place(at, seq)
    events = REFUSED if only == "refused" else frozenset()
    words = visit.house.texts[visit.language]
    leaf = await store.history.page(name, only=events, before=before, size=SIZE)
    labels = {row.id: row.label for row in await store.app_passwords.list(name)}
    return render(
        request,
        "history.html",
        rows=[told(words, recorded, labels, name) for recorded in leaf.rows],
        older=leaf.older,
        only="refused" if events else "",
        newest=at is None,
        lately=await _lately(visit) if at is None else (),
        labels=labels,
        may_end=visit.signed.standing is not Standing.ENROLS,
    )


@router.post(paths.NOT_ME, dependencies=[Posted])
async def not_me(visit: Member) -> Response:
    """End everything that is open, mail programs and browsers, but for this browser; then say what else to do."""
    assert visit.session is not None
    token = cookies.new_token()
    await sessions.end_all_else(visit.house.desk, visit.signed, visit.session, visit.browser(token))
    answer = lead(paths.NOT_ME, done="all-ended")
    cookies.put(answer, cookies.SESSION, token)
    return answer


@router.get(paths.NOT_ME)
async def what_now(request: Request, visit: Member) -> Response:
    """Step by step: the password, the app passwords, the letters, the codes, and whom to tell."""
    desk, signed = visit.house.desk, visit.signed
    now = desk.clock.now()
    mine = await app_passwords.mine(desk, signed)
    return render(
        request,
        "not_me.html",
        passwords=[kept.row for kept in mine if kept.row.revoked_at is None and not lapsed(kept.row, now)],
        devices=await desk.store.devices.list(visit.account.name),
        addresses=await addresses.there(desk, signed),
        left=await recovery_codes.left(desk, signed),
    )


async def _lately(visit: Visit) -> tuple[Trouble, ...]:
    store, name = visit.house.store, visit.account.name
    since = visit.house.desk.clock.now() - LATELY
    leaf = await store.history.page(name, only=REFUSED, before=NEWEST, size=LOOKED_AT)
    rows = [recorded for recorded in leaf.rows if recorded.last_at >= since]
    return tuple(
        trouble
        for trouble in troubles((*rows, *await store.audit.held(name, since)))
        if trouble.kind is not Kind.PASSING
    )
