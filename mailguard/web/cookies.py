"""The cookies of the portal: bound to this host, over TLS alone, out of every script's reach."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from mailguard.secret import Secret

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

SESSION, HALF, LANGUAGE = "__Host-mailguard", "__Host-mailguard-half", "__Host-mailguard-language"
CLAIM = "__Host-mailguard-claim"
TOKEN_BYTES = 32
_YEAR = 365 * 24 * 3600


def new_token() -> str:
    """For a session: 256 bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> bytes:
    """What is kept of it: of so many bits a plain hash is enough (NIST SP 800-63B-4 3.1.2.2)."""
    return hashlib.sha256(token.encode()).digest()


def form_token(cookie: str) -> str:
    """What every form of a session, or of a sign-in half done, brings along: another site can send a cookie, and
    cannot read it. "" where there is no cookie yet."""
    return hmac.digest(cookie.encode(), b"form", "sha256").hex() if cookie else ""


def once(cookie: str) -> Secret:
    """A secret of this browser's session for as long as its token holds, that shows in no page."""
    return Secret(hmac.digest(cookie.encode(), b"once", "sha256"))


def read(request: Request, name: str) -> str:
    """The cookie; "" where there is none."""
    return request.cookies.get(name, "")


def put(response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """Set one. Lax: a link in a letter leads to a page where one is still signed in; what changes anything asks for
    the form's token."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def put_language(response: Response, language: str) -> None:
    """Remember a choice."""
    put(response, LANGUAGE, language, seconds=_YEAR)


def drop(response: Response, name: str) -> None:
    """Forget one."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")
