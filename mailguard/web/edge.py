"""What every request goes through before a page sees it, and every answer before it leaves. Plain ASGI.

host → where it comes from → how it is written → how long it is → the page → headers
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from mailguard.observe.families import REQUESTS
from mailguard.web import paths

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mailguard.web.house import Held, House

log = logging.getLogger("mailguard.web")

FORM_OCTETS = 64 * 1024
IMPORT_OCTETS = 4 * 1024 * 1024
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "strict-transport-security": "max-age=31536000",
}


class Edge:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, held: Held) -> None:
        self._app = app
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._held.house.meter.add(REQUESTS, f"{message['status'] // 100}xx")
                _dress(MutableHeaders(scope=message), fixed=_fixed(scope, message))
            await send(message)

        try:
            _demand(scope, self._held.house)
            await self._app(scope, _bounded(scope, receive), dressed)
        except HTTPException as refused:
            if not started:
                await _say(refused, dressed)
        except ClientDisconnect:
            log.debug("a client left in the middle of its request")
        except Exception:  # told by the handler of faults already, unless that failed itself
            if not started:
                log.exception("no page could be made to tell of a fault")
                await _say(HTTPException(500, "Something went wrong here."), dressed)


def _fixed(scope: Scope, message: Message) -> bool:
    """Is it part of what we come with, the same for everybody?"""
    return str(scope["path"]).startswith(paths.STATIC) and message["status"] == 200


def _dress(headers: MutableHeaders, *, fixed: bool) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if not fixed:
        headers.setdefault("cache-control", "no-store")


def _demand(scope: Scope, house: House) -> None:
    headers, path = Headers(scope=scope), str(scope["path"])
    if "transfer-encoding" in headers and "content-length" in headers:
        # A forwarder may have read otherwise where the body ends (RFC 9112 §6.3): nothing behind it is taken.
        raise HTTPException(400, "A body has one length.")
    host = headers.get("host", "")
    name = _name(host)
    if name not in house.hosts and not (paths.discovers(path) and name in house.discovery_hosts):
        raise HTTPException(421, "This server does not go by that name.")
    if scope["method"] in SAFE or paths.discovers(path) or paths.is_api(path):
        return  # programs bring no cookie, and none is looked at there
    if not _same_origin(headers, house, host):
        raise HTTPException(403, "This form came from another site.")
    if not _is_form(headers, path):
        raise HTTPException(415, "A form is sent as application/x-www-form-urlencoded.")


def _is_form(headers: Headers, path: str) -> bool:
    """Ours are encoded in the one way, but for those that bring files. The other one lets whoever sends it choose among
    all of Python's codecs for what they typed, and some of them make text that can be neither kept nor compared."""
    sent, _, said = headers.get("content-type", "").lower().partition(";")
    if paths.takes_files(path) and sent.strip() == "multipart/form-data":
        return "charset=" not in said.replace(" ", "")
    return sent.strip() == "application/x-www-form-urlencoded"


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _same_origin(headers: Headers, house: House, host: str) -> bool:
    ours = {house.origin, f"https://{host}"}
    if (origin := headers.get("origin")) is not None:
        return origin in ours
    if (site := headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    parts = urlsplit(headers.get("referer", ""))
    return f"{parts.scheme}://{parts.netloc}" in ours


def _bounded(scope: Scope, receive: Receive) -> Receive:
    most = IMPORT_OCTETS if paths.takes_files(str(scope["path"])) else FORM_OCTETS
    come = 0

    async def bounded() -> Message:
        nonlocal come
        message = await receive()
        come += len(message.get("body", b""))
        if come > most:
            raise HTTPException(413, f"That is more than {most} octets.")
        return message

    return bounded


async def _say(refused: HTTPException, send: Send) -> None:
    body = (refused.detail + "\n").encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refused.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
