"""API keys: seen. They are made and revoked by people, never by keys."""

from __future__ import annotations

from fastapi import APIRouter

from mailguard.admin import keys
from mailguard.admin.gate import Act
from mailguard.web.api.caller import Program, needs
from mailguard.web.api.shapes.standing import ApiKeyRow, ApiKeys

router = APIRouter(tags=["API keys"])


@router.get("/api-keys", openapi_extra=needs(Act.READ))
async def list_api_keys(caller: Program) -> ApiKeys:
    """All keys, ended ones too; with a limit, those of the same maker."""
    now = caller.bureau.now()
    return ApiKeys(items=[ApiKeyRow.of(each, now) for each in await keys.seen(caller.bureau, caller.acting)])
