import asyncio
from pathlib import Path

from mailguard.auth.attempt import MailProtocol
from mailguard.keyring import Keyring
from mailguard.store import Store
from mailguard.store.probes import ProbeRow
from tests.store.words import NOON, StoppedClock

IMAP, SUBMISSION = MailProtocol.IMAP, MailProtocol.SUBMISSION


async def test_nothing_is_known_before_the_first_probe(store: Store) -> None:
    assert await store.probes.read(IMAP) is None
    assert await store.probes.claim(IMAP, NOON, 120)
    assert await store.probes.read(IMAP) is None, "a claim is no answer"


async def test_one_worker_probes_at_a_time(store: Store, database: Path, keys: Keyring, clock: StoppedClock) -> None:
    other = await Store.open(f"sqlite:///{database}", keys, now=clock)
    assert await store.probes.claim(IMAP, NOON, 120)
    assert not await other.probes.claim(IMAP, NOON, 120)
    assert not await other.probes.claim(IMAP, NOON + 119, 120)
    assert await other.probes.claim(SUBMISSION, NOON, 120)
    assert await other.probes.claim(IMAP, NOON + 120, 120)
    assert not await store.probes.claim(IMAP, NOON + 120, 120)
    await other.close()


async def test_of_two_workers_that_ask_at_once_one_probes(
    store: Store, database: Path, keys: Keyring, clock: StoppedClock
) -> None:
    other = await Store.open(f"sqlite:///{database}", keys, now=clock)
    for round_ in range(10):
        at = NOON + 120 * round_
        answers = await asyncio.gather(store.probes.claim(IMAP, at, 120), other.probes.claim(IMAP, at, 120))
        assert sorted(answers) == [False, True]
    await other.close()


async def test_a_failed_probe_keeps_what_was_known(store: Store) -> None:
    await store.probes.answered(SUBMISSION, ["SIZE 52428800", "DSN"], NOON)
    await store.probes.failed(SUBMISSION, "connection refused", NOON + 120)
    assert await store.probes.read(SUBMISSION) == ProbeRow(("SIZE 52428800", "DSN"), NOON + 120, "connection refused")
    await store.probes.answered(SUBMISSION, ["DSN"], NOON + 240)
    assert await store.probes.read(SUBMISSION) == ProbeRow(("DSN",), NOON + 240, "")


async def test_a_first_probe_may_fail(store: Store) -> None:
    await store.probes.failed(IMAP, "no route", NOON)
    assert await store.probes.read(IMAP) == ProbeRow((), NOON, "no route")
