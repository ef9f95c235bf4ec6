"""The real `mailguard serve` before the stack, and its real command line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp

from mailguard import keyring
from mailguard.auth import totp
from mailguard.auth.accounts import AccountName, AppPassword
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.passwords import digest_app_password, generate_app_password, grouped
from mailguard.auth.roles import Role
from mailguard.auth.vault import public_half
from mailguard.secret import Secret
from mailguard.store import Store, new_id
from tests.e2e.clients import Door, Login
from tests.e2e.daemon import Log, free_ports, running
from tests.e2e.stack import Stack, User

Tables = Mapping[str, Any]
"""TOML tables, as tomllib would give them."""

CLI_TIMEOUT = 120
PERIOD = 30
DATABASE = "mailguard.db"
KEYS = "keys.toml"
ACTOR = "operator:test"


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the store with an authenticator."""

    user: User
    seed: str
    device: str

    def code(self, steps: int = 0) -> str:
        """What the authenticator shows now, or some steps before or after."""
        return pyotp.TOTP(self.seed).at(time.time() + steps * PERIOD)

    def login(self, steps: int = 0) -> Login:
        """The password with the code behind it, as it is typed into a mail program."""
        return Login(self.user.name, self.user.password + self.code(steps))


@dataclass(frozen=True, slots=True)
class Guard:
    """A running guard: where its doors are, what it logged, and commands about it."""

    stack: Stack
    configuration: Path
    process: subprocess.Popen[bytes]
    log: Log
    imap_port: int  # implicit TLS
    imap_starttls_port: int
    submission_port: int  # implicit TLS
    submission_starttls_port: int
    portal_port: int = 0  # where it runs one

    @property
    def portal_url(self) -> str:
        """Where people sign in, by the name that the certificate carries."""
        return f"https://localhost:{self.portal_port}"

    def imap(self, tls: str = "implicit", source: str = "127.0.0.1") -> Door:
        """A door for mail reading."""
        port = self.imap_port if tls == "implicit" else self.imap_starttls_port
        return Door(port, tls, self.stack.ca, source)

    def submission(self, tls: str = "implicit", source: str = "127.0.0.1") -> Door:
        """A door for mail sending."""
        port = self.submission_port if tls == "implicit" else self.submission_starttls_port
        return Door(port, tls, self.stack.ca, source)

    def run(
        self, *arguments: str, text: str = "", configuration: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, whatever comes of it; `text` is its standard input."""
        command = [sys.executable, "-m", "mailguard", "--config", str(configuration or self.configuration), *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=CLI_TIMEOUT, check=False)

    def cli(self, *arguments: str, text: str = "") -> str:
        """Run a command that must succeed; its standard output."""
        done = self.run(*arguments, text=text)
        assert done.returncode == 0, f"mailguard {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}"
        return done.stdout

    @contextlib.asynccontextmanager
    async def records(self) -> AsyncIterator[Store]:
        """The guard's own records, open beside it as a command opens them. A command line takes a second to start."""
        folder = self.configuration.parent
        store = await Store.open(f"sqlite:///{folder / DATABASE}", keyring.load(folder / KEYS, shared=True))
        try:
            yield store
        finally:
            await store.close()

    async def enrolled(self, user: User | None = None, *, role: Role = Role.NONE) -> Person:
        """Give a user an account and a confirmed authenticator, none of whose codes is used up."""
        user = user or self.stack.user()
        name = AccountName(user.name)
        async with self.records() as store:
            await store.accounts.add(name, actor=ACTOR, role=role)
            device = await store.devices.enrol(name, "test", totp.new_seed(), actor=ACTOR)
            await store.devices.confirm(device.id, 1, actor=ACTOR)
        return Person(user, device.seed.reveal().decode(), device.id)

    async def issued(self, user: User, *protocols: MailProtocol, sealed: bool = False) -> str:
        """An app password of a user who has an account, for all protocols where none is named; with `sealed` it brings
        the user's password at the store along."""
        folder, name = self.configuration.parent, AccountName(user.name)
        secret = generate_app_password()
        digest = digest_app_password(keyring.load(folder / KEYS, shared=True), secret.reveal())
        async with self.records() as store:
            account = await store.accounts.get(name)
            assert account is not None
            scope = frozenset(protocols or MailProtocol)
            row_id = new_id()
            made = AppPassword(
                id=row_id,
                account_id=account.id,
                label="test",
                protocols=scope,
                created_at=time.time(),
                issued_by=ACTOR,
                public=public_half(secret, row_id),
            )
            password = Secret(user.password.encode()) if sealed else None
            await store.app_passwords.issue(name, made, digest, actor=ACTOR, limit=20, store_password=password)
        return grouped(secret)

    def enrol(self, user: User | None = None) -> Person:
        """As `enrolled`, for tests without an event loop."""
        return asyncio.run(self.enrolled(user))

    def app_password(self, user: User, *protocols: MailProtocol, sealed: bool = False) -> str:
        """As `issued`, for tests without an event loop."""
        return asyncio.run(self.issued(user, *protocols, sealed=sealed))


@contextlib.contextmanager
def serving(
    stack: Stack,
    folder: Path,
    login: str,
    overrides: Tables | None = None,
    *,
    host: str = "127.0.0.1",
    portal: bool = False,
    program: str = "mailguard",
) -> Iterator[Guard]:
    """Run the guard with its files in `folder`. `login` is own or master; `overrides` are merged into its tables.
    It listens at `host`: [::] takes both families. The portal runs where it is asked for: it takes seconds to start.
    `program` is a module that runs it, in some way.
    """
    ports = free_ports(5 if portal else 4)
    path = configure(stack, folder, login, ports=ports, overrides=overrides, host=host)
    keyring.create(folder / KEYS)
    log = Log(folder / "mailguard.log")
    command = [sys.executable, "-m", program, "--config", str(path), "serve"]
    with running(command, log=log, ports=ports) as process:
        log.wait_for(r'"ready"', timeout=60)
        if portal:
            log.wait_for(r'"portal ready"', timeout=30)
        yield Guard(stack, path, process, log, *ports)


def configure(
    stack: Stack,
    folder: Path,
    login: str,
    *,
    ports: Sequence[int],
    overrides: Tables | None = None,
    host: str = "127.0.0.1",
) -> Path:
    """Write a configuration before the stack. A fifth port is the portal's."""
    secret = folder / "master-secret"
    secret.write_text(stack.master_secret)
    secret.chmod(0o600)
    doors = zip(("imap", "imap", "submission", "submission"), ("implicit", "starttls") * 2, ports[:4], strict=True)
    portal = [{"address": f"127.0.0.1:{port}", "public_url": f"https://localhost:{port}"} for port in ports[4:]]
    tables: dict[str, Any] = {
        "server": {"hostname": "mail.example.org", "workers": 2, "drain": "1s"},
        "tls": {"certificate": str(stack.certificate.certificate), "private_key": str(stack.certificate.key)},
        "listen": [{"protocol": what, "address": f"{host}:{port}", "tls": tls} for what, tls, port in doors],
        "store": {"url": f"sqlite:///{DATABASE}"},
        "keys": {"file": KEYS},
        "names": {"domain": "example.org"},
        "identity": {"questions": "1000/30m"},  # here one name is guessed at by one test after the other
        "policy": {"shared_networks": ["127.0.0.0/8", "::1/128"]},  # everybody comes from here
        "throttle": {"failure_delay": "2s"},
        "observe": {"metrics": "none"},
        "portal": portal[0] if portal else {"address": "none"},
        "backend": backends(stack, login),
    }
    if login == "master":
        tables["identity"]["backend"] = {"host": "localhost", "port": stack.identity_port, "ca": str(stack.ca)}
    path = folder / "config.toml"
    path.write_text(toml(_merged(tables, overrides or {})))
    return path


def backends(stack: Stack, login: str, tls: str = "implicit") -> dict[str, dict[str, Any]]:
    """The [backend.*] tables for one way of logging in to the store."""
    implicit = tls == "implicit"
    if login == "own":
        imap = stack.imap_own_port if implicit else stack.imap_own_starttls_port
        submission = stack.submission_port if implicit else stack.submission_starttls_port
        more = {}
    else:
        imap = stack.imap_master_port if implicit else stack.imap_master_starttls_port
        submission = stack.submission_master_port if implicit else stack.submission_master_starttls_port
        more = {"master_user": stack.master_user, "master_secret_file": "master-secret"}
    common = {"host": "localhost", "tls": tls, "ca": str(stack.ca), "login": login, **more}
    return {"imap": {**common, "port": imap}, "submission": {**common, "port": submission}}


def _merged(tables: Tables, overrides: Tables) -> dict[str, Any]:
    merged = dict(tables)
    for key, value in overrides.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def toml(tables: Tables, prefix: str = "") -> str:
    """Write tables as TOML: plain values first, then [tables] and [[lists of tables]]."""
    plain, nested = [], []
    for key, value in tables.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            nested.append(f"\n[{name}]\n{toml(value, f'{name}.')}")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            nested += [f"\n[[{name}]]\n{toml(each, f'{name}.')}" for each in value]
        else:
            plain.append(f"{key} = {json.dumps(value)}\n")  # JSON's strings, numbers and lists are TOML's too
    return "".join(plain + nested)
