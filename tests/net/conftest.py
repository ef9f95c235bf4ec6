"""Fixtures of the net room."""

import logging
from collections.abc import Iterator

import pytest

from mailguard.net import closing
from tests.support.certs import Authority, Issued
from tests.support.streams import Tls


@pytest.fixture(scope="session")
def tls(authority: Authority, localhost: Issued) -> Tls:
    """Contexts of a server and of clients that trust it."""
    return Tls.of(authority, localhost)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A close waits for a peer that does nothing only so long as a test can."""
    monkeypatch.setattr(closing, "PATIENCE", 0.2)


@pytest.fixture(autouse=True)
def quiet_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No test of this room may make the event loop complain: port scans would fill the log."""
    yield
    records = (*caplog.get_records("setup"), *caplog.get_records("call"))
    complaints = [r.getMessage() for r in records if r.name == "asyncio" and r.levelno >= logging.WARNING]
    assert not complaints
