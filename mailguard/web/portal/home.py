"""The first page after signing in: what there is, and what is still to do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from mailguard.web import paths
from mailguard.web.page import render
from mailguard.web.portal import glance
from mailguard.web.visit import Onlooker

router = APIRouter()


@router.get(paths.HOME)
async def home(request: Request, visit: Onlooker) -> Response:
    """How it stands, and where everything else is found. Whoever has no second step finds the one thing to do."""
    if visit.looks:
        return render(request, "home_before.html", account=visit.account)
    seen = await glance.of(visit)
    advice = seen.advice if glance.advises(visit) else ()
    return render(request, "home.html", account=visit.account, glance=seen, todo=advice)
