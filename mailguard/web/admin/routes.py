"""All pages of administrators."""

from __future__ import annotations

from fastapi import APIRouter

from mailguard.web.admin import overview

router = APIRouter()
for _pages in (overview,):
    router.include_router(_pages.router)
