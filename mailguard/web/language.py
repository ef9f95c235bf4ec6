"""The language of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.web import cookies, texts

if TYPE_CHECKING:
    from starlette.requests import Request


def language_of(request: Request) -> str:
    """What was chosen once, else what the browser asks for."""
    return texts.chosen(cookies.read(request, cookies.LANGUAGE), request.headers.get("accept-language", ""))
