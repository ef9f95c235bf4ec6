"""SIGUSR2: the next generation takes over the same doors, and whoever comes meanwhile notices nothing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from tests.e2e.daemon import eventually as soon
from tests.e2e.daemon import free_ports, listening
from tests.e2e.guard import ACTOR, Guard, Tables, serving
from tests.e2e.load import app_password, under_load
from tests.e2e.programs import children, connected, dead, entered, until
from tests.e2e.scripted import Passwords, Stage, names
from tests.e2e.traces import assert_none_told
from tests.support.certs import Authority, Issued
from tests.support.worker import eventually

IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION
LONG: Tables = {"throttle": {"failure_delay": "0s"}, "server": {"drain": "10m"}}
SHORT: Tables = {"throttle": {"failure_delay": "0s"}, "server": {"drain": "1s"}}


@pytest.fixture
def stage(authority: Authority, localhost: Issued) -> Iterator[Stage]:
    """Open stores."""
    stage = Stage(authority, localhost, Passwords(names(5)))
    with stage.playing():
        yield stage


@pytest.fixture
def guard(stage: Stage, tmp_path: Path) -> Iterator[Guard]:
    """A guard whose drain takes longer than any test."""
    with serving(stage.stack, tmp_path, "own", LONG) as guard:
        yield guard
        assert_none_told(guard)
        _end(guard)


@pytest.fixture
def whole(stage: Stage, tmp_path: Path) -> Iterator[tuple[Guard, int]]:
    """The same with a portal, and a monitor at this port."""
    (port,) = free_ports(1)
    watched: Tables = {**LONG, "observe": {"metrics": f"127.0.0.1:{port}"}}
    with serving(stage.stack, tmp_path, "own", watched, portal=True) as guard:
        yield guard, port
        assert_none_told(guard)
        _end(guard)


def _next_ones(guard: Guard) -> list[int]:
    """The supervisors of all generations but the first."""
    return [int(pid) for pid in re.findall(r'"handing over", "pid": (\d+)', guard.log.since())]


def _end(guard: Guard) -> None:
    """End all generations: the test run knows the first one alone."""
    os.killpg(guard.process.pid, signal.SIGKILL)
    assert soon(lambda: all(dead(pid) for pid in _next_ones(guard)), 10)


async def _handed_over(guard: Guard, pid: int) -> int:
    """Let this generation hand over; the process id of the next one."""
    mark = guard.log.mark()
    os.kill(pid, signal.SIGUSR2)
    found = await asyncio.to_thread(guard.log.wait_for, r'"handed over", "pid": (\d+)', mark)
    return int(found[1])


def _readiness(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
        return int(answer.status)


async def _served_by(guard: Guard, port: int) -> int:
    """The worker of the session whose client has this port."""
    async with guard.records() as records:

        async def listed() -> list[int]:
            return [row.pid for row in await records.sessions.list() if row.port == port]

        (pid,) = await eventually(listed)
        return pid


async def test_two_hand_overs_under_load_refuse_nobody_and_cut_no_session(whole: tuple[Guard, int]) -> None:
    guard, monitor = whole
    login = await app_password(guard)
    before = [await entered(guard, protocol, login) for protocol in MailProtocol]
    greeted = await connected(guard, IMAP)  # in the middle of its login
    async with under_load(guard, login) as load:
        second = await _handed_over(guard, guard.process.pid)
        assert (await greeted.log_in(login)).startswith(b"OK"), "whoever was greeted gets in"
        await load.more()
        third = await _handed_over(guard, second)
        await load.more()
    assert load.failed == []
    assert all([await program.alive() for program in (*before, greeted)])
    await until(lambda: dead(second))  # nobody has stayed with it
    assert [await asyncio.to_thread(_readiness, monitor) for _ in range(5)] == [200] * 5
    new = await entered(guard, IMAP, login)
    assert await _served_by(guard, new.port) in children(third)
    assert await _served_by(guard, before[0].port) in children(guard.process.pid)
    guard.process.terminate()  # wait for nobody
    for program in (*before, greeted):
        await program.end()
    await until(lambda: guard.process.poll() is not None)
    assert await new.alive()
    new.close()
    async with guard.records() as records:
        ended = [e.row for e in await records.audit.list() if e.row.event is Event.SESSION_ENDED]
    assert "worker-died" not in {row.reason for row in ended}
    assert [row.reason for row in ended].count("shutdown") == 3


async def test_what_is_revoked_ends_in_the_generation_that_drains_too(guard: Guard) -> None:
    login = await app_password(guard)
    old = await entered(guard, IMAP, login)
    await _handed_over(guard, guard.process.pid)
    new = await entered(guard, IMAP, login)
    assert await old.alive()
    async with guard.records() as records:
        (row,) = await records.app_passwords.list(AccountName(login.name))
        await records.app_passwords.revoke(AccountName(login.name), row.id, actor=ACTOR)
        for program in (old, new):
            await program.end()

        async def both() -> list[str]:
            rows = [e.row for e in await records.audit.list(login.name) if e.row.event is Event.SESSION_ENDED]
            return [row.reason for row in rows] if len(rows) == 2 else []

        assert await eventually(both) == ["revoked"] * 2


async def test_one_that_cannot_start_changes_nothing_and_the_next_one_takes_over_other_doors(guard: Guard) -> None:
    login, kept = await app_password(guard), guard.configuration.read_text()
    program = await entered(guard, IMAP, login)
    guard.configuration.write_text(kept.replace("workers = 2", "workers = 0"))
    async with under_load(guard, login) as load:
        os.kill(guard.process.pid, signal.SIGUSR2)
        told = await asyncio.to_thread(guard.log.wait_for, r'"hand-over failed, this generation goes on".*')
        assert "the lines before this one say why" in told[0]
        await load.more()
    assert load.failed == []
    assert "server.workers" in guard.log.since()
    (port,) = free_ports(1)
    closed = guard.submission_starttls_port
    guard.configuration.write_text(kept.replace(f":{closed}", f":{port}").replace("workers = 2", "workers = 1"))
    third = await _handed_over(guard, guard.process.pid)
    await until(lambda: not listening(closed))
    assert listening(port)
    assert len(children(third)) == 1
    assert await program.alive()
    program.close()


@pytest.mark.parametrize("when", ["starting", "draining"])
async def test_a_supervisor_killed_in_its_hand_over_leaves_a_guard_that_works(guard: Guard, when: str) -> None:
    login = await app_password(guard)
    program = await entered(guard, IMAP, login)
    async with under_load(guard, login) as load:
        if when == "starting":
            mark = guard.log.mark()
            os.kill(guard.process.pid, signal.SIGUSR2)
            found = await asyncio.to_thread(guard.log.wait_for, r'"handing over", "pid": (\d+)', mark)
            next_one = int(found[1])
        else:
            next_one = await _handed_over(guard, guard.process.pid)
        os.kill(guard.process.pid, signal.SIGKILL)
        if when == "draining":
            await load.more()
    if when == "draining":
        assert load.failed == []
    assert not any(isinstance(failure, ConnectionRefusedError) for failure in load.failed)
    await until(lambda: len(children(next_one)) == 2)
    again = await entered(guard, IMAP, login)
    assert await _served_by(guard, again.port) in children(next_one)
    assert await program.alive(), "its worker drains"
    for each in (program, again):
        each.close()


async def test_told_to_end_meanwhile_both_do(stage: Stage, tmp_path: Path) -> None:
    with serving(stage.stack, tmp_path, "own", SHORT) as guard:
        guard.process.send_signal(signal.SIGUSR2)
        guard.log.wait_for(r'"handing over", "pid": (\d+)')
        guard.process.send_signal(signal.SIGUSR2)
        guard.log.wait_for('"not handed over", "detail": "the hand-over before is not over"')
        guard.process.terminate()
        assert await asyncio.to_thread(guard.process.wait, 20) == 0
        (next_one,) = _next_ones(guard)
        await until(lambda: dead(next_one))
        assert not listening(guard.imap_port)
