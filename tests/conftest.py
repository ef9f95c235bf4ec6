"""Fixtures that every test may use.

`pytestmark = pytest.mark.both_loops` in a module (or the mark on a test) runs its asynchronous tests and
fixtures on asyncio's event loop and again on uvloop's.
"""

import imaplib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.e2e.clients import absent
from tests.e2e.stack import Stack, missing, running_stack
from tests.support.certs import Authority, Issued
from tests.support.log import Started, logging_into_buffers
from tests.support.loops import ASYNCIO, BOTH, Loops

# A busy machine is not a bug: what must be quick has tests of its own that measure it.
settings.register_profile("mailguard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mailguard")

# xatom() allows a command it does not know only in the state of its first use, and that for the whole process.
imaplib.Commands["ID"] = ("NONAUTH", "AUTH", "SELECTED")


def pytest_asyncio_loop_factories(item: pytest.Item) -> Loops:
    return BOTH if item.get_closest_marker("both_loops") is not None else ASYNCIO


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A throw-away CA."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def localhost(authority: Authority) -> Issued:
    """A certificate for localhost, 127.0.0.1 and mail.example.org, issued by `authority`."""
    return authority.issue("localhost", "mail.example.org", "127.0.0.1", "::1")


@pytest.fixture(scope="session")
def stack(authority: Authority, localhost: Issued) -> Iterator[Stack]:
    """Real Dovecot and Postfix."""
    if reason := missing():
        absent(reason)
    with running_stack(authority, localhost) as running:
        yield running


@pytest.fixture
def started() -> Iterator[Started]:
    """Starts logging into a buffer; what was there before comes back afterwards."""
    with logging_into_buffers() as start:
        yield start
