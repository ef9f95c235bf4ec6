"""What an operator would have written: config.toml, keys, certificates and the master secret, in one folder."""

from __future__ import annotations

import secrets
import shlex
import socket
import ssl
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mailguard import keyring
from mailguard.authority import Authority
from mailguard.secret import Secret

DOMAIN = "demo.example"
MASTER_NAME = "guard"
_HOST = "127.0.0.1"
_VALID = timedelta(days=90)  # long enough that `check` finds nothing to renew


@dataclass(frozen=True, slots=True)
class Ports:
    """The guard's own doors: implicit TLS and STARTTLS of each protocol, and the portal."""

    imaps: int = 1993
    imap: int = 1143
    submissions: int = 1465
    submission: int = 1587
    portal: int = 8443

    def free(self) -> Ports:
        """These; in place of one where somebody listens already, a port of the system's choosing."""
        mail = _free(self.imaps), _free(self.imap), _free(self.submissions), _free(self.submission)
        return Ports(*mail, _free(self.portal))

    @property
    def portal_url(self) -> str:
        """Where people sign in."""
        return f"https://localhost:{self.portal}"


@dataclass(frozen=True, slots=True)
class StorePorts:
    """Where the mail store listens."""

    password: int
    relay: int
    submission: int


class Folder:
    """The demo's folder. Made whole at once, but for the configuration, which wants the store's ports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.configuration = path / "config.toml"
        self.log = path / "guard.log"
        authority = Authority("mailguard demo CA", _VALID)
        self.ca = path / "ca.pem"
        self.ca.write_bytes(authority.certificate)
        for server in ("guard", "store"):
            key, certificate = authority.issue("localhost", _HOST, valid=_VALID)
            (path / f"{server}.crt").write_bytes(certificate)
            _write_secret(path / f"{server}.key", key)
        self.keyring = keyring.create(path / "keys.toml")
        self.master_secret = Secret(secrets.token_urlsafe(24).encode())
        (path / "records").mkdir()  # apart from the keys, as `check` demands
        _write_secret(path / "master.secret", self.master_secret.reveal())
        command = path / "mailguard"
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mailguard "$@"\n')
        command.chmod(0o755)

    def store_context(self) -> ssl.SSLContext:
        """TLS of the mail store."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.path / "store.crt", self.path / "store.key")
        return context

    def client_context(self) -> ssl.SSLContext:
        """TLS of a mail client that trusts the demo's authority."""
        return ssl.create_default_context(cafile=self.ca)

    def configure(self, ports: Ports, store: StorePorts) -> None:
        """Write config.toml."""
        self.configuration.write_text(_configuration(ports, store))


def _configuration(ports: Ports, store: StorePorts) -> str:
    doors = (
        ("imap", ports.imaps, "implicit"),
        ("imap", ports.imap, "starttls"),
        ("submission", ports.submissions, "implicit"),
        ("submission", ports.submission, "starttls"),
    )
    listeners = "\n\n".join(
        f'[[listen]]\nprotocol = "{protocol}"\naddress = "{_HOST}:{port}"\ntls = "{tls}"'
        for protocol, port, tls in doors
    )
    return f"""\
[server]
hostname = "localhost"
workers = 2
drain = "1s"

[tls]
certificate = "guard.crt"
private_key = "guard.key"

{listeners}

[store]
url = "sqlite:///records/mailguard.db"

[keys]
file = "keys.toml"

[names]
domain = "{DOMAIN}"

[identity]
source = "backend"
unknown = "refuse"
questions = "40/30m"       # people try things out here

[identity.backend]       # a door of the store that takes users' own passwords
host = "{_HOST}"
port = {store.password}
tls = "implicit"
ca = "ca.pem"

[backend.imap]           # a door of the store that takes the master identity alone
host = "{_HOST}"
port = {store.relay}
tls = "implicit"
ca = "ca.pem"
login = "master"
master_user = "{MASTER_NAME}"
master_secret_file = "master.secret"

[backend.submission]
host = "{_HOST}"
port = {store.submission}
tls = "starttls"
ca = "ca.pem"
login = "master"
master_user = "{MASTER_NAME}"
master_secret_file = "master.secret"

[policy]
two_factor = "enforce"

[portal]
address = "{_HOST}:{ports.portal}"
public_url = "{ports.portal_url}"

[observe]
metrics = "none"
log = "text"
"""


def _write_secret(file: Path, content: bytes) -> None:
    file.touch(0o600)
    file.write_bytes(content)


def _free(port: int) -> int:
    for wanted in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no port is free on {_HOST}")
