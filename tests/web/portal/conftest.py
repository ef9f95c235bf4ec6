"""What the pages of devices speak about: doors, and stores behind them."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from mailguard.config import Settings
from mailguard.config.choices import ProtocolName, TlsMode
from mailguard.config.connections import Backend, Listen
from tests.web.conftest import Portal


def with_doors(settings: Settings) -> Settings:
    """The settings of a guard that serves reading and sending."""
    doors = (
        Listen(protocol=ProtocolName.IMAP, address="0.0.0.0:993", tls=TlsMode.IMPLICIT),
        Listen(protocol=ProtocolName.SUBMISSION, address="0.0.0.0:465", tls=TlsMode.IMPLICIT),
        Listen(protocol=ProtocolName.SUBMISSION, address="0.0.0.0:587", tls=TlsMode.STARTTLS),
    )
    stores = MappingProxyType({"imap": Backend(), "submission": Backend()})
    return replace(settings, listen=doors, backend=stores)


@pytest.fixture
def offering(portal: Portal) -> Portal:
    """A portal whose guard serves reading and sending."""
    portal.settings = with_doors(portal.settings)
    return portal
