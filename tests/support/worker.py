"""A real worker in the test's own event loop, before scripted stores: real sockets, real records, real decision."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyotp

from mailguard import config, keyring
from mailguard.app.worker import Door, Worker
from mailguard.auth.accounts import AccountName, AppPassword
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.passwords import digest_app_password, generate_app_password
from mailguard.auth.vault import public_half
from mailguard.keyring import Keyring
from mailguard.net.listener import bind
from mailguard.net.stream import Stream, connect
from mailguard.net.tls import client_context
from mailguard.observe.board import Meters
from mailguard.secret import Secret
from mailguard.store import Store, new_id
from tests.support.certs import Authority, Issued
from tests.support.hostile_store import HostileStore, Script

ANN = AccountName("ann@example.org")
PASSWORD = "secret"
SEED = Secret(b"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
MASTER, MASTER_SECRET = "gate", "master-secret"
OPERATOR = "operator:test"
T = TypeVar("T")

PATIENCE = 30.0  # seconds, for what takes milliseconds


@dataclass
class Running:
    """A worker, its doors, and what its tests need to get through them."""

    worker: Worker
    settings: config.Settings
    records: Store  # a second opening of the same file, as another process would have it
    ring: Keyring
    ca: Path
    ports: dict[str, int]  # imap, imap-starttls, submission, submission-starttls

    async def client(self, door: str = "imap", *, source: str = "127.0.0.1", tls: bool | None = None) -> Client:
        """A connection to a door, over TLS where the door is."""
        implicit = not door.endswith("starttls") if tls is None else tls
        stream = await connect(
            "127.0.0.1",
            self.ports[door],
            context=client_context(self.ca) if implicit else None,
            server_hostname="mail.example.org" if implicit else None,
            local_address=source,
            timeout=PATIENCE,
        )
        return Client(stream, self.ca)

    async def enrol(self) -> None:
        """Give ann an account and an authenticator."""
        await self.account()
        device = await self.records.devices.enrol(ANN, "phone", SEED, actor=OPERATOR)
        await self.records.devices.confirm(device.id, 1, actor=OPERATOR)

    async def account(self) -> str:
        """Ann's account."""
        account = await self.records.accounts.get(ANN) or await self.records.accounts.add(ANN, actor=OPERATOR)
        return account.id

    async def app_password(
        self, *protocols: MailProtocol, client_lock: bool = False, sealed: str | None = None
    ) -> tuple[str, str]:
        """A new app password of ann's, for all protocols where none is named: id and secret. `sealed`: her password at
        the store, which it brings along."""
        secret, row_id = generate_app_password(), new_id()
        row = AppPassword(
            id=row_id,
            account_id=await self.account(),
            label="test",
            protocols=frozenset(protocols or MailProtocol),
            created_at=time.time(),
            public=public_half(secret, row_id),
            client_lock=client_lock,
        )
        digest = digest_app_password(self.ring, secret.reveal())
        password = None if sealed is None else Secret(sealed.encode())
        await self.records.app_passwords.issue(ANN, row, digest, actor=OPERATOR, store_password=password)
        return row.id, secret.reveal().decode()

    @staticmethod
    def code() -> str:
        """What ann's authenticator shows."""
        return Running.code_at(time.time())

    @staticmethod
    def code_at(now: float) -> str:
        """What it shows by another clock."""
        return pyotp.TOTP(SEED.reveal().decode()).at(int(now))

    async def reasons(self) -> list[str]:
        """Of every refusal and deferral so far, oldest first."""
        return [entry.row.reason for entry in await self.records.audit.list() if entry.row.event.startswith("login-")]

    def seen_well(self) -> None:
        """As if the stores had answered the last probe well: what marks them as down turns clients away at once."""
        for mirror in self.worker.house.mirrors.values():
            mirror.worked()


async def eventually(look: Callable[[], Awaitable[T]]) -> T:
    """What `look` sees once it sees something; for what another task does in its own time."""
    async with asyncio.timeout(PATIENCE):
        while not (seen := await look()):  # noqa: ASYNC110  (the records of another process hold no event)
            await asyncio.sleep(0.02)
    return seen


