"""The submission front is tested on both event loops: each has its own TLS and its own idea of a closed transport."""

from collections.abc import AsyncIterator

import pytest

from tests.proxy.submission import Fronts, Store
from tests.support.certs import Authority, Issued
from tests.support.loops import BOTH, Loops


def pytest_asyncio_loop_factories(item: pytest.Item) -> Loops | None:
    return BOTH if item.path.name.startswith("test_smtp_front") else None


@pytest.fixture
async def fronts(authority: Authority, localhost: Issued) -> AsyncIterator[Fronts]:
    """Makes submission ports before a store that takes letters."""
    async with Store().running() as store:
        yield Fronts(authority, localhost, store)
