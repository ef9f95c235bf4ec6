"""The portal's own HTTP server: an honest client is served whatever others do, and they are not waited for."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from mailguard.net.listener import Lobby
from mailguard.net.stream import Stream, connect
from mailguard.web.connection import Patience
from mailguard.web.server import HttpServer
from tests.support.certs import Authority, Issued
from tests.support.streams import Tls, listening, read_all, read_until

pytestmark = pytest.mark.both_loops

LONG = Patience(handshake=60, headers=60, idle=60, body=60, taking=60, parting=0.2)
SHORT = 0.2
AMPLE = 1.5  # where the client does something honest within it first, on a busy machine too
BIG = bytes(range(256)) * 2**16 + b"end"
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


class Pages:
    """An application: /big is more than buffers hold, /wait waits to be told, /break fails, all else says its path."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.begun, self.waiting, self.go_on, self.cut = (asyncio.Event() for _ in range(4))

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        path: str = scope["path"]
        self.asked.append(path)
        self.begun.set()
        body = b""
        while (part := await receive())["type"] == "http.request":
            body += part["body"]
            if not part["more_body"]:
                break
        else:
            self.cut.set()
            return
        if path == "/break":
            raise RuntimeError("password")
        if path == "/wait":
            self.waiting.set()
            await self.go_on.wait()
        said = BIG if path == "/big" else path.encode() + b" " + body + b" from " + scope["client"][0].encode()
        headers = [(b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": said})


class Site:
    """A running server and clients of it."""

    def __init__(self, tls: Tls, patience: Patience, lobby: Lobby) -> None:
        self.tls, self.lobby, self.pages = tls, lobby, Pages()
        sock = listening()
        self.address: tuple[str, int] = sock.getsockname()
        self.server = HttpServer(
            sock,
            self.pages,  # type: ignore[arg-type]  # without uvicorn's own types
            context=lambda: tls.server,
            network=lambda peer: peer[0],
            lobby=lobby,
            patience=patience,
        )
        self.server.start()
        self.stopped = False

    async def stop(self, drain: float, hurry: asyncio.Event | None = None) -> None:
        """Once; further calls do nothing."""
        if not self.stopped:
            self.stopped = True
            await self.server.stop(drain, hurry)

    async def client(self) -> Stream:
        """Connected, through the handshake."""
        return await connect(*self.address, context=self.tls.client, server_hostname="localhost", timeout=20)

    async def get(self, path: str = "honest") -> bytes:
        """What an honest client gets."""
        stream = await self.client()
        stream.write(GET % path.encode())
        answer = await read_until(stream, b"127.0.0.1")
        await stream.close()
        return answer


@pytest.fixture(scope="module")
def tls(authority: Authority, localhost: Issued) -> Tls:
    return Tls.of(authority, localhost)


@pytest.fixture(autouse=True)
def quiet_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No stranger may make the event loop or uvicorn write lines."""
    yield
    lines = [r.getMessage() for r in caplog.get_records("call") if r.name.startswith(("asyncio", "uvicorn"))]
    assert not [line for line in lines if not line.startswith("Exception in ASGI application")]


@pytest.fixture
async def site_of(tls: Tls) -> AsyncIterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(lobby: Lobby | None = None, **patience: float) -> Site:
        sites.append(
            Site(tls, replace(LONG, **patience), Lobby(overall=1000, per_network=1000) if lobby is None else lobby)
        )
        return sites[-1]

    async with asyncio.timeout(60):
        yield make
        for site in sites:
            await site.stop(0)


@asynccontextmanager
async def plain(site: Site) -> AsyncIterator[socket.socket]:
    """A socket that is connected and has said nothing."""
    with socket.socket() as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, site.address)
        yield sock


async def ended(sock: socket.socket) -> bool:
    """Wait until the server has closed or reset it."""
    try:
        while await asyncio.get_running_loop().sock_recv(sock, 4096):
            pass
    except ConnectionError:
        pass
    return True


async def test_an_answer_says_when_and_nothing_about_the_server(site_of: Callable[..., Site]) -> None:
    answer = (await site_of().get()).lower()
    assert answer.startswith(b"http/1.1 200 ok\r\n")
    assert b"\r\ndate: " in answer
    assert b"\r\nserver:" not in answer
    assert answer.endswith(b"/honest  from 127.0.0.1")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /slow HTTP/1.1\r\nHost: loc", id="half a head"),
    ],
)
async def test_who_does_not_finish_the_head_is_cut(site_of: Callable[..., Site], said: bytes) -> None:
    site = site_of(headers=AMPLE)
    slow = await site.client()
    slow.write(said)
    assert await read_all(slow) == b""
    assert not site.pages.asked
    assert b"200 OK" in await site.get()


async def test_an_octet_now_and_then_buys_no_time(site_of: Callable[..., Site]) -> None:
    site = site_of(headers=SHORT)
    slow = await site.client()

    async def drip() -> None:
        for octet in GET % (b"x" * 10_000):
            slow.write(bytes([octet]))
            await asyncio.sleep(SHORT / 20)

    async with asyncio.TaskGroup() as group:
        dripping = group.create_task(drip())
        assert await read_all(slow) == b""
        dripping.cancel()
    assert not site.pages.asked


async def test_who_does_not_finish_the_body_is_cut_and_the_page_told(site_of: Callable[..., Site]) -> None:
    site = site_of(body=AMPLE)
    slow = await site.client()
    slow.write(POST % (b"form", 100) + b"password=")
    assert await read_all(slow) == b""
    await site.pages.cut.wait()
    assert b"200 OK" in await site.get()


async def test_a_page_may_take_longer_than_a_client(site_of: Callable[..., Site]) -> None:
    site = site_of(headers=AMPLE, idle=AMPLE, body=AMPLE)
    patient = await site.client()
    patient.write(GET % b"wait")
    await site.pages.waiting.wait()
    await asyncio.sleep(AMPLE * 1.2)  # every deadline of a client passes meanwhile
    site.pages.go_on.set()
    assert (await read_until(patient, b"127.0.0.1")).startswith(b"HTTP/1.1 200 OK")
    await patient.close()


async def test_between_two_requests_is_little_time(site_of: Callable[..., Site]) -> None:
    site = site_of(idle=AMPLE)
    client = await site.client()
    for _ in range(2):
        client.write(GET % b"more")
        assert b"200 OK" in await read_until(client, b"127.0.0.1")
    assert await read_all(client) == b""


async def test_a_further_request_that_has_begun_has_the_time_of_a_first(site_of: Callable[..., Site]) -> None:
    site = site_of(headers=AMPLE)
    client = await site.client()
    client.write(GET % b"one" + b"GET /two HT")
    assert b"200 OK" in await read_until(client, b"127.0.0.1")
    assert await read_all(client) == b""
    assert site.pages.asked == ["/one"]


async def test_who_does_not_read_is_cut(site_of: Callable[..., Site]) -> None:
    site = site_of(taking=SHORT)
    deaf = await site.client()  # its own buffer fills, and then the kernel's
    deaf.write(GET % b"big")
    while len(site.lobby):  # noqa: ASYNC110  (a cut connection holds no event for the client that does not read)
        await asyncio.sleep(0.01)
    assert b"200 OK" in await site.get()
    deaf.abort()


async def test_a_page_of_many_pieces_arrives_whole(site_of: Callable[..., Site]) -> None:
    site = site_of()
    client = await site.client()
    client.write(b"GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head, _, body = (await read_all(client)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == BIG


async def test_who_does_not_speak_tls_is_cut(site_of: Callable[..., Site]) -> None:
    site = site_of(handshake=AMPLE)
    async with plain(site) as silent, plain(site) as in_clear:
        await asyncio.get_running_loop().sock_sendall(in_clear, GET % b"clear")
        assert await ended(in_clear)
        assert await ended(silent)
    assert not site.pages.asked
    assert b"200 OK" in await site.get()


async def test_five_hundred_who_sit_there_stay_under_the_cap(site_of: Callable[..., Site]) -> None:
    """Half of them in the midst of the handshake; an honest client passes before, among and after them."""
    cap = 20
    site = site_of(Lobby(overall=cap, per_network=cap))
    regular = await site.client()
    sitting: list[socket.socket] = []
    try:
        for number in range(500):
            sock = socket.socket()
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, site.address)
            sitting.append(sock)
            if number % 10 == 0:
                regular.write(GET % b"regular")
                assert b"200 OK" in await read_until(regular, b"127.0.0.1")
                assert len(site.lobby) <= cap
        assert b"200 OK" in await site.get()
        for shed in sitting[:400]:
            assert await ended(shed)
    finally:
        for sock in sitting:
            sock.close()
    await regular.close()


async def test_pipelined_requests_are_answered_in_order(site_of: Callable[..., Site]) -> None:
    site = site_of()
    client = await site.client()
    client.write(GET % b"a" + POST % (b"b", 3) + b"xyz" + GET % b"c")
    answers = b""
    while answers.count(b"127.0.0.1") < 3:
        answers += await client.read()
    places = [answers.index(said) for said in (b"/a  from", b"/b xyz from", b"/c  from")]
    assert places == sorted(places)
    await client.close()


async def test_a_websocket_is_a_page_like_others(site_of: Callable[..., Site]) -> None:
    site = site_of()
    client = await site.client()
    client.write(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert (await read_until(client, b"127.0.0.1")).startswith(b"HTTP/1.1 200 OK")
    await client.close()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\x16\x03\x01 nonsense\r\n\r\n", id="nonsense"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000, id="a head too long"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", id="two lengths"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", id="another coding"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", id="a space before the colon"),
    ],
)
async def test_what_is_no_request_ends_the_connection(site_of: Callable[..., Site], said: bytes) -> None:
    site = site_of()
    client = await site.client()
    client.write(said)
    assert (await read_all(client)).startswith(b"HTTP/1.1 400 ")
    assert not site.pages.asked


async def test_nonsense_within_a_body_ends_the_request(site_of: Callable[..., Site]) -> None:
    site = site_of()
    client = await site.client()
    client.write(b"POST /form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n")
    assert (await read_all(client)).count(b"HTTP/1.1") == 1
    await site.pages.cut.wait()


async def test_a_page_that_fails_says_nothing_of_why(
    site_of: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of()
    client = await site.client()
    client.write(GET % b"break")
    answer = await read_all(client)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"password" not in answer
    assert "Exception in ASGI application" in caplog.text


async def test_at_the_end_requests_in_hand_are_answered(site_of: Callable[..., Site]) -> None:
    site = site_of()
    idle, busy = await site.client(), await site.client()
    busy.write(GET % b"wait")
    await site.pages.waiting.wait()
    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(site.stop(60))
        assert await read_all(idle) == b""
        with pytest.raises(ConnectionRefusedError):
            await site.client()
        assert not stopping.done()
        site.pages.go_on.set()
        assert b"/wait  from" in await read_all(busy)


async def test_at_the_end_whoever_has_just_come_is_answered_and_whoever_lingers_is_not_waited_for(
    site_of: Callable[..., Site],
) -> None:
    site = site_of(parting=60)
    late, lingering = await site.client(), await site.client()
    lingering.write(GET % b"once")
    await read_until(lingering, b"127.0.0.1")
    async with asyncio.TaskGroup() as group:
        group.create_task(site.stop(60))
        assert await read_all(lingering) == b""
        late.write(GET % b"late")
        assert b"/late  from" in await read_all(late)
        await lingering.close()


async def test_an_end_does_not_wait_for_ever(site_of: Callable[..., Site], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site = site_of()
    slow = await site.client()
    slow.write(POST % (b"form", 100) + b"password=")
    await site.pages.begun.wait()
    await site.stop(SHORT)
    assert await read_all(slow) == b""
    await site.pages.cut.wait()


async def test_in_a_hurry_it_ends_at_once(site_of: Callable[..., Site]) -> None:
    site, hurry = site_of(), asyncio.Event()
    slow = await site.client()
    slow.write(POST % (b"form", 100))
    await site.pages.begun.wait()
    hurry.set()
    await site.stop(600, hurry)
    assert await read_all(slow) == b""
