"""The application: routers, what goes around them, and what is said where something goes wrong."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from mailguard.admin.bureau import NotAllowed
from mailguard.auth.ports import StoreUnavailable
from mailguard.store import ChangeRefused, FreshNeeded, MadeAlready
from mailguard.web import paths
from mailguard.web.admin import routes as admin
from mailguard.web.api.application import application as api
from mailguard.web.discovery import routes as discovery
from mailguard.web.edge import Edge
from mailguard.web.elsewhere import Elsewhere, lead
from mailguard.web.page import render
from mailguard.web.portal import (
    add_device,
    claim,
    devices,
    handouts,
    history,
    home,
    language,
    passkeys,
    recovery_codes,
    security,
    set_up,
    sign_in,
)
from mailguard.web.visit import FormRefused

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from mailguard.web.house import Held

log = logging.getLogger("mailguard.web")

_SAID = (400, 403, 404, 405, 413, 503)  # that have words of their own


def application(held: Held) -> ASGIApp:
    """Everything behind the portal's address."""
    app = FastAPI(title="mailguard", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.held = held
    app.mount(paths.STATIC.rstrip("/"), StaticFiles(directory=Path(__file__).with_name("static")))
    for pages in (
        admin,
        home,
        language,
        sign_in,
        passkeys,
        add_device,
        devices,
        handouts,
        claim,
        set_up,
        recovery_codes,
        security,
        history,
        discovery,
    ):
        app.include_router(pages.router)
    app.mount(paths.API, api(held))
    app.exception_handler(Elsewhere)(_elsewhere)
    app.exception_handler(FormRefused)(_form_refused)
    app.exception_handler(FreshNeeded)(_fresh_needed)
    app.exception_handler(NotAllowed)(_not_allowed)
    app.exception_handler(MadeAlready)(_made_already)
    app.exception_handler(ChangeRefused)(_change_refused)
    app.exception_handler(StoreUnavailable)(_unavailable)
    app.exception_handler(RequestValidationError)(_not_understood)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(Exception)(_fault)
    return Edge(app, held)


def trouble(request: Request, status: int, detail: str = "") -> Response:
    """A page, or an object for programs, that says what is wrong. Never what was sent: it may hold a secret."""
    if paths.is_api(request.url.path):
        return JSONResponse({"error": detail or _word(status)}, status_code=status)
    return render(request, "trouble.html", status=status, kind=str(status if status in _SAID else 500), detail=detail)


def _word(status: int) -> str:
    return {400: "not understood", 404: "not found", 405: "not allowed here"}.get(status, "trouble here")


async def _elsewhere(_: Request, exception: Exception) -> Response:
    assert isinstance(exception, Elsewhere)
    return lead(exception.path)


async def _form_refused(request: Request, _: Exception) -> Response:
    return trouble(request, 403)


async def _change_refused(request: Request, exception: Exception) -> Response:
    return trouble(request, 400, str(exception))


async def _fresh_needed(request: Request, _: Exception) -> Response:
    """Sign in again, then back to the page whose form it was: what was asked is not done behind somebody's back."""
    if request.method == "GET":
        return lead(paths.AGAIN, next=paths.inside(request.url.path))
    house = request.app.state.held.house
    came = urlsplit(request.headers.get("referer", ""))
    ours = f"{came.scheme}://{came.netloc}" in (house.origin, f"https://{request.headers.get('host', '')}")
    back = paths.inside(came.path + (f"?{came.query}" if came.query else "")) if ours else paths.SECURITY
    return lead(paths.AGAIN, next=back)


async def _not_allowed(request: Request, exception: Exception) -> Response:
    assert isinstance(exception, NotAllowed)
    if paths.is_api(request.url.path):
        return trouble(request, 403, str(exception))
    return render(request, "admin_refused.html", status=403, why=exception.why.name.lower())


async def _made_already(request: Request, _: Exception) -> Response:
    return render(request, "admin_made_already.html", status=409)


async def _unavailable(request: Request, exception: Exception) -> Response:
    log.error("a page could not be made", extra={"detail": str(exception)})
    return trouble(request, 503)


async def _not_understood(request: Request, _: Exception) -> Response:
    return trouble(request, 400)


async def _http(request: Request, exception: Exception) -> Response:
    assert isinstance(exception, HTTPException)
    answer = trouble(request, exception.status_code)
    answer.headers.update(exception.headers or {})
    return answer


async def _fault(request: Request, exception: Exception) -> Response:
    if isinstance(exception, ClientDisconnect):
        raise exception
    log.error("a page failed", exc_info=exception)
    return trouble(request, 500)
