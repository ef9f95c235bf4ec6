"""Both event loops, and targets that lead to scripted stores."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import MailProtocol, Origin
from mailguard.backends.target import Caller, Target
from mailguard.config import TlsMode
from mailguard.net.tls import client_context
from mailguard.secret import Secret
from tests.support.certs import Authority, Issued
from tests.support.hostile_store import HostileStore, Script
from tests.support.loops import BOTH, Loops

ANN = AccountName("ann@example.org")
PASSWORD = Secret(b"secret")
CALLER = Caller(Origin.of("203.0.113.7", 50111), "mg-7f3a", "laptop.example")


def pytest_asyncio_loop_factories() -> Loops:
    """Every test of this room runs on both loops."""
    return BOTH


Opened = AbstractContextManager[tuple[HostileStore, Target]]


class Stores:
    """Opens scripted stores and gives the target that leads to each."""

    def __init__(self, authority: Authority, certificate: Issued) -> None:
        self._certificate = certificate
        self._context = client_context(authority.ca)

    def imap(self, script: Script, tls: TlsMode = TlsMode.IMPLICIT, **changes: Any) -> Opened:
        """An IMAP store with `script`."""
        return self.open(MailProtocol.IMAP, script, tls, **changes)

    def submission(self, script: Script, tls: TlsMode = TlsMode.IMPLICIT, **changes: Any) -> Opened:
        """A submission store with `script`."""
        return self.open(MailProtocol.SUBMISSION, script, tls, **changes)

    @contextmanager
    def open(
        self, protocol: MailProtocol, script: Script, tls: TlsMode = TlsMode.IMPLICIT, **changes: Any
    ) -> Iterator[tuple[HostileStore, Target]]:
        """A store with `script`, and the target that leads to it."""
        certificate = None if tls is TlsMode.NONE else changes.pop("certificate", self._certificate)
        with HostileStore(script, certificate=certificate, implicit=tls is TlsMode.IMPLICIT) as store:
            way: dict[str, Any] = {
                "host": "localhost",
                "port": store.port,
                "tls": tls,
                "hostname": "mail.example.org",
                "context": None if tls is TlsMode.NONE else self._context,
            }
            yield store, Target(protocol=protocol, **(way | changes))


@pytest.fixture
def stores(authority: Authority, localhost: Issued) -> Stores:
    """Opens scripted stores."""
    return Stores(authority, localhost)
