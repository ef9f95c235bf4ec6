"""One Chromium for all tests of a process, and the event loop that it lives in.

Every test here runs in the session's loop: what speaks to the browser stays in the loop where it was started.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.chromium import missing, running_chromium
from tests.browser.served import Served, serving_pages
from tests.e2e.clients import absent
from tests.e2e.conftest import pytest_runtest_makereport
from tests.e2e.guard import Guard, serving
from tests.e2e.stack import Stack
from tests.support.certs import Issued
from tests.web.conftest import opened
from tests.web.portal.conftest import with_doors

__all__ = ["pytest_runtest_makereport"]  # the daemons' logs beside every failure, here too

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser: `-m "not e2e"` leaves it out. A busy machine takes its time over pictures."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("e2e")
            item.add_marker(pytest.mark.timeout(300))
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(localhost: Issued) -> AsyncIterator[Browser]:
    """A real browser."""
    if reason := missing():
        absent(reason)
    async with running_chromium(localhost) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(tmp_path_factory: pytest.TempPathFactory, localhost: Issued) -> AsyncIterator[Served]:
    """The pages before real records. Each test brings people of its own."""
    async with opened(tmp_path_factory.mktemp("pages")) as portal:
        portal.settings = with_doors(portal.settings)
        async with serving_pages(portal, localhost) as pages:
            yield pages


@pytest.fixture(scope="session")
def guard(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """The running guard with its portal. Users' own passwords open the store, so that each app password seals one."""
    with serving(stack, tmp_path_factory.mktemp("portal"), "own", portal=True) as running:
        yield running
