"""SIGTERM drains, SIGHUP reloads, and root is dropped once the ports are bound."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import pwd
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import mailguard
from mailguard import config, keyring
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from tests.e2e.clients import Login
from tests.e2e.daemon import Log, free_ports, listening
from tests.e2e.guard import KEYS, Guard, Tables, configure, serving
from tests.e2e.load import app_password
from tests.e2e.programs import children, connected, dead, entered, failed, granted, only, status, until, workers
from tests.e2e.restart import started
from tests.e2e.scripted import Gate, Passwords, Stage, names
from tests.e2e.stack import Stack
from tests.e2e.traces import assert_none_told
from tests.support.certs import Authority, Issued

IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION
DRAIN = 2.0
AT_ONCE: Tables = {"throttle": {"failure_delay": "0s"}, "server": {"drain": f"{DRAIN:.0f}s"}}


@pytest.fixture(scope="module")
def stage(authority: Authority, localhost: Issued) -> Iterator[Stage]:
    """Open stores."""
    stage = Stage(authority, localhost, Passwords(names(20)))
    with stage.playing():
        yield stage


@pytest.fixture(scope="module")
def guard(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """A guard with login own, and files of its own that may be changed."""
    folder = tmp_path_factory.mktemp("reloaded")
    with serving(copied(stage.stack, folder), folder, "own", AT_ONCE) as guard:
        yield guard
        assert_none_told(guard)


@pytest.fixture
def gate() -> Gate:
    """The stores' passwords, at hand or held back."""
    return Gate(names(5))


@pytest.fixture
def mortal(authority: Authority, localhost: Issued, gate: Gate, tmp_path: Path) -> Iterator[Guard]:
    """A guard before stores that can be held, whose end is the test's."""
    held = Stage(authority, localhost, gate)
    with held.playing(), serving(held.stack, tmp_path, "own", AT_ONCE) as guard:
        yield guard
        assert_none_told(guard)


async def test_sigterm_lets_logins_finish_and_ends_sessions_when_the_drain_is_over(mortal: Guard, gate: Gate) -> None:
    guard = mortal
    people = [await guard.enrolled() for _ in range(3)]
    sessions = [await entered(guard, protocol, people[0].login()) for protocol in MailProtocol]
    waiting, late = [[await connected(guard, protocol) for protocol in MailProtocol] for _ in range(2)]
    while gate.came.acquire(blocking=False):
        pass
    gate.open.clear()
    for program, person in zip(waiting, people[1:], strict=True):
        program.offer(person.user.name, person.login().password)
    for _ in waiting:
        assert await asyncio.to_thread(gate.came.acquire, timeout=10)
    began, told = time.time(), guard.log.mark()
    guard.process.send_signal(signal.SIGTERM)
    guard.log.wait_for('"stopping"', told)
    await until(lambda: not listening(guard.imap_port), DRAIN / 2)
    for program in late:
        answer = await program.log_in(people[0].login())
        assert answer.startswith((b"NO [UNAVAILABLE]", b"454 4.7.0")), answer
        program.close()
    gate.open.set()
    assert [granted(await program.answer()) for program in waiting] == [True, True]
    assert all([await program.alive() for program in (*sessions, *waiting)])
    ends = await asyncio.gather(*(program.end() for program in (*sessions, *waiting)))
    assert all(DRAIN - 0.1 <= end - began <= DRAIN + 2 for end in ends), [end - began for end in ends]
    assert await asyncio.to_thread(guard.process.wait, 10) == 0
    async with guard.records() as records:
        assert await records.sessions.list() == ()
        ended = [e.row.reason for e in await records.audit.list() if e.row.event is Event.SESSION_ENDED]
    assert ended == ["shutdown"] * 4


async def test_sessions_at_rest_do_not_all_end_at_once(stage: Stage, tmp_path: Path) -> None:
    with serving(stage.stack, tmp_path, "own", {"server": {"drain": "60s"}}) as guard:
        login = await app_password(guard)
        sessions = [await entered(guard, IMAP, login) for _ in range(40)]
        guard.process.send_signal(signal.SIGTERM)
        ends = {asyncio.ensure_future(program.end()) for program in sessions}  # noqa: TID251
        _, standing = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        assert 20 <= len(standing) < 40  # the first of them goes after a second of rest or two
        guard.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*ends)


