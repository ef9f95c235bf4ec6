"""The pages over TLS before real records, in this process: with a clock that the test turns."""

from __future__ import annotations

import contextlib
import secrets
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyotp
import uvicorn
from starlette.responses import HTMLResponse

from mailguard.auth import recovery, totp
from mailguard.auth.accounts import AccountName, CodeKind
from mailguard.auth.attempt import Client, Factor, MailProtocol
from mailguard.auth.authenticator import new_session_id
from mailguard.net.tasks import Tasks
from mailguard.secret import Secret
from mailguard.store.sessions import SessionRow
from mailguard.web.app import application
from mailguard.web.cookies import SESSION
from mailguard.web.house import Held
from tests.auth.test_signin import OPERATOR
from tests.browser.chromium import ELSEWHERE
from tests.web.browser import HOST
from tests.web.conftest import sign_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from playwright.async_api import Page
    from starlette.types import ASGIApp, Receive, Scope, Send

    from mailguard.auth.policy import Policy
    from tests.support.certs import Issued
    from tests.web.conftest import Portal


class _Quiet(uvicorn.Server):
    """Leaves the signals of the test run alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Someone:
    """A person whom no other test knows."""

    name: str
    password: str
    seed: Secret  # of the authenticator, where there is one


@dataclass(frozen=True, slots=True)
class Served:
    """A portal, and where a browser finds it."""

    portal: Portal
    origin: str
    held: Held

    def someone(self, name: str = "") -> Someone:
        """A person with a password, and nothing else yet. Those who are to be in pictures have a `name`."""
        address = f"{name or 'p' + secrets.token_hex(4)}@example.org"
        made = Someone(address, secrets.token_hex(8), totp.new_seed())
        self.portal.directory.passwords[made.name] = made.password
        return made

    async def enrolled(self, name: str = "", **account: Any) -> Someone:
        """A person with an authenticator."""
        made, store = self.someone(name), self.portal.store
        await store.accounts.add(AccountName(made.name), actor=OPERATOR, **account)
        device = await store.devices.enrol(AccountName(made.name), "phone", made.seed, actor=OPERATOR)
        await store.devices.confirm(device.id, 1, actor=OPERATOR)
        return made

    def code(self, who: Someone) -> str:
        """What the authenticator shows next."""
        self.portal.hands.at += 30
        return pyotp.TOTP(who.seed.reveal().decode()).at(int(self.portal.hands.at))

    async def recovery_code(self, who: Someone) -> str:
        """One that is good."""
        made = recovery.make(1)
        await self.portal.store.codes.issue(AccountName(who.name), CodeKind.RECOVERY, made, actor=OPERATOR)
        return recovery.grouped(made.codes[0])

    async def sign_in(self, page: Page, who: Someone, second: str) -> None:
        """Both pages, by clicking."""
        await page.goto(f"{self.origin}/sign-in")
        await fill_in(page, who, second)

    async def come_in(self, page: Page, who: Someone) -> None:
        """With the next code; without clicking, for whatever comes behind it."""
        unseen = self.portal.browser()
        await sign_in(unseen, self.code(who), name=who.name, password=who.password)
        await plant(page, self.origin, unseen.cookies[SESSION])
        await page.goto(self.origin)

    async def connected(self, who: Someone, client: str) -> None:
        """A mail program of theirs is in with the newest app password, and named itself."""
        store = self.portal.store
        password = (await store.app_passwords.list(AccountName(who.name)))[-1]
        session = SessionRow(
            id=new_session_id(),
            account=who.name,
            protocol=MailProtocol.IMAP,
            address="203.0.113.9",
            port=40001,
            pid=1,
            factor=Factor.APP_PASSWORD,
            credential=password.id,
            device="",
            grant="",
            client="",
            started_at=self.portal.hands.at,
            seen_at=self.portal.hands.at,
        )
        await store.sessions.opened([session])
        await store.sessions.named(session.id, Client(client))

    @contextlib.contextmanager
    def under(self, policy: Policy) -> Iterator[None]:
        """Serve by another policy for a while, as after a reload."""
        before, self.portal.policy = self.portal.policy, policy
        self.held.house = replace(self.portal.house, origin=self.origin)
        try:
            yield
        finally:
            self.portal.policy = before
            self.held.house = replace(self.portal.house, origin=self.origin)


async def plant(page: Page, origin: str, token: str) -> None:
    """Give a browser a session's cookie."""
    await page.context.add_cookies([{"name": SESSION, "value": token, "url": origin, "secure": True}])


async def seed_shown(page: Page, who: Someone) -> Someone:
    """Who that is with the key on the page in an app."""
    key = await page.locator("#key").text_content() or ""
    return replace(who, seed=Secret(key.replace(" ", "").encode()))


async def fill_in(page: Page, who: Someone, second: str) -> None:
    """Both pages of a sign-in, from where the first is open."""
    await page.get_by_label("Mail address").fill(who.name)
    await page.get_by_label("Password", exact=True).fill(who.password)
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_label("Code", exact=True).fill(second)
    await page.get_by_role("button", name="Sign in").click()


@contextlib.asynccontextmanager
async def serving_pages(portal: Portal, certificate: Issued) -> AsyncIterator[Served]:
    """Serve them, and stop."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        origin = f"https://{HOST}:{listening.getsockname()[1]}"
        held = Held(replace(portal.house, origin=origin))
        async with _serving(application(held), listening, certificate):
            yield Served(portal, origin, held)


@contextlib.asynccontextmanager
async def another_site(certificate: Issued, pages: Mapping[str, str]) -> AsyncIterator[str]:
    """Somebody else's pages, by path; its origin."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await HTMLResponse(pages.get(scope["path"], ""))(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with _serving(app, listening, certificate):
            yield f"https://{ELSEWHERE}:{listening.getsockname()[1]}"


@contextlib.asynccontextmanager
async def _serving(app: ASGIApp, listening: socket.socket, certificate: Issued) -> AsyncIterator[None]:
    tasks = Tasks()
    config = uvicorn.Config(
        app,
        ssl_certfile=certificate.certificate,
        ssl_keyfile=str(certificate.key),
        lifespan="off",
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=1,
    )
    server = _Quiet(config)
    serving = tasks.spawn(server.serve([listening]), name="pages")
    try:
        yield
    finally:
        server.should_exit = True
        await serving
