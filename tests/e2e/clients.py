"""Real mail programs against one port each: imaplib, smtplib, curl, mbsync, msmtp."""

from __future__ import annotations

import contextlib
import imaplib
import os
import shutil
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.letters import Letter, fetch

HOST = "localhost"
TIMEOUT = 60
REQUIRED = "MAILGUARD_E2E"  # "required": what is not installed fails the tests instead of skipping them


@dataclass(frozen=True, slots=True)
class Door:
    """A port on loopback and how TLS begins there. `source` is the address that the client comes from."""

    port: int
    tls: str  # implicit | starttls
    ca: Path
    source: str = "127.0.0.1"

    def context(self) -> ssl.SSLContext:
        """Verifies chain and name."""
        return ssl.create_default_context(cafile=str(self.ca))


@dataclass(frozen=True, slots=True)
class Login:
    """What the person typed into the program."""

    name: str
    password: str


Reader = Callable[[Door, Login, Letter, Path], bytes]
Sender = Callable[[Door, Login, Letter, Path], None]


class Refused(Exception):
    """The program failed; its own words."""


def absent(reason: str) -> None:
    """End this test: skipped, saying why, or failed where everything must be there."""
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(reason)
    pytest.skip(reason)


# --- Python's own ---


class _Imap(imaplib.IMAP4):
    """imaplib from a chosen source address, with either way of starting TLS."""

    def __init__(self, door: Door) -> None:
        self._door = door
        super().__init__(HOST, door.port, TIMEOUT)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = socket.create_connection((HOST, self._door.port), timeout, (self._door.source, 0))
        if self._door.tls == "implicit":
            return self._door.context().wrap_socket(plain, server_hostname=HOST)
        return plain


@contextlib.contextmanager
def imap_connection(door: Door) -> Iterator[imaplib.IMAP4]:
    """imaplib over TLS, before login."""
    with _Imap(door) as client:
        if door.tls == "starttls":
            client.starttls(door.context())
        yield client


@contextlib.contextmanager
def imap(door: Door, login: Login) -> Iterator[imaplib.IMAP4]:
    """A logged-in session of imaplib."""
    with imap_connection(door) as client:
        try:
            client.login(login.name, login.password)
        except imaplib.IMAP4.error as error:
            raise Refused(str(error)) from error
        yield client


@contextlib.contextmanager
def smtp_connection(door: Door) -> Iterator[smtplib.SMTP]:
    """smtplib over TLS, before login."""
    source = (door.source, 0)
    if door.tls == "implicit":
        with smtplib.SMTP_SSL(
            HOST, door.port, timeout=TIMEOUT, source_address=source, context=door.context()
        ) as client:
            yield client
    else:
        with smtplib.SMTP(HOST, door.port, timeout=TIMEOUT, source_address=source) as client:
            client.starttls(context=door.context())
            yield client


@contextlib.contextmanager
def smtp(door: Door, login: Login) -> Iterator[smtplib.SMTP]:
    """A logged-in session of smtplib."""
    with smtp_connection(door) as client:
        try:
            client.login(login.name, login.password)
        except smtplib.SMTPAuthenticationError as error:
            raise Refused(str(error)) from error
        yield client


def imaplib_read(door: Door, login: Login, letter: Letter, folder: Path) -> bytes:
    """Read one letter with imaplib."""
    with imap(door, login) as client:
        return fetch(client, letter)


def smtplib_send(door: Door, login: Login, letter: Letter, folder: Path) -> None:
    """Send one letter with smtplib."""
    with smtp(door, login) as client:
        assert client.sendmail(letter.sender, [letter.recipient], letter.content) == {}


# --- programs ---


def _run(command: Sequence[str], folder: Path, *, text: bytes = b"") -> bytes:
    if shutil.which(command[0]) is None:
        absent(f"not installed: {command[0]} (as root: make system-packages)")
    done = subprocess.run(
        command, cwd=folder, input=text, capture_output=True, timeout=TIMEOUT, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )  # fmt: skip
    if done.returncode != 0:
        raise Refused((done.stderr + done.stdout).decode("utf-8", "replace"))
    return done.stdout


def _curl(door: Door, login: Login, folder: Path, scheme: str, path: str, *arguments: str, text: bytes = b"") -> bytes:
    """curl with its secrets in a file: a command line can be read by every user of the machine."""
    quoted = login.password.replace("\\", "\\\\").replace('"', '\\"')
    configuration = folder / "curl.conf"
    configuration.write_text(f'user = "{login.name}:{quoted}"\n')
    command = ["curl", "--silent", "--show-error", "--config", str(configuration), "--cacert", str(door.ca)]
    command += ["--interface", door.source, "--ssl-reqd"]
    url = f"{scheme}{'s' if door.tls == 'implicit' else ''}://{HOST}:{door.port}{path}"
    return _run([*command, *arguments, url], folder, text=text)


def curl_read(door: Door, login: Login, letter: Letter, folder: Path) -> bytes:
    """Read the inbox's only letter with curl."""
    return _curl(door, login, folder, "imap", "/INBOX;MAILINDEX=1")


def curl_send(door: Door, login: Login, letter: Letter, folder: Path) -> None:
    """Send one letter with curl."""
    content = folder / "letter.eml"
    content.write_bytes(letter.content)
    _curl(door, login, folder, "smtp", "/client.example.org", "--mail-from", letter.sender,
          "--mail-rcpt", letter.recipient, "--upload-file", str(content))  # fmt: skip


def mbsync_read(door: Door, login: Login, letter: Letter, folder: Path) -> bytes:
    """Pull the inbox with mbsync; the letter out of the Maildir that it made, without mbsync's own mark."""
    (folder / "secret").write_text(login.password)
    mailbox = folder / "Maildir"
    mailbox.mkdir()
    (folder / "mbsyncrc").write_text(f"""\
IMAPAccount guard
Host {HOST}
Port {door.port}
User {login.name}
PassCmd "cat {folder}/secret"
SSLType {"IMAPS" if door.tls == "implicit" else "STARTTLS"}
CertificateFile {door.ca}

IMAPStore far
Account guard

MaildirStore near
Inbox {mailbox}/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
Sync Pull
SyncState *
""")
    _run(["mbsync", "--config", str(folder / "mbsyncrc"), "--all"], folder)
    for path in mailbox.glob("INBOX/*/*"):
        content = path.read_bytes()
        if letter.token.encode() in content:
            lines = content.split(b"\n")
            return b"\n".join(line for line in lines if not line.startswith(b"X-TUID: "))
    raise AssertionError(f"mbsync did not bring letter {letter.token}")


def msmtp_send(door: Door, login: Login, letter: Letter, folder: Path) -> None:
    """Send one letter with msmtp."""
    (folder / "secret").write_text(login.password)
    configuration = folder / "msmtprc"
    configuration.write_text(f"""\
account guard
host {HOST}
port {door.port}
source_ip {door.source}
from {letter.sender}
auth plain
user {login.name}
passwordeval "cat {folder}/secret"
tls on
tls_starttls {"off" if door.tls == "implicit" else "on"}
tls_trust_file {door.ca}
""")
    configuration.chmod(0o600)
    _run(["msmtp", "--file", str(configuration), "--account", "guard", letter.recipient], folder,
         text=letter.content.replace(b"\r\n", b"\n"))  # fmt: skip