async def test_a_second_sigterm_waits_for_nobody(stage: Stage, tmp_path: Path) -> None:
    with serving(stage.stack, tmp_path, "own", {"server": {"drain": "60s"}}) as guard:
        program = await entered(guard, IMAP, (await guard.enrolled()).login())
        guard.process.send_signal(signal.SIGTERM)
        guard.log.wait_for('"stopping"')
        assert await program.alive()
        guard.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(program.end(), 2)
        assert await asyncio.to_thread(guard.process.wait, 10) == 0


def _reload(guard: Guard) -> None:
    """SIGHUP, and wait until every worker has followed."""
    mark = guard.log.mark()
    guard.process.send_signal(signal.SIGHUP)
    guard.log.wait_for(r'"reloaded"(.|\n)*"reloaded"', mark)


async def _answers(guard: Guard, login: Login) -> list[bytes]:
    """What each worker says to a login."""
    answers = []
    for worker in workers(guard):
        with only(guard, worker):
            program = await connected(guard, IMAP)
        answers.append(await program.log_in(login))
        program.close()
    return answers


def _two_factor(configuration: str, mode: str) -> str:
    return configuration.replace("[policy]\n", f'[policy]\ntwo_factor = "{mode}"\n')


async def test_sighup_makes_a_new_policy_hold_and_a_broken_file_changes_nothing(guard: Guard) -> None:
    login, other = (Login(user.name, user.password) for user in (guard.stack.user(), guard.stack.user()))
    assert all(map(granted, await _answers(guard, login)))
    kept = await entered(guard, IMAP, (await guard.enrolled()).login())
    inside = []
    for worker in workers(guard):
        with only(guard, worker):
            inside.append(await entered(guard, IMAP, login))
    first = guard.configuration.read_text()
    guard.configuration.write_text(_two_factor(first, "sometimes"))
    mark = guard.log.mark()
    guard.process.send_signal(signal.SIGHUP)
    guard.log.wait_for('"reload refused, the old configuration stays".*policy.two_factor', mark)
    assert all(map(granted, await _answers(guard, login)))
    assert all([await session.alive() for session in inside])
    guard.configuration.write_text(_two_factor(first, "enforce"))
    guard.process.send_signal(signal.SIGHUP)
    for session in inside:
        await session.end()
    assert await kept.alive()
    assert all(map(failed, await _answers(guard, login)))
    doomed = workers(guard)[0]
    os.kill(doomed, signal.SIGKILL)
    await until(lambda: len(set(workers(guard)) - {doomed}) == 2)
    assert all(map(failed, await _answers(guard, login))), "a new worker went back to the old policy"
    guard.configuration.write_text(first)
    _reload(guard)
    assert all(map(granted, await _answers(guard, other)))
    kept.close()


async def test_sighup_serves_a_renewed_certificate_to_new_clients(guard: Guard, authority: Authority) -> None:
    tls = config.load(guard.configuration).tls
    inside = [await entered(guard, protocol, (await guard.enrolled()).login()) for protocol in MailProtocol]
    before = served(guard)
    renewed = authority.issue("localhost", stem="renewed")
    tls.certificate.write_bytes(renewed.certificate.read_bytes())  # without its key
    mark = guard.log.mark()
    guard.process.send_signal(signal.SIGHUP)
    guard.log.wait_for(r'"cannot serve".*server.crt(.|\n)*"reload refused', mark)
    assert served(guard) == before
    tls.private_key.write_bytes(renewed.key.read_bytes())
    _reload(guard)
    assert served(guard) == {fingerprint(ssl.PEM_cert_to_DER_cert(renewed.certificate.read_text()))}
    assert all([await program.alive() for program in inside])
    for program in inside:
        program.close()


