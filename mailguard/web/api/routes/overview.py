"""How things stand, in numbers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from mailguard.admin.gate import Act
from mailguard.admin.overview import overview
from mailguard.web.api.caller import Program, needs
from mailguard.web.api.shapes.standing import OverviewAsked, OverviewNumbers

router = APIRouter(tags=["overview"])


@router.get("/overview", openapi_extra=needs(Act.READ))
async def get_overview(caller: Program, asked: Annotated[OverviewAsked, Query()]) -> OverviewNumbers:
    """Sign-ins, refusals, live sessions and enrolment of the last days."""
    return OverviewNumbers.of(await overview(caller.bureau, caller.acting, asked.days))
