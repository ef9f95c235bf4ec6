"""Grants: the strings of used codes that still open sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from mailguard.admin import grants
from mailguard.admin.gate import Act
from mailguard.web.api.caller import Id, Program, needs
from mailguard.web.api.problems import CHANGES
from mailguard.web.api.shapes.live import Grant, Grants, OfAccount

router = APIRouter(prefix="/grants", tags=["grants"])


@router.get("", openapi_extra=needs(Act.READ))
async def list_grants(caller: Program, asked: Annotated[OfAccount, Query()]) -> Grants:
    """Live grants."""
    name = None if asked.account is None else caller.name(asked.account)
    return Grants(items=[Grant.of(each) for each in await grants.live(caller.bureau, caller.acting, name)])


@router.delete("/{id}", status_code=204, openapi_extra=needs(Act.REVOKE), responses=CHANGES)
async def revoke_grant(caller: Program, id: Id) -> None:
    """End one and every session opened with it: the next one needs a new code."""
    await grants.revoke(caller.bureau, caller.acting, id)
