"""Where mail programs come: no session, no cookie, nothing about an account, and no line in the log."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mailguard.web.discovery import apple, autoconfig, autodiscover, pox
from mailguard.web.discovery.offer import NotOffered, offer
from mailguard.web.discovery.signature import CannotSign, signer

if TYPE_CHECKING:
    from mailguard.config import Settings
    from mailguard.web.discovery.offer import Offer
    from mailguard.web.house import House

APPLE = "/apple.mobileconfig"

_AN_HOUR = {"cache-control": "public, max-age=3600"}  # the same for everybody who asks at this host


class _AnyCase(Convertor[str]):
    """The path that each version of Outlook spells as it likes."""

    regex = r"(?i:autodiscover/autodiscover\.xml)"

    def convert(self, value: str) -> str:
        return value


register_url_convertor("autodiscover", _AnyCase())

router = APIRouter(include_in_schema=False)


@router.api_route(autoconfig.PATHS[0], methods=["GET", "HEAD"])
@router.api_route(autoconfig.PATHS[1], methods=["GET", "HEAD"])
async def mozilla(request: Request) -> Response:
    """Autoconfig. What stands behind the question mark is not looked at: it is somebody's address."""
    house = _house(request)
    told, domain = _told(request)
    words = {language: texts("discovery.help") for language, texts in house.texts.items()}
    try:
        document = autoconfig.config(told, domain, words)
    except NotOffered:
        raise HTTPException(404) from None
    return Response(document, media_type=autoconfig.MEDIA_TYPE, headers=_AN_HOUR)


@router.post("/{spelled:autodiscover}")
async def outlook(request: Request) -> Response:
    """Autodiscover. Never 401: the program would send the password, and Thunderbird sends it unasked."""
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > pox.BODY_MAX:
                raise HTTPException(413)
        question = pox.read(body)
    except (pox.Unreadable, ClientDisconnect):
        raise HTTPException(400) from None
    document = autodiscover.answer(offer(_house(request).settings), question, datetime.now(UTC))
    return Response(document, media_type=autodiscover.MEDIA_TYPE)


@router.get(APPLE)
def iphone(request: Request) -> Response:
    """The profile without a password, for whoever has been given one. In a thread: signing takes a millisecond."""
    told, domain = _told(request)
    try:
        profile = apple.public_profile(told, domain)
    except NotOffered:
        raise HTTPException(404) from None
    return as_profile(_house(request).settings, profile, domain)


def as_profile(settings: Settings, profile: bytes, domain: str) -> Response:
    """A profile as an answer, signed where the portal's certificate can sign. Reads files: call it in a thread."""
    with suppress(CannotSign):  # then the device says that it is not verified, and installs it
        profile = signer(settings.tls.certificate, settings.tls.private_key).sign(profile)
    headers = {"content-disposition": f'attachment; filename="{apple.file_name(domain)}"'}
    return Response(profile, media_type=apple.MEDIA_TYPE, headers=headers)


def _house(request: Request) -> House:
    house: House = request.app.state.held.house
    return house


def _told(request: Request) -> tuple[Offer, str]:
    told = offer(_house(request).settings)
    domain = told.domain_at(request.url.hostname or "")
    if domain is None:
        raise HTTPException(404)
    return told, domain
