"""The choice of a language."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from mailguard.web import cookies, paths
from mailguard.web.elsewhere import lead
from mailguard.web.texts import LANGUAGES

router = APIRouter()


@router.get("/language/{language}")
async def choose(language: str, next: str = paths.HOME) -> Response:
    """Remember it, and go back to the page."""
    answer = lead(paths.inside(next))
    if language in LANGUAGES:
        cookies.put_language(answer, language)
    return answer
