"""The API as one application: its routes, its errors, its description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.responses import JSONResponse

from mailguard.web import paths
from mailguard.web.api import problems
from mailguard.web.api.door import Door
from mailguard.web.api.routes import (
    accounts,
    api_keys,
    app_passwords,
    audit,
    explain,
    factors,
    grants,
    overview,
    readiness,
    sessions,
    settings,
)

if TYPE_CHECKING:
    from fastapi.routing import APIRoute
    from starlette.types import ASGIApp

    from mailguard.web.house import Held

DESCRIPTION = """\
What administrators' pages and the command line do, for programs. Every request brings an API key
(`Authorization: Bearer mgk_…`), made by `mailguard api-key issue`; cookies are not looked at. `x-scopes` of an
operation names the scope that the key needs, `x-roles` the roles of which it needs one. Times are UTC (RFC 3339). No
answer holds what was sent, or a secret, except for the one-time secret that a request makes: it is the answer, once.
"""

NOUNS = (
    accounts,
    factors,
    app_passwords,
    grants,
    sessions,
    audit,
    explain,
    readiness,
    overview,
    settings,
    api_keys,
)


def application(held: Held) -> ASGIApp:
    """What is served under /api/v1."""
    return Door(routes(), held)


def routes() -> FastAPI:
    """The application behind the door."""
    api = FastAPI(
        title="mailguard",
        version="1",
        description=DESCRIPTION,
        servers=[{"url": paths.API}],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        responses=dict(problems.EVERYWHERE),
        generate_unique_id_function=_operation,
    )
    problems.install(api)
    for noun in NOUNS:
        api.include_router(noun.router)
    document = described(api)

    @api.get("/openapi.json", include_in_schema=False)
    async def own_description() -> JSONResponse:
        return JSONResponse(document)

    return api


def described(api: FastAPI) -> dict[str, Any]:
    """Its description (OpenAPI 3.1)."""
    document = api.openapi()
    parts = document["components"]
    parts["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key: `mgk_` and 28 characters."}
    }
    for left in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(left, None)
    return {**document, "security": [{"key": []}]}


def _operation(route: APIRoute) -> str:
    return route.name
