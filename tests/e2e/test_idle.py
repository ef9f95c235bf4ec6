"""Strangers who connect and say nothing that ends: they cost little, and nobody waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.auth.attempt import MailProtocol
from tests.e2e.guard import Guard, serving
from tests.e2e.programs import Program, connected, entered, only, standing, status, workers
from tests.e2e.scripted import Passwords, Stage, names
from tests.e2e.traces import assert_none_told
from tests.support.certs import Authority, Issued

IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION
ADDRESSES, HONEST = 20, "127.0.8.1"
HALF_A_LINE = {IMAP: b"a" * 8192, SUBMISSION: b"AUTH PLAIN " + b"a" * 8181}
AT_ONCE = 15.0  # seconds, on a machine that is busy; a guard that is held up takes a minute
PER_NETWORK = 200
FEW_DESCRIPTORS = 256


@pytest.fixture(scope="module")
def guard(authority: Authority, localhost: Issued, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """A guard that was started as init systems start services: with few descriptors, and leave to take more."""
    stage = Stage(authority, localhost, Passwords(names(5)))
    folder = tmp_path_factory.mktemp("idle")
    with stage.playing(), contextlib.ExitStack() as running:
        with few_descriptors():
            guard = running.enter_context(serving(stage.stack, folder, "own"))
        yield guard
        assert_none_told(guard)


@contextlib.contextmanager
def few_descriptors() -> Iterator[None]:
    """What is started here may open no more than a few, unless it asks."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_DESCRIPTORS, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _resident(guard: Guard) -> int:
    """Octets of memory that the workers have."""
    return sum(int(status(Path(f"/proc/{pid}"), "VmRSS").split()[0]) * 1024 for pid in workers(guard))


@pytest.mark.parametrize(
    ("tls", "count", "each"),
    [
        pytest.param("starttls", 2000, 64 * 1024, id="2000 in clear"),
        pytest.param("implicit", 500, 128 * 1024, id="500 over TLS"),  # of which OpenSSL has half
    ],
)
async def test_who_never_ends_a_line_costs_little_and_holds_up_nobody(
    guard: Guard, tls: str, count: int, each: int
) -> None:
    before = _resident(guard)
    strangers: list[Program] = []
    for number in range(count):
        protocol = (IMAP, SUBMISSION)[number % 2]
        stranger = await connected(guard, protocol, f"127.0.7.{number % ADDRESSES + 1}", tls)
        stranger.say(HALF_A_LINE[protocol])
        strangers.append(stranger)
    login = (await guard.enrolled()).login()
    began = time.monotonic()
    for protocol in MailProtocol:
        program = await entered(guard, protocol, login, HONEST)
        assert await program.alive()
        program.close()
    assert time.monotonic() - began < AT_ONCE
    grown = _resident(guard) - before
    assert grown < count * each, f"{grown / count:.0f} octets each"
    doors = (guard.imap_port, guard.imap_starttls_port, guard.submission_port, guard.submission_starttls_port)
    assert standing(*doors, source="127.0.7.") == count, "it was done by throwing some out"
    for stranger in strangers:
        stranger.close()


@pytest.mark.parametrize("protocol", MailProtocol)
async def test_whoever_is_one_too_many_of_a_network_pushes_out_the_oldest_of_it(
    guard: Guard, protocol: MailProtocol
) -> None:
    crowded = f"127.0.9.{1 + list(MailProtocol).index(protocol)}"
    with only(guard, workers(guard)[0]):
        elsewhere = await connected(guard, protocol, HONEST, "starttls")
        crowd = [await connected(guard, protocol, crowded, "starttls") for _ in range(PER_NETWORK)]
        last = await connected(guard, protocol, crowded, "starttls")
        await asyncio.wait_for(crowd[0].end(), AT_ONCE)
        doors = (guard.imap_starttls_port, guard.submission_starttls_port)
        assert standing(*doors, source=crowded) == PER_NETWORK
        assert standing(*doors, source=HONEST) == 1
    for program in (elsewhere, *crowd, last):
        program.close()
