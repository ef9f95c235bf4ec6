"""The pages over TLS before real records, in this process: with a clock that the test turns."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import uvicorn

from mailguard.net.tasks import Tasks
from mailguard.web.app import application
from mailguard.web.house import Held
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.web.browser import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Page

    from tests.support.certs import Issued
    from tests.web.conftest import Portal


class _Quiet(uvicorn.Server):
    """Leaves the signals of the test run alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Served:
    """A portal, and where a browser finds it."""

    portal: Portal
    origin: str
    held: Held

    def reload(self) -> None:
        """Serve by the portal as it is configured now."""
        self.held.house = replace(self.portal.house, origin=self.origin)

    async def sign_in(self, page: Page, second: str = "", *, name: str = ANN, password: str = PASSWORD) -> None:
        """Both pages, by clicking."""
        await page.goto(f"{self.origin}/sign-in")
        await page.get_by_label("Mail address").fill(name)
        await page.get_by_label("Password", exact=True).fill(password)
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_label("Code", exact=True).fill(second)
        await page.get_by_role("button", name="Sign in").click()

    async def come_in(self, page: Page) -> None:
        """With the next code of Ann's authenticator."""
        self.portal.hands.at += 30
        await self.sign_in(page, self.portal.digits())
        await page.get_by_role("button", name="Sign out").wait_for()


@contextlib.asynccontextmanager
async def serving_pages(portal: Portal, certificate: Issued) -> AsyncIterator[Served]:
    """Serve them, and stop."""
    tasks = Tasks()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        origin = f"https://{HOST}:{listening.getsockname()[1]}"
        held = Held(replace(portal.house, origin=origin))
        config = uvicorn.Config(
            application(held),
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
            yield Served(portal, origin, held)
        finally:
            server.should_exit = True
            await serving
