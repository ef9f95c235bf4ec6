"""What the API says where it does not do as asked. Never what was sent: it may hold a secret."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from mailguard.admin.bureau import NotAllowed
from mailguard.auth.ports import StoreUnavailable
from mailguard.store import Absent, ChangeRefused
from mailguard.store.errors import KeyEnded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

log = logging.getLogger("mailguard.web")

NO_KEY = "bring an API key that is in force: Authorization: Bearer mgk_…"
NOT_THERE = "what this names is not there"
IN_TROUBLE = "the records cannot be read or written now: try again later"
FAILED = "something went wrong here"
CHALLENGE = {"www-authenticate": 'Bearer realm="mailguard"'}


class Problem(BaseModel):
    """Why something was not done."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"error": NOT_THERE, "field": ""}]})

    error: str = Field(description="One line for whoever reads the program's log.")
    field: str = Field("", description="Where what was sent does not fit, such as `body.networks.0`; else empty.")


class Refusal(Exception):
    """What a route itself finds wrong in what was sent. `field` as Problem has it."""

    def __init__(self, error: str, field: str) -> None:
        super().__init__(error)
        self.field = field


def said(status: int, error: str, field: str = "", headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem as an answer."""
    return JSONResponse(Problem(error=error, field=field).model_dump(), status, headers=headers)


def install(api: FastAPI) -> None:
    """Let these words stand for every error of the application."""
    api.exception_handler(ChangeRefused)(_refused)
    api.exception_handler(StoreUnavailable)(_unavailable)
    api.exception_handler(RequestValidationError)(_not_understood)
    api.exception_handler(Refusal)(_wrong)
    api.exception_handler(HTTPException)(_http)
    api.exception_handler(Exception)(_fault)


async def _refused(_: Request, refused: Exception) -> Response:
    match refused:
        case NotAllowed():
            return said(403, str(refused))
        case Absent():
            return said(404, NOT_THERE)
        case KeyEnded():
            return no_key()
        case _:
            return said(409, str(refused))


def no_key() -> JSONResponse:
    """The one answer to whoever brings no key, a wrong one, and one that has ended."""
    return said(401, NO_KEY, headers=CHALLENGE)


def unavailable(error: StoreUnavailable) -> JSONResponse:
    """The records are in trouble."""
    log.error("a request of the API could not be answered", extra={"detail": str(error)})
    return said(503, IN_TROUBLE)


async def _unavailable(_: Request, error: Exception) -> Response:
    assert isinstance(error, StoreUnavailable)
    return unavailable(error)


async def _not_understood(_: Request, wrong: Exception) -> Response:
    assert isinstance(wrong, RequestValidationError)
    first: Mapping[str, Any] = wrong.errors()[0]
    where = first["loc"][:-1] if first["type"] == "extra_forbidden" else first["loc"]
    if first["type"] == "json_invalid":
        where = ("body",)
    return said(422, str(first["msg"]), ".".join(str(each) for each in where))


async def _wrong(_: Request, wrong: Exception) -> Response:
    assert isinstance(wrong, Refusal)
    return said(422, str(wrong), wrong.field)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # FastAPI's, of a body that is no UTF-8, or nested without end
        return said(422, "this is no JSON", "body")
    words = NOT_THERE if error.status_code == 404 else error.detail
    return said(error.status_code, words, headers=error.headers)


async def _fault(_: Request, error: Exception) -> Response:
    if isinstance(error, ClientDisconnect):
        raise error
    log.error("a request of the API failed", exc_info=error)
    return said(500, FAILED)


def _words(status: int, what: str) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": f"{HTTPStatus(status).phrase}: {what}"}}


EVERYWHERE = {
    **_words(401, "no key, a wrong one, or one that has ended; the answer is the same."),
    **_words(403, "the key's scopes, role or limit do not let it."),
    **_words(404, "what is named is not there."),
    **_words(422, "what was sent does not fit; `field` says where. It is not repeated in the answer."),
    **_words(500, "a fault of the guard; its log says which."),
    **_words(503, "the records cannot be read or written now; nothing was done."),
}
CHANGES = {
    **_words(409, "it cannot be done as things stand; `error` says why and what to do."),
    **_words(413, "more than 64 KiB were sent; to the import, more than 4 MiB."),
}
