"""All pages of administrators."""

from __future__ import annotations

from fastapi import APIRouter

from mailguard.web.admin import account, accounts, audit, importing, issuing, keys, overview, policy, sessions

router = APIRouter()
for _pages in (overview, importing, accounts, issuing, account, sessions, audit, policy, keys):
    router.include_router(_pages.router)
