"""Starting, dying and rising: what clients and the record see of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.store.sessions import SessionRow
from tests.e2e.clients import Login
from tests.e2e.daemon import listening
from tests.e2e.guard import Guard, serving
from tests.e2e.load import AT_ONCE, app_password, under_load
from tests.e2e.programs import (
    Program,
    answered,
    connected,
    dead,
    entered,
    failed,
    granted,
    greeted,
    only,
    until,
    workers,
)
from tests.e2e.restart import kill_everything, restarted
from tests.e2e.scripted import Passwords, Stage, names
from tests.e2e.traces import assert_none_told
from tests.support.certs import Authority, Issued
from tests.support.worker import eventually

IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION
UP_AGAIN_SECONDS = 30.0  # a store in trouble is probed every 5 s, and the other worker reads what was found 1 s later


@pytest.fixture
def stage(authority: Authority, localhost: Issued) -> Stage:
    """Stores that are not open yet."""
    return Stage(authority, localhost, Passwords(names(5)))


@pytest.fixture
def guard(stage: Stage, tmp_path: Path) -> Iterator[Guard]:
    """A guard with login own."""
    with stage.playing(), serving(stage.stack, tmp_path, "own", {"throttle": {"failure_delay": "0s"}}) as guard:
        yield guard


async def _open_everywhere(guard: Guard) -> bool:
    """Does every worker greet clients at both doors?"""
    for worker in workers(guard):
        for protocol in MailProtocol:
            with only(guard, worker):
                greeting = await greeted(guard, protocol)
            if not greeting.startswith((b"* OK", b"220")):
                return False
    return True


async def _entered_at(guard: Guard, worker: int, protocol: MailProtocol, login: Login) -> Program:
    """A program that is in, by way of this worker."""
    with only(guard, worker):
        program = await connected(guard, protocol)
    answer = await program.log_in(login)
    assert granted(answer), answer
    return program


async def test_it_starts_before_stores_that_are_down_and_works_once_they_are_up(stage: Stage, tmp_path: Path) -> None:
    with serving(stage.stack, tmp_path, "own") as guard:
        for worker in workers(guard):
            with only(guard, worker):
                assert (await greeted(guard, IMAP)).startswith(b"* BYE ")
                assert (await greeted(guard, SUBMISSION)).startswith(b"421 4.3.2 ")
        with stage.playing():
            async with asyncio.timeout(UP_AGAIN_SECONDS):
                while not await _open_everywhere(guard):  # noqa: ASYNC110  (each look is a connection)
                    await asyncio.sleep(0.2)
            login = (await guard.enrolled()).login()
            for protocol in MailProtocol:
                program = await entered(guard, protocol, login)
                assert await program.alive()
                program.close()
            sender = await connected(guard, SUBMISSION)
            assert b"250-CHUNKING" in sender.said
            sender.close()


async def test_a_killed_worker_takes_its_own_sessions_along_and_no_client_is_refused(guard: Guard) -> None:
    doomed, survivor = workers(guard)
    login = (await guard.enrolled()).login()
    lost = await _entered_at(guard, doomed, IMAP, login)
    kept = [await _entered_at(guard, survivor, protocol, login) for protocol in MailProtocol]
    async with guard.records() as records:

        async def all_three() -> list[SessionRow]:
            rows = await records.sessions.list()
            return [row for row in rows if row.pid == doomed] if len(rows) == 3 else []

        async def swept() -> bool:
            return doomed not in {row.pid for row in await records.sessions.list()}

        (row,) = await eventually(all_three)
        os.kill(doomed, signal.SIGKILL)
        await until(lambda: dead(doomed))
        knocks = 0
        while knocks < 20 or len(workers(guard)) < 2:
            assert (await greeted(guard, (IMAP, SUBMISSION)[knocks % 2])).startswith((b"* OK", b"220"))
            knocks += 1
        await lost.end()
        assert all([await program.alive() for program in kept])
        await eventually(swept)
        ended = [e.row for e in await records.audit.list() if e.row.event is Event.SESSION_ENDED]
        assert [(row.session, row.reason) for row in ended] == [(row.id, "worker-died")]
    (new,) = set(workers(guard)) - {survivor}
    guard.log.wait_for(rf'"worker died", "pid": {doomed}')
    program = await _entered_at(guard, new, IMAP, login)
    for each in (program, *kept):
        each.close()


async def test_a_worker_killed_under_load_loses_its_own_sessions_and_no_others(guard: Guard) -> None:
    doomed, survivor = workers(guard)
    login = await app_password(guard)
    lost, kept = [[await _entered_at(guard, pid, each, login) for each in MailProtocol] for pid in (doomed, survivor)]
    async with under_load(guard, login) as load:
        os.kill(doomed, signal.SIGKILL)
        await until(lambda: len(set(workers(guard)) - {doomed}) == 2)
        await load.more()
    assert not any(isinstance(failure, ConnectionRefusedError) for failure in load.failed)
    assert len(load.failed) <= AT_ONCE, "each client can have been at the dead one once"
    for program in lost:
        await program.end()
    assert all([await program.alive() for program in kept])
    async with guard.records() as records:

        async def swept() -> bool:
            return doomed not in {row.pid for row in await records.sessions.list()}

        await eventually(swept)
        orphaned = [e.row for e in await records.audit.list() if e.row.reason == "worker-died"]
    assert {row.detail for row in orphaned} == {f"process {doomed} is gone"}
    for program in kept:
        program.close()


async def test_workers_do_not_outlive_a_killed_supervisor(guard: Guard) -> None:
    alone = workers(guard)
    programs = [await entered(guard, IMAP, (await guard.enrolled()).login()) for _ in range(2)]
    os.kill(guard.process.pid, signal.SIGKILL)
    for program in programs:
        await program.end()
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in alone))
    assert not listening(guard.imap_port)
    async with guard.records() as records:
        assert await records.sessions.list() == ()
        ended = [e.row.reason for e in await records.audit.list() if e.row.event is Event.SESSION_ENDED]
    assert ended == ["shutdown"] * 2


async def test_what_was_acknowledged_outlives_a_kill_of_everything(stage: Stage, tmp_path: Path) -> None:
    once = {"throttle": {"failure_delay": "0s"}, "policy": {"grant_limit": "0"}}
    with stage.playing(master=True), serving(stage.stack, tmp_path, "master", once) as guard:
        person = await guard.enrolled()
        secret, spent = await guard.issued(person.user), person.login()
        of_app_password = Login(person.user.name, secret)
        programs = [await entered(guard, SUBMISSION, of_app_password)]
        guard.cli("app-password", "revoke", person.user.name, "--all", "--yes")
        programs.append(await entered(guard, IMAP, spent))
        kill_everything(guard)
        for program in programs:
            await program.end()
        with restarted(guard) as second:
            assert b"was revoked" in await answered(second, IMAP, of_app_password)
            assert failed(await answered(second, IMAP, spent))
            async with second.records() as records:
                rows = [entry.row for entry in await records.audit.list(person.user.name)]
                assert await records.sessions.list() == ()
            assert [row.reason for row in rows[-2:]] == ["app-password-revoked", "code-reused"]
            assert_none_told(second, [secret])
