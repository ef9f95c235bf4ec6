"""The monitor: when it says ready, what it shows of a worker, and whoever asks it oddly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailguard import config
from mailguard.app import monitor
from mailguard.app.monitor import STUCK_SECONDS, UNREAD_SECONDS, Monitor, State
from mailguard.auth.attempt import Factor, MailProtocol, Reason
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.config.connections import Server, Tls
from mailguard.net.listener import bind
from mailguard.net.stream import Stream, connect
from mailguard.observe import families
from mailguard.observe.board import Board
from mailguard.observe.families import (
    BEAT,
    GRANTED,
    LOGINS,
    NO_FACTOR,
    RECORDS_READ,
    RELAYED,
    SESSIONS,
    STOPPING,
    STORE_SINCE,
    STORE_UP,
    Direction,
)
from tests.support.certs import Issued
from tests.support.prometheus import parse
from tests.support.worker import PASSWORD, Running, eventually

NOW = 1_000_000.0
IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION


def serving(board: Board, number: int) -> None:
    """A worker that has said all that a worker in good health says."""
    own = board.worker(number).own
    own.set(BEAT, to=NOW)
    own.set(RECORDS_READ, to=NOW)
    own.set(STORE_UP, IMAP, to=1)
    own.set(STORE_UP, SUBMISSION, to=0)


def test_it_is_ready_while_anybody_serves_reads_the_records_and_sees_a_store() -> None:
    board = Board(2)
    assert not State(board, NOW).ready, "nobody has said anything"
    serving(board, 1)
    state = State(board, NOW)
    assert state.ready
    assert state.told() == "ready\nworkers: 1 of 2\nrecords: readable\nstores: imap up, submission down\n"


@pytest.mark.parametrize(
    ("family", "labels", "to"),
    [
        (BEAT, (), NOW - STUCK_SECONDS - 1),
        (RECORDS_READ, (), NOW - UNREAD_SECONDS - 1),
        (STORE_UP, (IMAP,), 0.0),
    ],
)
def test_it_is_not_where_workers_are_stuck_records_away_or_stores_down(
    family: families.Family, labels: tuple[str, ...], to: float
) -> None:
    board = Board(1)
    serving(board, 0)
    board.worker(0).own.set(family, *labels, to=to)
    state = State(board, NOW)
    assert not state.ready
    assert state.told().startswith("not ready\n")


def test_it_is_not_once_it_drains() -> None:
    board = Board(1)
    serving(board, 0)
    board.supervisor.set(STOPPING, to=NOW)
    assert not State(board, NOW).ready
    assert State(board, NOW).told().startswith("draining\n")


@dataclass
class Asked:
    """A monitor at a port, whose clock stands still."""

    board: Board
    port: int
    monitor: Monitor
    streams: list[Stream] = field(default_factory=list)

    async def connection(self) -> Stream:
        stream = await connect("127.0.0.1", self.port, context=None, server_hostname=None, timeout=30)
        self.streams.append(stream)
        return stream

    async def get(self, path: str) -> tuple[int, str]:
        stream = await self.connection()
        for octet in f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode():  # in the smallest pieces
            stream.write(bytes([octet]))
            await asyncio.sleep(0)
        heard = await _rest(stream)
        head, _, body = heard.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body.decode()


async def _rest(stream: Stream) -> bytes:
    heard = b""
    async with asyncio.timeout(30):
        while data := await stream.read():
            heard += data
    return heard


@pytest.fixture
async def asked(tmp_path: Path, localhost: Issued) -> AsyncIterator[Asked]:
    sock = bind("127.0.0.1:0")
    settings = config.Settings(
        server=Server(hostname="mail.example.org"),
        tls=Tls(certificate=localhost.certificate, private_key=localhost.key),
        file=tmp_path / "config.toml",
    )
    board = Board(1)
    served = Monitor(settings, sock, board, monotonic=lambda: NOW)
    asked = Asked(board, sock.getsockname()[1], served)
    yield asked
    await served.stop()
    for stream in asked.streams:
        stream.abort()


async def test_its_pages(asked: Asked) -> None:
    assert await asked.get("/healthz") == (200, "mailguard is up\n")
    assert (await asked.get("/readyz"))[0] == 503
    serving(asked.board, 0)
    assert (await asked.get("/readyz"))[0] == 200
    status, body = await asked.get("/metrics")
    metrics = parse(body)
    assert status == 200
    assert metrics[families.WORKERS_READY.name].samples == {(families.WORKERS_READY.name, ()): 1}
    ((_, labels),) = metrics[families.CERTIFICATE_DAYS.name].samples
    assert labels[0] == "mail.example.org"
    assert (await asked.get("/nowhere"))[0] == 404


async def test_who_says_nothing_and_who_says_too_much_is_let_go(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    flood = await asked.connection()
    flood.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000)
    assert (await _rest(flood)).startswith(b"HTTP/1.1 431 ")
    monkeypatch.setattr(monitor, "PATIENCE", 0.05)
    mute = await asked.connection()
    assert await _rest(mute) == b""


async def test_those_who_sit_there_do_not_keep_others_out(asked: Asked) -> None:
    sitting = [await asked.connection() for _ in range(monitor.CONNECTIONS + 3)]
    assert await asked.get("/healthz") == (200, "mailguard is up\n")
    for first in sitting[:3]:
        assert await _rest(first) == b"", "the oldest make room"


async def test_a_worker_shows_its_logins_sessions_and_bytes(own: Running) -> None:
    gauges, meter = own.worker._gauges, own.worker.house.meters.own

    async def shows(sessions: int) -> bool:
        await gauges.look()
        return meter.read(SESSIONS, IMAP) == sessions

    assert await shows(0)
    client = await own.client()
    assert (await client.log_in(PASSWORD)).startswith(b"a OK")
    assert meter.read(LOGINS, IMAP, GRANTED, Factor.PASSWORD) == 1
    assert await shows(1)
    assert meter.read(STORE_UP, IMAP) == 1
    before = meter.read(RELAYED, Direction.TO_STORE)
    client.say(b"n NOOP\r\n")
    assert await client.line() == b"n OK NOOP done"
    assert await shows(1)
    passed = before + len(b"n NOOP\r\n")
    assert meter.read(RELAYED, Direction.TO_STORE) == passed
    client.close()
    await eventually(lambda: shows(0))
    assert meter.read(RELAYED, Direction.TO_STORE) == passed, "what is over has been counted once"
    other = await own.client()
    assert (await other.log_in("wrong")).startswith(b"a NO")
    assert meter.read(LOGINS, IMAP, Reason.WRONG_PASSWORD, NO_FACTOR) == 1
    assert await shows(0)
    other.close()


async def test_a_store_that_fails_is_down_since_then(own: Running) -> None:
    house, gauges = own.worker.house, own.worker._gauges
    meter, mirror = house.meters.own, house.mirrors[IMAP]
    await gauges.look()
    up_since = meter.read(STORE_SINCE, IMAP)
    mirror.failed(BackendFailure(FailureKind.UNREACHABLE, "gone"))
    await gauges.look()
    down_since = meter.read(STORE_SINCE, IMAP)
    assert (meter.read(STORE_UP, IMAP), down_since > up_since) == (0, True)
    await gauges.look()
    assert meter.read(STORE_SINCE, IMAP) == down_since
