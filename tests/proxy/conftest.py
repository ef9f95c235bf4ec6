"""The submission front is tested on both event loops: each has its own TLS and its own idea of a closed transport."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.proxy.submission import Fronts, Store
from tests.support.certs import Authority, Issued

LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    return LOOPS if item.path.name.startswith("test_smtp_front") else None


@pytest.fixture
async def fronts(authority: Authority, localhost: Issued) -> AsyncIterator[Fronts]:
    """Makes submission ports before a store that takes letters."""
    async with Store().running() as store:
        yield Fronts(authority, localhost, store)
