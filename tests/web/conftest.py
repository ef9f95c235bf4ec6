"""The application before real records, with an identity source and a clock that the test turns."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailguard import config, keyring
from mailguard.app.bureau import bureau_of
from mailguard.auth.signin import SignIns
from mailguard.config.connections import Server
from mailguard.config.rules import Throttle
from mailguard.net.threads import Threads
from mailguard.store import Store
from mailguard.web import texts
from mailguard.web.app import application
from mailguard.web.house import Held, House
from tests.auth.test_authenticator import ANN, PASSWORD, Hands
from tests.auth.test_signin import Listening
from tests.desk.conftest import Office
from tests.web.browser import HOST, Browser, Page

if TYPE_CHECKING:
    from starlette.types import ASGIApp


@dataclass
class Portal(Office):
    """An office, with the pages before it."""

    settings: config.Settings = config.Settings()  # noqa: RUF009  (frozen)
    _served: tuple[Held, ASGIApp] | None = None  # made once: its hundred routes take a third of a second

    @property
    def house(self) -> House:
        return House(
            settings=self.settings,
            desk=self.desk,
            bureau=bureau_of(self.settings, self.store, self.ring, now=self.hands.now, beside=self.threads),
            sign_ins=SignIns(self.by, self.store.sign_ins, self.threads, self.creates),
            asking=lambda _origin, _session: self.directory,
            origin=f"https://{HOST}",
            hosts=frozenset({HOST}),
            discovery_hosts=frozenset({"autoconfig.example.org", "autodiscover.example.org", "example.org"}),
            texts=texts.load(),
        )

    def browser(self, address: str = "192.0.2.7", language: str = "en") -> Browser:
        """Somebody's browser. All are at the application as it is configured now, as after a reload."""
        if self._served is None:
            held = Held(self.house)
            self._served = held, application(held)
        held, app = self._served
        held.house = self.house
        return Browser(app, address, language)

    async def signed_in(self, second: str = "", *, password: str = PASSWORD) -> Browser:
        """The browser of Ann, who signed in with this second field."""
        browser = self.browser()
        page = await sign_in(browser, second, password=password)
        assert "__Host-mailguard" in browser.cookies, page.text
        return browser

    async def with_factor(self) -> Browser:
        """The browser of Ann, who has an authenticator and signed in with its code."""
        await self.enrol()
        return await self.signed_in(self.digits())


async def sign_in(browser: Browser, second: str = "", *, name: str = ANN, password: str = PASSWORD) -> Page:
    """Both pages, and where they lead."""
    await browser.fill("/sign-in", address=name, password=password)
    return await browser.fill("/sign-in/second", second=second)


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Portal]:
    """A portal with its files in `folder`."""
    ring, hands, threads = keyring.create(folder / "keys.toml"), Hands(), Threads()
    store = await Store.open(f"sqlite:///{folder / 'mailguard.db'}", ring, now=hands.now)
    settings = config.Settings(server=Server(hostname=HOST), throttle=Throttle(failure_delay=0.0))
    yield Portal(store, ring, hands, Listening(), threads, settings=settings)
    await store.close()
    threads.close()


@pytest.fixture
async def portal(tmp_path: Path) -> AsyncIterator[Portal]:
    async with opened(tmp_path) as portal:
        yield portal
