"""As much HTTP as monitoring needs: one request for a page, one answer, then the connection ends. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

HEAD_MOST: Final = 8 * 1024  # octets of a request: a monitor sends some 200
END: Final = b"\r\n\r\n"

_REQUEST: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (/[!-~]*) HTTP/1\.[01]")  # RFC 9112 §3
_PHRASES: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
ALIVE: Final = "mailguard is up\n"
"""What /healthz says. `check` knows it by that."""
_PLAIN: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered."""

    body: str
    status: int = 200
    content_type: str = _PLAIN


Pages = Mapping[str, Callable[[], Page]]
"""By path."""


def answer(request: bytes, pages: Pages) -> bytes:
    """The whole answer to what came up to the empty line, or to as much as was read of it."""
    head, end, _ = request.partition(END)
    if not end:
        return _said(Page("too long\n", 431) if len(request) >= HEAD_MOST else Page("not understood\n", 400))
    match = _REQUEST.fullmatch(head.partition(b"\r\n")[0])
    if match is None:
        return _said(Page("not understood\n", 400))
    method, path = match[1].decode(), match[2].decode().partition("?")[0]
    if method not in ("GET", "HEAD"):
        return _said(Page("GET and HEAD alone\n", 405))
    page = pages[path]() if path in pages else Page("not found\n", 404)
    return _said(page, bodiless=method == "HEAD")


def _said(page: Page, *, bodiless: bool = False) -> bytes:
    body = page.body.encode()
    lines = [
        f"HTTP/1.1 {page.status} {_PHRASES[page.status]}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if page.status == 405:
        lines.append("Allow: GET, HEAD")
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if bodiless else body)
