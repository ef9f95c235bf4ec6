"""Metrics of the real guard: what Prometheus reads while workers log in, die, reload and drain."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.auth.attempt import Factor, MailProtocol, Reason
from mailguard.observe import families
from mailguard.observe.families import (
    GRANTED,
    LOGINS,
    NO_FACTOR,
    PHASES,
    REQUESTS,
    RESTARTS,
    SESSIONS,
    THROTTLE,
    WORKERS_READY,
)
from tests.e2e.clients import Login
from tests.e2e.daemon import free_ports, listening
from tests.e2e.guard import Guard, serving
from tests.e2e.programs import Program, connected, entered, failed, granted, holding, only, until
from tests.e2e.scripted import Passwords, Stage, names
from tests.support.certs import Authority, Issued
from tests.support.prometheus import Metric, parse

IMAP = MailProtocol.IMAP


class Watched:
    """A guard, and its metrics."""

    def __init__(self, guard: Guard, port: int) -> None:
        self.guard = guard
        self.port = port

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def metrics(self) -> dict[str, Metric]:
        status, body = self.get("/metrics")
        assert status == 200
        return parse(body)

    def value(self, family: families.Family, *labels: str, suffix: str = "") -> float | None:
        name = family.name + suffix
        return self.metrics()[family.name].samples.get((name, tuple(labels)))


@pytest.fixture
def stage(authority: Authority, localhost: Issued) -> Stage:
    return Stage(authority, localhost, Passwords(names(5)))


@pytest.fixture
def watched(stage: Stage, tmp_path: Path) -> Iterator[Watched]:
    (port,) = free_ports(1)
    tables = {
        "throttle": {"failure_delay": "0s"},
        "observe": {"metrics": f"127.0.0.1:{port}"},
        "server": {"drain": "20s"},
    }
    with stage.playing(), serving(stage.stack, tmp_path, "own", tables, portal=True) as guard:
        guard.log.wait_for(r'"metrics ready"')
        yield Watched(guard, port)


async def _in_at(guard: Guard, worker: int, login: Login) -> Program:
    with only(guard, worker):
        program = await connected(guard, IMAP)
    assert granted(await program.log_in(login))
    return program


async def test_counts_add_up_outlive_their_worker_and_a_reload(watched: Watched) -> None:
    guard, person = watched.guard, await watched.guard.enrolled()
    login, by_code = person.login(), (IMAP, GRANTED, Factor.CODE)
    assert watched.value(LOGINS, *by_code) == 0
    doomed, survivor = holding(guard, guard.imap_port)
    programs = [await _in_at(guard, worker, login) for worker in (doomed, survivor)]
    other = await connected(guard, IMAP)
    assert failed(await other.log_in(Login(person.user.name, "wrong")))
    other.close()
    granted_now = (watched.value(LOGINS, *by_code), watched.value(LOGINS, IMAP, GRANTED, Factor.GRANT))
    assert granted_now == (1, 1)
    assert watched.value(LOGINS, IMAP, Reason.WRONG_PASSWORD, NO_FACTOR) == 1
    assert watched.value(THROTTLE, "new") == 2
    assert watched.value(PHASES, "facts", suffix="_count") >= 3  # type: ignore[operator]
    assert watched.value(PHASES, "commit", suffix="_count") == 2
    for phase, times in (("throttle", 2), ("identity", 3), ("dial", 3)):  # under login own the question is the leg
        assert watched.value(PHASES, phase, suffix="_count") == times, phase
    await until(lambda: watched.value(SESSIONS, IMAP) == 2)

    os.kill(doomed, signal.SIGKILL)
    await until(lambda: watched.value(RESTARTS, "worker") == 1 and watched.value(WORKERS_READY) == 2)
    assert (watched.value(LOGINS, *by_code), watched.value(LOGINS, IMAP, GRANTED, Factor.GRANT)) == granted_now
    await until(lambda: watched.value(SESSIONS, IMAP) == 1)
    (new,) = set(holding(guard, guard.imap_port)) - {survivor}
    programs.append(await _in_at(guard, new, login))
    assert watched.value(LOGINS, IMAP, GRANTED, Factor.GRANT) == 2

    mark = guard.log.mark()
    guard.process.send_signal(signal.SIGHUP)
    guard.log.wait_for(r'"reloaded"', mark)
    assert watched.value(LOGINS, IMAP, GRANTED, Factor.GRANT) == 2
    days = watched.metrics()[families.CERTIFICATE_DAYS.name].samples
    assert len(days) == 1
    assert min(days.values()) > 0
    for program in programs:
        program.close()


async def test_readiness_falls_when_it_drains_and_health_does_not(watched: Watched) -> None:
    guard = watched.guard
    await until(lambda: watched.get("/readyz")[0] == 200)
    assert "workers: 2 of 2" in watched.get("/readyz")[1]
    program = await entered(guard, IMAP, (await guard.enrolled()).login())
    guard.process.send_signal(signal.SIGTERM)
    await until(lambda: watched.get("/readyz")[1].startswith("draining"))
    assert (watched.get("/readyz")[0], watched.get("/healthz")) == (503, (200, "mailguard is up\n"))
    assert watched.value(families.DRAINING) == 1
    program.close()
    await until(lambda: guard.process.poll() is not None)
    assert guard.process.returncode == 0
    assert '"stopped"' in guard.log.since()


async def test_the_portal_counts_and_a_monitor_that_dies_is_replaced(watched: Watched) -> None:
    guard = watched.guard
    assert "metrics are served at observe.metrics" in guard.run("check").stdout
    (monitor,) = holding(guard, watched.port)
    (portal,) = holding(guard, guard.portal_port)
    os.kill(monitor, signal.SIGKILL)
    guard.log.wait_for(rf'"monitor died", "pid": {monitor}')
    await until(lambda: listening(watched.port) and watched.value(RESTARTS, "monitor") == 1)
    before = watched.value(REQUESTS, "2xx")
    context = ssl.create_default_context(cafile=str(guard.stack.ca))
    page = http.client.HTTPSConnection("localhost", guard.portal_port, timeout=30, context=context)
    page.request("GET", "/sign-in")
    assert page.getresponse().status == 200
    page.close()
    assert watched.value(REQUESTS, "2xx") == (before or 0) + 1
    os.kill(portal, signal.SIGKILL)
    await until(lambda: watched.value(RESTARTS, "portal") == 1)
    assert watched.value(REQUESTS, "2xx") == (before or 0) + 1
