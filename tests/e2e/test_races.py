"""One code, two workers, two addresses: one winner. One code, one address, five connections: all in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from tests.e2e.clients import Login
from tests.e2e.guard import Guard, serving
from tests.e2e.programs import Program, connected, failed, granted, only, standing, until, workers
from tests.e2e.scripted import Meeting, Stage, names
from tests.e2e.traces import assert_none_told
from tests.support.certs import Authority, Issued
from tests.support.worker import eventually

IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION
HERE, THERE = "127.0.0.2", "127.0.0.3"
DOORS = ((IMAP, IMAP), (SUBMISSION, SUBMISSION), (IMAP, SUBMISSION), (SUBMISSION, IMAP))
RACES, AT_ONCE = 100, 20
LOGINS = {Event.LOGIN_GRANTED, Event.LOGIN_REFUSED, Event.LOGIN_DEFERRED}


@pytest.fixture(scope="module")
def held(authority: Authority, localhost: Issued, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """A guard before stores that answer two logins for one name together."""
    stage = Stage(authority, localhost, Meeting(names(RACES)))
    now = {"throttle": {"failure_delay": "0s"}}
    with stage.playing(), serving(stage.stack, tmp_path_factory.mktemp("races"), "own", now) as guard:
        yield guard
        assert_none_told(guard)


@dataclass(frozen=True, slots=True)
class Racer:
    """One of two with the same string: where it comes from, and the worker that serves it."""

    program: Program
    login: Login
    worker: int


async def test_one_code_from_two_addresses_at_two_workers_opens_one_session_a_hundred_times(held: Guard) -> None:
    winners: Counter[int] = Counter()
    for first in range(0, RACES, AT_ONCE):
        races = await _at_the_start(held, [DOORS[number % len(DOORS)] for number in range(first, first + AT_ONCE)])
        answers = await asyncio.gather(*(_run(race) for race in races))
        assert [sorted(map(granted, both)) for both in answers] == [[False, True]] * AT_ONCE, answers
        assert [sorted(map(failed, both)) for both in answers] == [[False, True]] * AT_ONCE, answers
        winning = [race[granted(second)] for race, (_, second) in zip(races, answers, strict=True)]
        inside = {winner.login.name: winner for winner in winning}
        assert all(await asyncio.gather(*(winner.program.alive() for winner in inside.values())))
        await until(lambda: _legs(held) == AT_ONCE)  # the losers' are closed
        await _recorded(held, inside)
        winners.update(winner.worker for winner in inside.values())
        for racer in (racer for race in races for racer in race):
            racer.program.close()
        await until(lambda: _legs(held) == 0)
    assert winners.total() == RACES
    assert set(winners) == set(workers(held))


async def _at_the_start(guard: Guard, doors: Sequence[tuple[MailProtocol, MailProtocol]]) -> list[tuple[Racer, Racer]]:
    """Pairs that have been greeted, the two of each by different workers, and hold one string."""
    one, two = workers(guard)
    people = [await guard.enrolled() for _ in doors]
    places = [(one, two) if number % 2 else (two, one) for number in range(len(doors))]
    programs: dict[tuple[int, int], Program] = {}
    for worker in (one, two):
        with only(guard, worker):
            for number, place in enumerate(places):
                which = place.index(worker)
                programs[number, which] = await connected(guard, doors[number][which], (HERE, THERE)[which])
    logins = [person.login() for person in people]
    return [
        (
            Racer(programs[number, 0], login, places[number][0]),
            Racer(programs[number, 1], login, places[number][1]),
        )
        for number, login in enumerate(logins)
    ]


async def _run(race: tuple[Racer, Racer]) -> tuple[bytes, bytes]:
    one, two = await asyncio.gather(*(racer.program.log_in(racer.login) for racer in race))
    return one, two


async def _recorded(guard: Guard, inside: dict[str, Racer]) -> None:
    """The record tells of one winner a race, and the list of sessions names the worker that we meant."""
    async with guard.records() as records:
        for name in inside:
            rows = [entry.row for entry in await records.audit.list(name) if entry.row.event in LOGINS]
            assert sorted((row.event, row.reason) for row in rows) == [
                (Event.LOGIN_GRANTED, ""),
                (Event.LOGIN_REFUSED, "replay"),
            ]

        async def all_listed() -> dict[str, int]:
            listed = {row.account: row.pid for row in await records.sessions.list() if row.account in inside}
            return listed if len(listed) == len(inside) else {}

        assert await eventually(all_listed) == {name: winner.worker for name, winner in inside.items()}


def _legs(guard: Guard) -> int:
    """How many connections to the stores stand."""
    return standing(guard.stack.imap_own_port, guard.stack.submission_port)


FIVE = ((IMAP,) * 5, (SUBMISSION,) * 5, (IMAP, SUBMISSION, IMAP, SUBMISSION, IMAP))


@pytest.mark.parametrize("login", ["own", "master"])
async def test_five_connections_with_one_string_from_one_address_are_all_in(
    login: str, guard_own: Guard, guard_master: Guard
) -> None:
    guard = guard_own if login == "own" else guard_master
    households = [await _household(guard, doors) for doors in FIVE]
    away = [await connected(guard, doors[0], THERE) for doors in FIVE]
    strings = [(await guard.enrolled()).login() for _ in FIVE]
    together = [
        program.log_in(string) for programs, string in zip(households, strings, strict=True) for program in programs
    ]
    answers = await asyncio.gather(*together)
    assert all(map(granted, answers)), answers
    for programs in households:
        assert all([await program.alive() for program in programs])
    answers = await asyncio.gather(*(program.log_in(string) for program, string in zip(away, strings, strict=True)))
    assert all(map(failed, answers)), answers
    for program in (*away, *(program for programs in households for program in programs)):
        program.close()


async def _household(guard: Guard, doors: Sequence[MailProtocol]) -> list[Program]:
    """Programs behind one address, at both workers by turns."""
    programs = []
    for number, protocol in enumerate(doors):
        with only(guard, workers(guard)[number % 2]):
            programs.append(await connected(guard, protocol, HERE))
    return programs
