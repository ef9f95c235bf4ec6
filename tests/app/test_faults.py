"""Each part that a login needs fails while a worker runs: nobody new gets in, the reply is temporary, nothing is burnt,
open sessions stay, and all is well again without a restart (SECURITY.md, promise 2).
"""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailguard.auth.ports import StoreUnavailable
from mailguard.backends import dial, identity
from mailguard.protocols.codes import BUSY
from mailguard.proxy.turns import Most, Turns
from mailguard.store import engine
from tests.app.conftest import Start
from tests.support.certs import Authority, Issued
from tests.support.hostile_store import ImapStore, Peer
from tests.support.worker import (
    ANN,
    MASTER,
    MASTER_SECRET,
    OPERATOR,
    PASSWORD,
    Client,
    Running,
    eventually,
    plain,
    running,
)

LATER = b"a NO [UNAVAILABLE] " + BUSY.encode()
PAGE = 4096


async def in_(worker: Running, password: str) -> bytes:
    client = await worker.client()
    answer = await client.log_in(password)
    client.close()
    return answer


def passes(answer: bytes) -> bool:
    return answer.startswith(b"a OK")


async def alive(client: Client) -> bool:
    client.say(b"n NOOP\r\n")
    return await client.line() == b"n OK NOOP done"


async def open_session(worker: Running, password: str) -> Client:
    client = await worker.client()
    assert passes(await client.log_in(password))
    return client


def database(worker: Running) -> Path:
    return Path(worker.settings.store.url.removeprefix("sqlite:///"))


# --- our own records ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        if os.environ.get("MAILGUARD_E2E") == "required":
            pytest.fail("a small disk must be mounted here")
        pytest.skip("NOT SHOWN: what a full disk does. Mounting a small one needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a page is left."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * PAGE)
        assert os.statvfs(folder).f_bavail == 0
        yield
    finally:
        ballast.unlink()


