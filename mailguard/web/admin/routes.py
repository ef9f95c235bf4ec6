"""All pages of administrators."""

from __future__ import annotations

from fastapi import APIRouter

from mailguard.web.admin import account, accounts, audit, issuing, overview, policy, sessions

router = APIRouter()
for _pages in (overview, accounts, issuing, account, sessions, audit, policy):
    router.include_router(_pages.router)