class Client:
    """A mail client that says just what the test says."""

    def __init__(self, stream: Stream, ca: Path) -> None:
        self.stream = stream
        self._ca = ca
        self._heard = b""

    def say(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.stream.write(data)

    async def until(self, end: bytes) -> bytes:
        """Everything up to and including `end`; what comes behind it is kept for the next call."""
        async with asyncio.timeout(PATIENCE):
            while end not in self._heard:
                data = await self.stream.read()
                assert data, f"closed after {self._heard!r} while waiting for {end!r}"
                self._heard += data
        heard, found, self._heard = self._heard.partition(end)
        return heard + found

    async def line(self) -> bytes:
        """The next line without its end."""
        return (await self.until(b"\r\n"))[:-2]

    async def rest(self) -> bytes:
        """Everything until the guard closes."""
        async with asyncio.timeout(PATIENCE):
            while data := await self.stream.read():
                self._heard += data
        heard, self._heard = self._heard, b""
        return heard

    async def start_tls(self) -> None:
        """Go on over TLS."""
        await self.stream.start_tls(
            client_context(self._ca), server_side=False, server_hostname="mail.example.org", timeout=PATIENCE
        )

    async def log_in(self, password: str, *, name: str = ANN) -> bytes:
        """Greeting, then AUTHENTICATE PLAIN with an initial response; the tagged line of the answer."""
        await self.line()
        self.say(b"a AUTHENTICATE PLAIN %b\r\n" % plain(name, password))
        while (line := await self.line()).startswith(b"*"):
            pass
        return line

    def close(self) -> None:
        """Leave at once."""
        self.stream.abort()


def plain(name: str, password: str) -> bytes:
    """A SASL PLAIN message in base64."""
    return base64.b64encode(f"\0{name}\0{password}".encode())


@asynccontextmanager
async def running(
    folder: Path,
    authority: Authority,
    certificate: Issued,
    *,
    imap: Script,
    submission: Script | None = None,
    identity: Script | None = None,
    login: str = "own",
    more: str = "",
    source: str = 'questions = "1000/30m"\n',
    wall: Callable[[], float] = time.time,
) -> AsyncIterator[Running]:
    """Start scripted stores and a worker before them; stop all of it at the end. `more` is appended to the file,
    `source` is what stands below [identity], `wall` the time of day that the worker goes by."""
    async with AsyncExitStack() as stack:

        def store(script: Script) -> int:
            return stack.enter_context(HostileStore(script, certificate=certificate)).port

        tables = _configuration(
            certificate,
            authority,
            {name: store(script) for name, script in (("imap", imap), ("submission", submission)) if script},
            None if identity is None else store(identity),
            login,
        )
        file = folder / login / "config.toml"
        _write(file, f"{tables}[identity]\n{source}{more}")
        settings = config.load(file)
        ring = keyring.create(settings.keys.file)
        doors = [Door(listen, bind(listen.address)) for listen in settings.listen]
        for door in doors:
            stack.callback(door.sock.close)
        worker = await Worker.start(settings, doors, Meters(), wall)
        stack.push_async_callback(worker.stop)
        records = await Store.open(settings.store.url, ring)
        stack.push_async_callback(records.close)
        ports = {_name(door): door.sock.getsockname()[1] for door in doors}
        yield Running(worker, settings, records, ring, authority.ca, ports)


def _name(door: Door) -> str:
    return f"{door.listen.protocol}{'-starttls' if door.listen.tls == 'starttls' else ''}"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    secret = file.parent / "master"
    secret.write_text(MASTER_SECRET)
    secret.chmod(0o600)


def _configuration(
    certificate: Issued, authority: Authority, backends: dict[str, int], identity: int | None, login: str
) -> str:
    listens = "".join(
        f'[[listen]]\nprotocol = "{name}"\naddress = "127.0.0.1:0"\ntls = "{tls}"\n'
        for name in backends
        for tls in ("implicit", "starttls")
    )
    way = f'host = "localhost"\nca = "{authority.ca}"\n'
    master = f'master_user = "{MASTER}"\nmaster_secret_file = "master"\n' if login == "master" else ""
    legs = "".join(
        f'[backend.{name}]\n{way}port = {port}\nlogin = "{login}"\n{master}' for name, port in backends.items()
    )
    asked = "" if identity is None else f"[identity.backend]\n{way}port = {identity}\n"
    return (
        '[server]\nhostname = "mail.example.org"\nworkers = 1\ndrain = "0s"\n'
        f'[tls]\ncertificate = "{certificate.certificate}"\nprivate_key = "{certificate.key}"\n'
        '[names]\ndomain = "example.org"\n[throttle]\nfailure_delay = "0s"\n' + listens + legs + asked
    )
