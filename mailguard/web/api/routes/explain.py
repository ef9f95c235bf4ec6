"""Why logins at one address failed, in plain words."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query

from mailguard.admin.gate import Act
from mailguard.explain import words
from mailguard.explain.case import Case, read
from mailguard.explain.troubles import Trouble
from mailguard.web.api.caller import Named, Program, needs
from mailguard.web.api.shapes.base import moment, moment_or_none
from mailguard.web.api.shapes.standing import ExplainAsked, Explanation, TroubleRow

router = APIRouter(tags=["overview"])

_HOUR = 3600.0


@router.get("/accounts/{name}/explain", openapi_extra=needs(Act.READ))
async def explain_account(caller: Program, name: Named, asked: Annotated[ExplainAsked, Query()]) -> Explanation:
    """Which device failed, why, and what to do."""
    bureau, store = caller.bureau, caller.house.store
    await bureau.reads_of(caller.acting, name)
    now = bureau.now()
    case = await read(store, name, now - asked.hours * _HOUR, now)
    limit = (await bureau.reads(caller.acting)).limit
    reached = await store.search.within(limit, {each.account for each in case.neighbours})
    case = replace(case, neighbours=tuple(each for each in case.neighbours if each.account in reached))
    said = words.summary(case)
    return Explanation(
        account=case.name,
        exists=case.account is not None,
        since=moment(case.since),
        until=moment(case.now),
        let_in=moment_or_none(case.let_in_at),
        text=said.text,
        commands=list(said.commands),
        troubles=[_row(each, case) for each in case.troubles],
    )


def _row(trouble: Trouble, case: Case) -> TroubleRow:
    said = words.paragraph(trouble, case)
    password = case.app_passwords.get(trouble.credential)
    return TroubleRow(
        kind=trouble.kind,
        times=trouble.times,
        since=moment(trouble.since),
        last_at=moment(trouble.last_at),
        mended_at=moment_or_none(trouble.mended_at),
        addresses=list(trouble.addresses),
        protocols=[str(each) for each in trouble.protocols],
        client=trouble.client,
        credential=trouble.credential,
        detail=trouble.detail,
        drift=trouble.drift,
        label=password.label if password is not None else "",
        text=said.text,
        commands=list(said.commands),
    )
