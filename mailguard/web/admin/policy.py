"""What holds for whom, and who would be locked out if more were demanded: both to look at."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mailguard.admin.readiness import Outcome, unready
from mailguard.web import paths
from mailguard.web.admin.administrator import Administrator
from mailguard.web.page import render

router = APIRouter()

DAY = 24 * 3600.0
DAYS = 30


@router.get(paths.ADMIN_POLICY)
async def policy(request: Request, me: Administrator) -> Response:
    """Each group's."""
    policies, limits = me.bureau.policies, me.bureau.limits
    held = [("", policies.default, limits)]
    held += [(group, policies.of_group(group), limits.of(group)) for group in sorted(limits.group)]
    return render(request, "admin_policy.html", me=me, held=held, day=DAY, now=me.bureau.now())


@router.get(paths.ADMIN_READINESS)
async def readiness(request: Request, me: Administrator, group: str = "") -> Response:
    """Each way of getting in today without a second factor, by program."""
    groups = sorted(me.bureau.limits.group)
    if group and group not in groups:
        raise HTTPException(404)
    found = await unready(me.bureau, me.acting, me.bureau.now() - DAYS * DAY, group)
    locked = {each.account.name for each in found if each.outcome is Outcome.LOCKED_OUT}
    return render(request, "admin_readiness.html", me=me, found=found, groups=groups, group=group, locked=len(locked))
