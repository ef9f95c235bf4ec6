"""A few at a time, a name and a network; nobody waits for another's."""

import asyncio
from contextlib import ExitStack

import pytest

from mailguard.auth.ports import Crowded
from mailguard.net.tasks import Tasks
from mailguard.proxy.turns import Most, Turns

ANN, BOB, HOME, AWAY = "ann@example.org", "bob@example.org", "192.0.2.7/32", "198.51.100.9/32"


async def test_the_next_one_waits_until_a_turn_ends() -> None:
    turns, tasks, inside = Turns(at_once=2), Tasks(), asyncio.Event()

    async def third() -> None:
        async with turns.take(ANN, HOME):
            inside.set()

    async with turns.take(ANN, HOME):
        async with turns.take(ANN, HOME):
            waiting = tasks.spawn(third(), name="third")
            await asyncio.sleep(0)
            assert not inside.is_set()
        await waiting
    assert len(turns) == 0


@pytest.mark.parametrize("other", [(BOB, HOME), (ANN, AWAY)])
async def test_nobody_waits_for_another_name_or_network(other: tuple[str, str]) -> None:
    turns = Turns(at_once=1)
    async with asyncio.timeout(5), turns.take(ANN, HOME), turns.take(*other):
        assert len(turns) == 2


async def test_whoever_gives_up_waiting_is_forgotten() -> None:
    turns = Turns(at_once=1)
    async with turns.take(ANN, HOME):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), turns.take(ANN, HOME):
                pytest.fail("it was not its turn")
    async with asyncio.timeout(5), turns.take(ANN, HOME):
        pass
    assert len(turns) == 0


async def test_behind_the_first_all_wait_until_somebody_has_passed() -> None:
    turns, tasks, go = Turns(at_once=3), Tasks(), asyncio.Event()
    inside: list[int] = []

    async def device(number: int, *, passes: bool) -> None:
        async with turns.behind_first(ANN, "vault") as passed:
            inside.append(number)
            if passes:
                passed()
                passed()  # by two at once: the turns do not grow by it
            await go.wait()
            go.clear()

    waiting = [tasks.spawn(device(number, passes=number == 1), name="device") for number in range(6)]
    await asyncio.sleep(0)
    assert inside == [0]
    go.set()
    await asyncio.sleep(0)
    await asyncio.wait([waiting[0]])
    for _ in range(3):
        await asyncio.sleep(0)
    assert inside == [0, 1, 2, 3]
    for task in waiting[1:]:
        while not task.done():
            go.set()
            await asyncio.sleep(0)
    assert sorted(inside) == list(range(6))
    assert len(turns) == 0


@pytest.mark.parametrize(
    ("most", "places", "others"),
    [
        (Most(of_name=2), [(ANN, HOME)] * 2, [(ANN, AWAY), (BOB, HOME)]),
        (Most(of_network=2), [(ANN, HOME), (BOB, HOME)], [(ANN, AWAY)]),
        (Most(overall=2), [(ANN, HOME), (BOB, AWAY)], []),
    ],
)
def test_so_many_wait_and_no_more(most: Most, places: list[tuple[str, str]], others: list[tuple[str, str]]) -> None:
    turns = Turns(most=most)
    with ExitStack() as inside:
        for place in places:
            inside.enter_context(turns.room(*place))
        for _ in range(3):  # whoever is turned away takes nobody's place, and leaves none behind
            with pytest.raises(Crowded), turns.room(ANN, HOME):
                pytest.fail("there was no room")
        for place in others:
            inside.enter_context(turns.room(*place))
    with turns.room(ANN, HOME):
        pass
    assert len(turns) == 0
