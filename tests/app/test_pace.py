"""Many clients that come at once wait for the store in line, and the wait counts against nobody."""

from __future__ import annotations

import asyncio

import pytest

from mailguard.auth.attempt import MailProtocol
from mailguard.backends.pace import Dials, Pace
from mailguard.observe.families import DIALS_WAITING
from mailguard.protocols.codes import BUSY
from mailguard.proxy.gauges import Gauges
from tests.app.conftest import Start
from tests.support.hostile_store import ImapStore
from tests.support.worker import ANN, MASTER, MASTER_SECRET, PASSWORD, Client, Running, eventually

LATER = b"a NO [UNAVAILABLE] " + BUSY.encode()


@pytest.fixture
async def gate(own: Running) -> asyncio.Event:
    """Whoever has to wait in the line before the stores waits for this."""
    opened = asyncio.Event()

    async def held(_: float) -> None:
        await opened.wait()

    own.worker.house.dials = Dials(lambda: 0.0, lambda: Pace(rate=1, burst=2, line=5.0), held)
    return opened


async def _come(running: Running, password: str) -> tuple[Client, asyncio.Future[bytes]]:
    client = await running.client()
    return client, asyncio.ensure_future(client.log_in(password))  # noqa: TID251


@pytest.mark.parametrize("way", ["password", "app password"])
async def test_whoever_waits_in_line_gets_in_and_nobody_is_blamed(own: Running, gate: asyncio.Event, way: str) -> None:
    secret = PASSWORD
    if way == "app password":
        secret = (await own.app_password(sealed=PASSWORD))[1]
    house = own.worker.house
    came = [await _come(own, secret) for _ in range(6)]

    async def four_wait() -> bool:
        return house.dials.waiting == 4

    await eventually(four_wait)
    gauges = Gauges(house, lambda: 0.0, lambda: 0.0)
    await gauges.look()
    assert house.meters.own.read(DIALS_WAITING) == 4
    gate.set()
    answers = await asyncio.gather(*(answer for _, answer in came))
    assert [answer[:4] for answer in answers] == [b"a OK"] * 6
    assert set(await own.reasons()) == {""}
    mirror = house.mirrors[MailProtocol.IMAP]
    assert not mirror.down
    assert not mirror.troubled
    assert house.dials.waiting == 0
    for client, _ in came:
        client.close()


async def test_where_the_line_is_too_long_the_answer_is_later_and_nothing_is_counted(
    own: Running, gate: asyncio.Event
) -> None:
    came = [await _come(own, PASSWORD) for _ in range(8)]  # two at once, five in line

    async def one_sent_away() -> bool:
        return sum(answer.done() for _, answer in came) == 3 and own.worker.house.dials.waiting == 5

    await eventually(one_sent_away)
    gate.set()
    answers = await asyncio.gather(*(answer for _, answer in came))
    assert sorted(answer == LATER for answer in answers) == [False] * 7 + [True]
    assert sorted(await own.reasons()) == [""] * 7 + ["backend-unavailable"]
    assert not own.worker.house.mirrors[MailProtocol.IMAP].troubled
    for client, _ in came:
        client.close()


async def test_the_listener_that_knows_passwords_has_a_line_too(start: Start) -> None:
    boxes = ImapStore(users={ANN: "never asked"}, masters={MASTER: MASTER_SECRET})
    async with start(imap=boxes, identity=ImapStore(users={ANN: PASSWORD}), login="master") as running:
        running.worker.house.dials = Dials(lambda: 0.0, lambda: Pace(rate=1, burst=1, line=0.5))
        client, answer = await _come(running, PASSWORD)
        assert (await answer).startswith(b"a OK")  # one question and one leg: two lines
        client.close()
        client, answer = await _come(running, PASSWORD)
        assert await answer == LATER
        client.close()
        assert await running.reasons() == ["", "backend-unavailable"]
