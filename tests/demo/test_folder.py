"""The demo's folder: what the guard is given to read."""

import socket
import stat
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.config import LogFormat, Login, TlsMode, load
from mailguard.demo.folder import Folder, Ports, StorePorts

PORTS = Ports(imaps=21993, imap=21143, submissions=21465, submission=21587)
STORE = StorePorts(password=31001, relay=31002, submission=31003)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.configure(PORTS, STORE)
    return folder


def test_the_guard_reads_the_configuration_as_it_is_meant(folder: Folder) -> None:
    settings = load(folder.configuration)
    assert [(door.protocol, door.address, door.tls) for door in settings.listen] == [
        ("imap", "127.0.0.1:21993", TlsMode.IMPLICIT),
        ("imap", "127.0.0.1:21143", TlsMode.STARTTLS),
        ("submission", "127.0.0.1:21465", TlsMode.IMPLICIT),
        ("submission", "127.0.0.1:21587", TlsMode.STARTTLS),
    ]
    assert {backend.login for backend in settings.backend.values()} == {Login.MASTER}
    assert settings.observe.log is LogFormat.TEXT


def test_passwords_are_asked_at_another_door_than_sessions_are_relayed_to(folder: Folder) -> None:
    settings = load(folder.configuration)
    assert settings.identity.backend is not None
    assert settings.identity.backend.port == STORE.password
    assert settings.backend["imap"].port == STORE.relay


def test_what_is_secret_is_readable_by_its_owner_alone(folder: Folder) -> None:
    for name in ("guard.key", "store.key", "keys.toml", "master.secret"):
        assert stat.S_IMODE((folder.path / name).stat().st_mode) == 0o600, name
    assert keyring.load(folder.path / "keys.toml") == folder.keyring


def test_a_port_in_use_is_avoided() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = Ports(imaps=taken.getsockname()[1])
        assert usual.free().imaps != usual.imaps