def served(guard: Guard) -> set[str]:
    """The certificates that clients are shown, by every worker and at both doors."""
    context = ssl.create_default_context(cafile=str(guard.stack.ca))
    seen = set()
    for worker in workers(guard):
        for port in (guard.imap_port, guard.submission_port):
            with only(guard, worker), _tls(context, port) as connection:
                certificate = connection.getpeercert(binary_form=True)
                assert certificate is not None
                seen.add(fingerprint(certificate))
    return seen


@contextlib.contextmanager
def _tls(context: ssl.SSLContext, port: int) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        yield connection


def fingerprint(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_root_binds_a_privileged_port_and_is_somebody_else_from_there_on(stage: Stage) -> None:
    person = pwd.getpwnam("nobody")
    python = python_of(person)
    folder = Path(tempfile.mkdtemp(prefix="mailguard-user-"))  # pytest's own folders are closed to other users
    try:
        stack = copied(stage.stack, folder)
        ports = [_privileged(), *free_ports(3)]
        overrides = {**AT_ONCE, "server": {"user": person.pw_name}}
        configuration = configure(stack, folder, "own", ports=ports, overrides=overrides)
        keyring.create(folder / KEYS)
        for name in ("", *os.listdir(folder)):
            os.chown(folder / name, person.pw_uid, person.pw_gid)
        log = Log(folder / "mailguard.log")
        with started(configuration, ports, log, python) as process:
            guard = Guard(stack, configuration, process, log, *ports)
            program = await entered(guard, IMAP, (await guard.enrolled()).login())
            _reload(guard)
            doomed = workers(guard)[0]
            os.kill(doomed, signal.SIGKILL)
            await until(lambda: len(set(workers(guard)) - {doomed}) == 2)
            assert status(Path(f"/proc/{guard.process.pid}"), "Uid").split() == ["0"] * 4  # to start the next one
            for pid in workers(guard):
                shown = Path(f"/proc/{pid}")
                assert status(shown, "Uid").split() == [str(person.pw_uid)] * 4
                assert status(shown, "Gid").split() == [str(person.pw_gid)] * 4
                assert status(shown, "Groups").split() == [str(person.pw_gid)]
                assert int(status(shown, "CapEff"), 16) == 0
            program.close()
            mark = log.mark()
            process.send_signal(signal.SIGUSR2)
            next_one = int(log.wait_for(r'"handed over", "pid": (\d+)', mark)[1])
            try:
                assert status(Path(f"/proc/{next_one}"), "Uid").split() == ["0"] * 4
                for pid in children(next_one):
                    assert status(Path(f"/proc/{pid}"), "Uid").split() == [str(person.pw_uid)] * 4
                process.wait(20)
                (await entered(guard, IMAP, (await guard.enrolled()).login())).close()
            finally:
                os.killpg(process.pid, signal.SIGKILL)
            await until(lambda: dead(next_one))
    finally:
        shutil.rmtree(folder)


def copied(stack: Stack, folder: Path) -> Stack:
    """The same stores, known by copies of the certificates."""
    issued = Issued(folder / "server.crt", folder / "server.key")
    sources = (stack.ca, stack.certificate.certificate, stack.certificate.key)
    for source, copy in zip(sources, (folder / "ca.crt", issued.certificate, issued.key), strict=True):
        copy.write_bytes(source.read_bytes())
    issued.key.chmod(0o600)
    return replace(stack, ca=folder / "ca.crt", certificate=issued)


def _privileged() -> int:
    """A port below 1024 that nobody listens on."""
    return next(port for port in random.sample(range(600, 1024), 400) if not listening(port))


def python_of(person: pwd.struct_passwd) -> list[str]:
    """An interpreter that goes on working once it is this user: ours may lie in root's home, its modules too."""
    site, package = sysconfig.get_path("purelib"), Path(mailguard.__file__).parents[1]
    become = f"import os; os.setgroups([]); os.setgid({person.pw_gid}); os.setuid({person.pw_uid})"
    for python in ([sys.executable], ["env", f"PYTHONPATH={site}:{package}", "/usr/bin/python3"]):
        probe = [*python, "-c", f"{become}; import concurrent.futures.thread, mailguard.app.worker"]
        if subprocess.run(probe, cwd="/", capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip(f"the user {person.pw_name} can run no Python that holds mailguard")
