"""What one process finds out about a store is what all of them tell their clients."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.attempt import MailProtocol
from mailguard.backends.target import Target
from mailguard.config import TlsMode
from mailguard.jobs.probes import PROBE_SECONDS, TROUBLED_SECONDS, ProbeJob
from mailguard.net.tls import client_context
from mailguard.proxy.house import Mirror
from mailguard.store import Store
from tests.support.certs import Authority, Issued
from tests.support.hostile_store import HostileStore, Peer, SubmissionStore


class Fickle(SubmissionStore):
    """Sound, but for when it is told to hang up before its greeting."""

    sound = True

    def __call__(self, peer: Peer) -> None:
        """One connection."""
        if self.sound:
            super().__call__(peer)


class Clock:
    """Set by hand, near the true time: rows that are made here carry it."""

    def __init__(self) -> None:
        self.at = time.time()

    def __call__(self) -> float:
        """Now."""
        return self.at


@pytest.fixture
def fickle() -> Fickle:
    return Fickle()


@pytest.fixture
def target(fickle: Fickle, authority: Authority, localhost: Issued) -> Iterator[Target]:
    with HostileStore(fickle, certificate=localhost) as store:
        yield Target(
            protocol=MailProtocol.SUBMISSION,
            host="localhost",
            port=store.port,
            tls=TlsMode.IMPLICIT,
            hostname="mail.example.org",
            context=client_context(authority.ca),
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", keyring.create(tmp_path / "keys.toml"))
    yield store
    await store.close()


def process(target: Target, records: Store, clock: Clock) -> tuple[ProbeJob, Mirror]:
    """One process's job and what its fronts know."""
    mirror = Mirror(clock)
    return ProbeJob(lambda: target, mirror, records.probes, clock), mirror


async def test_one_process_asks_and_both_know(target: Target, records: Store, clock: Clock) -> None:
    (asking, first), (reading, second) = (process(target, records, clock) for _ in range(2))
    await asking.first_look()
    await reading.first_look()
    assert first.offered == second.offered == frozenset({"PIPELINING", "SIZE 52428800", "8BITMIME", "DSN", "CHUNKING"})
    assert not first.down
    assert not second.down


async def test_a_store_that_is_down_for_one_process_is_down_for_both(
    target: Target, fickle: Fickle, records: Store, clock: Clock
) -> None:
    (asking, first), (reading, second) = (process(target, records, clock) for _ in range(2))
    fickle.sound = False
    await asking.first_look()
    await reading.first_look()
    assert first.down
    assert second.down
    fickle.sound = True
    clock.at += TROUBLED_SECONDS
    await asking.look()
    await reading.look()
    assert not first.down
    assert not second.down
    assert second.offered


async def test_a_failed_probe_does_not_read_as_a_good_one(
    target: Target, fickle: Fickle, records: Store, clock: Clock
) -> None:
    (asking, first), (reading, second) = (process(target, records, clock) for _ in range(2))
    await asking.first_look()
    await reading.first_look()
    fickle.sound = False
    clock.at += PROBE_SECONDS
    await asking.look()
    await reading.look()
    assert first.down
    assert second.down
    assert first.offered == second.offered
    assert second.offered