async def test_a_full_disk(small_disk: Path, authority: Authority, localhost: Issued) -> None:
    async with running(small_disk, authority, localhost, imap=ImapStore(users={ANN: PASSWORD})) as own:
        await own.enrol()
        app_password, secret = await own.app_password(sealed=PASSWORD)
        client, other = await open_session(own, secret), await own.app_password(sealed=PASSWORD)
        string = PASSWORD + own.code()
        # A reader that stands still: else the log could begin again at its start, where there is room.
        reader = sqlite3.connect(database(own), isolation_level=None)
        reader.execute("BEGIN").execute("SELECT count(*) FROM accounts").fetchone()
        with filled(small_disk):
            with contextlib.suppress(StoreUnavailable):
                while True:  # what the log's last page takes
                    await own.records.accounts.change(ANN, actor=OPERATOR, group=f"{time.monotonic()}")
            for offered in (string, secret, other[1], "wrong", string):
                assert await in_(own, offered) == LATER
            with pytest.raises(StoreUnavailable, match=r"full|no space left"):
                await own.records.app_passwords.revoke(ANN, app_password, actor=OPERATOR)
            assert await alive(client)
        reader.close()
        assert passes(await in_(own, string)), "no code was burnt"
        assert passes(await in_(own, other[1]))
        assert await alive(client)
        await own.records.app_passwords.revoke(ANN, app_password, actor=OPERATOR)
        assert await client.rest() == b""


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """By another process, that does not let go."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOCKER, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"locked\n"
    yield
    process.kill()
    await process.communicate()


async def test_records_locked_beyond_patience(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine._CONNECT, "timeout", 0.1)
    async with start(imap=ImapStore(users={ANN: PASSWORD})) as own:
        await own.enrol()
        _, secret = await own.app_password(sealed=PASSWORD)
        client, string = await open_session(own, secret), PASSWORD + own.code()
        async with locked(database(own)):
            for offered in (string, secret, "wrong"):
                assert await in_(own, offered) == LATER
            assert await alive(client)
        assert passes(await in_(own, string))
        assert await alive(client)
        client.close()


async def test_records_removed_or_replaced(start: Start) -> None:
    """A new file in their place knows of no authenticator, and by the old one no revocation is heard of."""
    async with start(imap=ImapStore(users={ANN: PASSWORD})) as own:
        await own.enrol()
        _, secret = await own.app_password(sealed=PASSWORD)
        client, string = await open_session(own, secret), PASSWORD + own.code()
        place = database(own)
        aside = place.with_name("aside.db")
        place.rename(aside)
        for offered in (string, secret, PASSWORD):
            assert await in_(own, offered) == LATER
        sqlite3.connect(place).execute("CREATE TABLE accounts (id)").connection.close()
        for offered in (string, secret, PASSWORD):
            assert await in_(own, offered) == LATER
        assert await alive(client)
        aside.rename(place)
        assert passes(await in_(own, string))
        assert await alive(client)
        client.close()


async def test_damaged_records(start: Start) -> None:
    async with start(imap=ImapStore(users={ANN: PASSWORD})) as own:
        await own.enrol()
        _, secret = await own.app_password(sealed=PASSWORD)
        client, string = await open_session(own, secret), PASSWORD + own.code()
        place = database(own)

        async def all_in_the_file() -> bool:
            connection = sqlite3.connect(place)
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.close()
            return not busy

        await eventually(all_in_the_file)
        sound = place.read_bytes()
        overwrite(place, b"\xa5" * len(sound))
        for offered in (string, secret, PASSWORD):
            assert await in_(own, offered) == LATER
        assert await alive(client)
        overwrite(place, sound)
        assert passes(await in_(own, string))
        client.close()


def overwrite(path: Path, content: bytes) -> None:
    """In place: it stays the same file."""
    with path.open("r+b") as file:
        file.write(content)


# --- keys ---


@pytest.mark.parametrize("trouble", [Path.unlink, lambda path: path.chmod(0o644), lambda path: path.write_text("x")])
async def test_a_key_file_that_is_gone_open_or_damaged_while_its_keys_are_in_use(
    start: Start, trouble: Callable[[Path], object]
) -> None:
    """What a worker has read it keeps: a rotation, which needs the file, is refused and leaves all as it was."""
    async with start(imap=ImapStore(users={ANN: PASSWORD})) as own:
        await own.enrol()
        _, secret = await own.app_password(sealed=PASSWORD)
        client = await open_session(own, secret)
        trouble(own.settings.keys.file)
        with pytest.raises(Exception, match="keys"):
            await own.records.keys.rotate(own.settings.keys.file, actor=OPERATOR)
        assert passes(await in_(own, PASSWORD + own.code())), await own.reasons()
        assert passes(await in_(own, secret)), await own.reasons()
        assert await alive(client)
        client.close()


# --- the store ---


def patience(monkeypatch: pytest.MonkeyPatch, *functions: Any) -> None:
    """A fraction of a second instead of twenty."""
    for function in functions:
        assert function.__kwdefaults__["timeout"] == dial.TIMEOUT
        monkeypatch.setitem(function.__kwdefaults__, "timeout", 0.5)


def silent(peer: Peer) -> None:
    peer.wait_for_end()


def says_no_more(peer: Peer) -> None:
    """It greets, and is lost for words at the first login."""
    peer.say(b"* OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN] ready\r\n")
    while line := peer.line():
        if b"AUTHENTICATE" in line.upper():
            return peer.wait_for_end()
        peer.say(line.split()[0] + b" OK done\r\n")
    return None


class Changing:
    """A script in whose place another one can be put."""

    def __init__(self, script: Callable[[Peer], None]) -> None:
        self.script = script

    def __call__(self, peer: Peer) -> None:
        self.script(peer)


@pytest.mark.parametrize("trouble", [silent, says_no_more])
async def test_an_identity_source_that_hangs(
    start: Start, monkeypatch: pytest.MonkeyPatch, trouble: Callable[[Peer], None]
) -> None:
    patience(monkeypatch, identity.ask)
    source = Changing(trouble)
    imap = ImapStore(users={ANN: "x"}, masters={MASTER: MASTER_SECRET})
    async with start(imap=imap, identity=source, login="master") as master:
        await master.enrol()
        _, secret = await master.app_password()
        client, string = await open_session(master, secret), PASSWORD + master.code()
        assert await in_(master, string) == LATER
        assert passes(await in_(master, secret)), "which asks nobody"
        assert await alive(client)
        source.script = ImapStore(users={ANN: PASSWORD})
        assert passes(await in_(master, string))
        client.close()


async def test_a_client_that_reconnects_for_ever_piles_up_no_logins(start: Start) -> None:
    """A login goes on when its client leaves: what bounds connections does not bound these."""
    imap = ImapStore(users={ANN: "x"}, masters={MASTER: MASTER_SECRET})
    async with start(imap=imap, identity=silent, login="master") as master:
        _, secret = await master.app_password()
        house = master.worker.house
        by = replace(house.rules.authenticator, turns=Turns(most=Most(of_name=3)))
        house.rules = replace(house.rules, authenticator=by)
        turned_away = 0
        for more in (9, 12):
            clients = [await master.client() for _ in range(12)]
            for number, client in enumerate(clients):
                client.say(b"a AUTHENTICATE PLAIN %b\r\n" % plain(ANN, f"wrong {number}"))
            turned_away += more

            async def heard(of: int = turned_away) -> bool:
                return len(await master.reasons()) == of

            await eventually(heard)
            for client in clients:
                client.close()
        assert set(await master.reasons()) == {"throttled"}
        assert await in_(master, "another") == b"a NO [UNAVAILABLE] Too many attempts, try again later"
        assert passes(await in_(master, secret))


async def test_a_store_that_hangs_in_mid_login(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    patience(monkeypatch, dial.open_leg)
    imap = Changing(ImapStore(users={ANN: PASSWORD}))
    async with start(imap=imap) as own:
        await own.enrol()
        _, secret = await own.app_password(sealed=PASSWORD)
        client, string = await open_session(own, secret), PASSWORD + own.code()
        imap.script = says_no_more
        assert set(await asyncio.gather(in_(own, string), in_(own, secret), in_(own, "wrong"))) == {LATER}
        assert await alive(client)
        imap.script = ImapStore(users={ANN: PASSWORD})
        own.seen_well()
        assert passes(await in_(own, string))
        assert passes(await in_(own, secret))
        client.close()


# --- the clock ---


@pytest.mark.parametrize("jump", [-40.0, 40.0])
async def test_a_clock_that_jumps(start: Start, jump: float) -> None:
    async with start(imap=ImapStore(users={ANN: PASSWORD})) as own:
        await own.enrol()
        _, secret = await own.app_password(sealed=PASSWORD)
        client, clock = await open_session(own, secret), own.worker._clock
        later = 0.0
        clock._wall = lambda: time.time() + jump + later
        clock._monotonic = lambda: time.monotonic() + later

        def code() -> str:
            return own.code_at(clock.now())

        for passed in (0.0, 59.0):
            later = passed
            assert await in_(own, PASSWORD + code()) == LATER
            assert passes(await in_(own, secret))
        later = 61.0
        assert passes(await in_(own, PASSWORD + code()))
        assert await alive(client)
        client.close()
