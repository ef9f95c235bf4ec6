"""Numbers that processes share: added up, kept when one dies, read by anything that reads Prometheus' format."""

from __future__ import annotations

import math
import os
import signal
from itertools import product

import pytest

from mailguard.auth.attempt import Factor, MailProtocol, Reason
from mailguard.auth.ports import Reserved
from mailguard.observe import families
from mailguard.observe.board import Board, Meter
from mailguard.observe.exposition import text
from mailguard.observe.families import (
    BUCKETS,
    FAMILIES,
    GRANTED,
    LOGINS,
    NO_FACTOR,
    PHASES,
    PLACES,
    SESSIONS,
    SIGN_INS,
    SIZE,
    STORE_SINCE,
    STORE_UP,
    THROTTLE,
    Kind,
    Phase,
)
from tests.support.prometheus import parse

IMAP = MailProtocol.IMAP
BY_CODE = (IMAP, GRANTED, Factor.CODE)


def test_counts_of_two_workers_add_up() -> None:
    board = Board(2)
    board.worker(0).own.add(LOGINS, *BY_CODE)
    board.worker(1).own.add(LOGINS, *BY_CODE, by=2)
    board.portal.add(SIGN_INS, GRANTED, Factor.PASSKEY)
    metrics = parse(text(board, {}))
    assert metrics[LOGINS.name].samples[LOGINS.name, ("imap", "granted", "code")] == 3
    assert metrics[SIGN_INS.name].samples[SIGN_INS.name, ("granted", "passkey")] == 1
    assert sum(metrics[LOGINS.name].samples.values()) == 3


def test_another_process_counts_in_the_same_memory_and_its_counts_outlive_it() -> None:
    board = Board(1)
    pid = os.fork()
    if pid == 0:
        own = board.worker(0).own
        own.add(LOGINS, *BY_CODE)
        own.set(SESSIONS, IMAP, to=7)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert board.total(LOGINS, BY_CODE) == [1]
    assert board.total(SESSIONS, (IMAP,)) == [7]
    board.worker(0).own.forget()
    assert board.total(LOGINS, BY_CODE) == [1]
    assert board.total(SESSIONS, (IMAP,)) == (), "the sessions of a process that is dead are none"
    board.worker(0).own.add(LOGINS, *BY_CODE)
    assert board.total(LOGINS, BY_CODE) == [2], "whoever replaces it counts on"


def test_gauges_become_one_as_they_should() -> None:
    board = Board(3)
    for number, (sessions, up, since) in enumerate([(2, 1, 100), (3, 0, 300)]):
        own = board.worker(number).own
        own.set(SESSIONS, IMAP, to=sessions)
        own.set(STORE_UP, IMAP, to=up)
        own.set(STORE_SINCE, IMAP, to=since)
    read = [board.total(family, (IMAP,)) for family in (SESSIONS, STORE_UP, STORE_SINCE)]
    assert read == [[5], [0], [300]], "the third worker has not said anything yet"


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (10.0, len(BUCKETS) - 1), (10.1, len(BUCKETS))]
)
def test_a_time_falls_into_the_bucket_that_ends_at_or_after_it(seconds: float, bucket: int) -> None:
    board = Board(1)
    board.worker(0).own.took(PHASES, Phase.FACTS, seconds=seconds)
    *counts, total = board.total(PHASES, (Phase.FACTS,))
    assert counts == [float(place == bucket) for place in range(len(BUCKETS) + 1)]
    assert total == seconds
    samples = parse(text(board, {}))[PHASES.name].samples
    assert samples[f"{PHASES.name}_bucket", ("facts", "+Inf")] == samples[f"{PHASES.name}_count", ("facts",)] == 1


def test_every_number_has_a_place_of_its_own() -> None:
    taken = [
        place + offset
        for family in FAMILIES
        if family.kind is not Kind.GIVEN
        for labels in family.series
        for place in [PLACES[family.name, labels]]
        for offset in range(families.width(family))
    ]
    assert len(set(taken)) == len(taken)
    assert max(taken) < SIZE


def test_whatever_comes_of_an_attempt_can_be_counted() -> None:
    """A missing place would be an exception in the middle of a login."""
    meter = Meter()
    for protocol, reason in product(MailProtocol, Reason):
        meter.add(LOGINS, protocol, reason, NO_FACTOR)
        meter.add(SIGN_INS, reason, NO_FACTOR)
    for outcome in Reserved:
        meter.add(THROTTLE, outcome.value)
    for factor in Factor:
        at_mail, at_portal = ((IMAP, GRANTED, factor) in LOGINS.series), ((GRANTED, factor) in SIGN_INS.series)
        assert at_mail or at_portal
    assert all(
        labels and len(labels) == len(family.labels) for family in FAMILIES for labels in family.series if labels
    )


def test_all_series_are_there_from_the_start_and_labels_are_escaped() -> None:
    odd = 'a"b\\c\nd'
    metrics = parse(text(Board(1), {families.CERTIFICATE_DAYS.name: {("mail.example.org", odd): -1.5}}))
    assert list(metrics) == [family.name for family in FAMILIES]
    assert {series[1] for series in metrics[LOGINS.name].samples} == set(LOGINS.series)
    assert set(metrics[LOGINS.name].samples.values()) == {0}
    (series,) = metrics[families.CERTIFICATE_DAYS.name].samples
    assert series[1][1] == 'a\\"b\\\\c\\nd'


def test_what_was_not_said_is_not_a_number() -> None:
    assert math.isnan(Board(1).worker(0).own.read(families.BEAT))
