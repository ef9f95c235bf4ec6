"""The portal's parts, as they are put together from a configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType

import pytest

from mailguard import config, keyring
from mailguard.app.portal import Parts, counted_for, house_of
from mailguard.app.reload import left_out, reloaded
from mailguard.auth.attempt import MailProtocol
from mailguard.config import Login
from mailguard.config.connections import Server
from mailguard.observe.board import Meter

FORWARDERS = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/64"))
NOWHERE = Path("/nonexistent/master-secret")
MASTER = config.Backend(host="store.internal", login=Login.MASTER, master_user="guard", master_secret_file=NOWHERE)
OWN = config.Backend(host="store.internal")


def settings_in(folder: Path, **portal: object) -> config.Settings:
    return config.Settings(
        server=Server(hostname="mail.example.org"),
        store=config.settings.Records(url=f"sqlite:///{folder / 'mailguard.db'}"),
        keys=config.settings.Keys(file=folder / "keys.toml"),
        backend=MappingProxyType({"imap": MASTER, "submission": OWN}),
        portal=config.settings.Portal(**{"public_url": "https://Portal.example.org:8443", **portal}),  # type: ignore[arg-type]
    )


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    keyring.create(tmp_path / "keys.toml")
    opened = await Parts.open(settings_in(tmp_path))
    yield opened
    await opened.close()


async def test_the_house_answers_to_its_names_and_reads_no_masters_secret(tmp_path: Path, parts: Parts) -> None:
    house = house_of(settings_in(tmp_path), parts, Meter())
    assert house.hosts == {"portal.example.org", "mail.example.org"}
    assert house.origin == "https://portal.example.org:8443"
    assert house.desk.own == {MailProtocol.SUBMISSION}


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        pytest.param(("198.51.100.7", 1), ("198.51.100.7", 2), True, id="one client"),
        pytest.param(("198.51.100.7", 1), ("198.51.100.8", 2), False, id="two clients"),
        pytest.param(("2001:db8:1::1", 1), ("2001:db8:1::2", 2), True, id="one customer of a provider"),
        pytest.param(("192.0.2.7", 1), ("192.0.2.7", 2), False, id="two clients of a forwarder"),
        pytest.param(("2001:db8::7", 1), ("2001:db8::7", 2), False, id="two clients of another"),
    ],
)
def test_connections_are_counted_for_their_client(first: tuple[str, int], second: tuple[str, int], one: bool) -> None:
    assert (counted_for(first, FORWARDERS) == counted_for(second, FORWARDERS)) is one


def test_what_is_bound_stays_and_what_users_read_changes(tmp_path: Path) -> None:
    old = settings_in(tmp_path)
    new = settings_in(tmp_path, address="127.0.0.1:9999", user="www-data", support="ring 4711")
    taken = reloaded(old, new).portal
    assert (taken.address, taken.user, taken.support) == (old.portal.address, "", "ring 4711")
    assert left_out(old, new) == ["portal.address", "portal.user"]
    assert not left_out(old, old)
