"""Programs that bring keys to the API, before real records."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from mailguard.admin import keys
from mailguard.admin.acting import operator
from mailguard.auth.roles import Role, RoleLimit, Scope
from mailguard.net.listener import Lobby
from mailguard.web.app import application
from mailguard.web.house import Held
from mailguard.web.server import HttpServer
from tests.auth.test_signin import OPERATOR
from tests.support.streams import Tls, listening
from tests.web.browser import Browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.certs import Authority, Issued
    from tests.web.browser import Page
    from tests.web.conftest import Portal

ALL = frozenset(Scope)


@dataclass
class Program:
    """Somebody's program."""

    browser: Browser
    key: str
    key_id: str

    async def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Page:
        """One request; `body` is sent as JSON where there is one."""
        told = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers}
        sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.browser.send(method, f"/api/v1{path}", sent, told)

    async def read(self, path: str) -> Any:
        """What stands there."""
        page = await self("GET", path)
        assert page.status == 200, page.text
        return json.loads(page.text)


async def program_of(
    portal: Portal, role: Role = Role.OWNER, scopes: frozenset[Scope] = ALL, limit: str = ""
) -> Program:
    """A program with a new key that an operator made."""
    how = {"seconds": 3600.0, "scopes": scopes, "role": role, "limit": RoleLimit.parse(limit)}
    made = await keys.issue(portal.house.bureau, operator(OPERATOR), "report", **how)  # type: ignore[arg-type]
    browser = Browser(application(Held(portal.house)))
    return Program(browser, made.secret.reveal().decode(), made.row.id)


@pytest.fixture
async def owner(portal: Portal) -> Program:
    """May do whatever a key may."""
    return await program_of(portal)


@dataclass(frozen=True)
class Site:
    """The API behind its own server, at a port of this machine."""

    portal: str
    key: str
    ca: Path


@pytest.fixture
async def site(portal: Portal, authority: Authority, localhost: Issued) -> AsyncIterator[Site]:
    tls, sock = Tls.of(authority, localhost), listening()
    server = HttpServer(
        sock,
        application(Held(replace(portal.house, hosts=frozenset({"localhost"})))),
        context=lambda: tls.server,
        network=lambda peer: peer[0],
        lobby=Lobby(overall=100, per_network=100),
    )
    server.start()
    key = (await program_of(portal)).key
    yield Site(f"https://localhost:{sock.getsockname()[1]}", key, authority.ca)
    await server.stop(0)
