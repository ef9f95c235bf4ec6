"""Who would be locked out if two-factor were enforced today."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from mailguard.admin.gate import Act
from mailguard.admin.readiness import unready
from mailguard.web.api.caller import Program, needs
from mailguard.web.api.routes.accounts import demand_group
from mailguard.web.api.shapes.standing import Readiness, ReadinessAsked, UnreadyRow

router = APIRouter(tags=["overview"])

SINCE_SECONDS = 30 * 24 * 3600.0


@router.get("/readiness", openapi_extra=needs(Act.READ))
async def get_readiness(caller: Program, asked: Annotated[ReadinessAsked, Query()]) -> Readiness:
    """Who would be locked out by `enforce` today, by which client, as the record shows it."""
    demand_group(caller, asked.group, "query.group")
    since = caller.bureau.now() - SINCE_SECONDS if asked.since is None else asked.since.timestamp()
    found = await unready(caller.bureau, caller.acting, since, asked.group)
    return Readiness(items=[UnreadyRow.of(each) for each in found])
