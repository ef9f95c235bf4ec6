"""Names of servers: looked up once for a while, and again as soon as nobody answers."""

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest

from mailguard.net import addresses
from mailguard.net.addresses import connected

STORE = "store.example.org"
HERE, GONE = "127.0.0.1", "127.0.0.9"

LookUps = list[tuple[str, ...]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[LookUps]:
    """What the next look-ups of STORE find; each takes one away."""
    left: LookUps = []
    real: Callable[..., object] = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: object, **more: object) -> object:
        if host != STORE:
            return real(host, port, *rest, **more)
        found = left.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(addresses, "_known", {})
    yield left
    assert left == []


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server((HERE, 0)) as server:
        yield server.getsockname()[1]


async def reached(port: int) -> str:
    transport, _ = await connected(asyncio.Protocol, STORE, port)
    peer: tuple[str, int] = transport.get_extra_info("peername")
    transport.close()
    return peer[0]


async def test_a_name_is_looked_up_once_for_a_while(answers: LookUps, port: int) -> None:
    answers.append((HERE,))
    assert [await reached(port) for _ in range(3)] == [HERE] * 3


async def test_and_then_again(answers: LookUps, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "KEPT", 0.0)
    answers += [(HERE,)] * 3
    assert [await reached(port) for _ in range(3)] == [HERE] * 3


async def test_the_first_address_that_answers_is_taken(answers: LookUps, port: int) -> None:
    answers.append((GONE, HERE))
    assert [await reached(port) for _ in range(2)] == [HERE] * 2


async def test_a_store_that_is_down_is_asked_once(answers: LookUps, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answers.append((HERE,))
    await reached(port)
    loop = asyncio.get_running_loop()
    tried: list[str] = []

    async def refused(_: object, host: str, port: int) -> None:
        tried.append(host)
        raise ConnectionRefusedError(host)

    monkeypatch.setattr(loop, "create_connection", refused)
    answers.append((HERE,))
    with pytest.raises(ConnectionRefusedError):
        await reached(port)
    assert tried == [HERE]


@pytest.mark.parametrize(
    ("address", "written"),
    [
        (("192.0.2.7", 993), "192.0.2.7"),
        (("2001:db8::7", 993, 0, 0), "2001:db8::7"),
        (("fe80::7", 993, 0, 2), "fe80::7%2"),
    ],
)
def test_an_address_keeps_its_link(address: tuple[object, ...], written: str) -> None:
    assert addresses._written(address) == written


async def test_a_store_that_moved_is_found_at_once(answers: LookUps, port: int) -> None:
    answers += [(HERE,), (GONE,)]
    assert await reached(port) == HERE
    (key,) = addresses._known
    addresses._known[key] = addresses._known[key][0], (GONE,)
    with pytest.raises(OSError, match=GONE):
        await reached(port)
    addresses._known[key] = addresses._known[key][0], (GONE,)
    answers.append((HERE,))
    assert await reached(port) == HERE
