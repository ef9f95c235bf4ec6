"""The first page after signing in: what there is, and what is still to do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from mailguard.web import paths
from mailguard.web.page import render
from mailguard.web.visit import Onlooker

router = APIRouter()


@router.get(paths.HOME)
async def home(request: Request, visit: Onlooker) -> Response:
    """Where everything else is found."""
    return render(request, "home.html", account=visit.account)
