"""Fixtures that every test may use.

`pytestmark = pytest.mark.both_loops` in a module (or the mark on a test) runs its asynchronous tests and
fixtures on asyncio's event loop and again on uvloop's.
"""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.support.certs import Authority, Issued


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_loops: runs on asyncio's event loop and on uvloop's")


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.get_closest_marker("both_loops") is not None:
        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A throw-away CA."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def localhost(authority: Authority) -> Issued:
    """A certificate for localhost, 127.0.0.1 and mail.example.org, issued by `authority`."""
    return authority.issue("localhost", "mail.example.org", "127.0.0.1", "::1")
