"""Ways around the guard, as they are seen from where it stands."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mailguard import config
from mailguard.checks import Level
from mailguard.checks.doors import doors
from mailguard.config import Settings
from tests.checks.conftest import Site
from tests.support.hostile_store import HostileStore, ImapStore, SubmissionStore


@pytest.fixture
def settings(site: Site) -> Settings:
    """The guard and its store share one machine, whose name is met on loopback here."""
    read = config.load(site.write())
    return replace(read, server=replace(read.server, hostname="127.0.0.1"))


@pytest.fixture
def imap() -> Iterator[HostileStore]:
    with HostileStore(ImapStore()) as store:
        yield store


async def test_a_port_of_the_store_that_we_do_not_use_is_found(settings: Settings, imap: HostileStore) -> None:
    (found,) = await doors(settings, {imap.port: "IMAP"}, exchange=1)
    assert found.level is Level.WARN
    assert f"127.0.0.1 answers on {imap.port} (IMAP), seen from here" in found.what
    assert "nc -vz" in found.remedy


async def test_the_way_that_the_guard_itself_takes_is_none(settings: Settings) -> None:
    port = settings.backend["imap"].port
    (found,) = await doors(settings, {port: "IMAP", 1: "nothing"}, exchange=1)
    assert found.level is Level.OK


@pytest.mark.parametrize("offers", [True, False])
async def test_a_login_beside_letters_from_outside_is_found(settings: Settings, offers: bool) -> None:
    keywords = ("PIPELINING", "AUTH PLAIN LOGIN") if offers else ("PIPELINING",)
    with HostileStore(SubmissionStore(keywords=keywords)) as exchange:
        port = exchange.port
        found = await doors(settings, {}, port)
    assert [each.level for each in found] == [Level.WARN, Level.OK][0 if offers else 1 :]
    assert not offers or f"takes logins on port {port}" in found[0].what
