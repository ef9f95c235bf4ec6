"""What the configuration says of policy and of the way to the guard: read, never written."""

from __future__ import annotations

from fastapi import APIRouter

from mailguard.admin.gate import Act
from mailguard.web.api.caller import Program, needs
from mailguard.web.api.shapes.standing import Setting, Settings, Zone, ZoneLine
from mailguard.web.discovery.offer import offer
from mailguard.web.discovery.zone import zone

router = APIRouter(tags=["settings"])


@router.get("/policy", openapi_extra=needs(Act.READ))
async def get_policy(caller: Program) -> Settings:
    """Who gets in by what: every key of the policy and its groups, with the value that is in force."""
    await caller.bureau.reads(caller.acting)
    lines = caller.house.settings.lines()
    return Settings(items=[Setting(key=key, value=value) for key, value, _ in lines if key.startswith("policy.")])


@router.get("/dns", openapi_extra=needs(Act.READ))
async def get_zone(caller: Program) -> Zone:
    """The zone lines by which mail programs find the guard."""
    await caller.bureau.reads(caller.acting)
    told = offer(caller.house.settings)
    return Zone(
        items=[
            ZoneLine(domain=domain, name=each.name, type=each.type, value=each.value, note=each.note)
            for domain in told.domains
            for each in zone(told, domain)
        ]
    )
