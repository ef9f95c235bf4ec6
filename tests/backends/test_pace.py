"""Who may dial a store when, by a clock that the test turns."""

from __future__ import annotations

import pytest

from mailguard.auth.attempt import MailProtocol
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.pace import Dials, Pace
from mailguard.backends.target import Target
from mailguard.config import TlsMode

NOW = 5000.0


def test_so_many_go_at_once_and_the_others_one_after_the_other() -> None:
    pace = Pace(rate=10, burst=3)
    assert [pace.wait(NOW) for _ in range(6)] == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2, 0.3])
    assert pace.wait(NOW + 0.25) == pytest.approx(0.15), "behind those who came before"


def test_the_rate_is_kept_however_they_come() -> None:
    pace, turns = Pace(rate=100, burst=5, line=100.0), []
    for number in range(1000):
        now = NOW + number * 0.001
        wait = pace.wait(now)
        assert wait is not None
        turns.append(now + wait)
    assert turns == sorted(turns)
    for start in range(0, 1000, 50):
        within = [turn for turn in turns if turns[start] <= turn < turns[start] + 1.0]
        assert len(within) <= 100 + 5


def test_a_quiet_while_gives_the_burst_back_and_no_more() -> None:
    pace = Pace(rate=10, burst=2)
    for _ in range(5):
        pace.wait(NOW)
    waits = [pace.wait(NOW + 3600) for _ in range(3)]
    assert waits == pytest.approx([0.0, 0.0, 0.1])


def test_a_line_that_is_too_long_is_not_joined() -> None:
    pace = Pace(rate=10, burst=1, line=0.25)
    assert [pace.wait(NOW) for _ in range(5)] == [0.0, pytest.approx(0.1), pytest.approx(0.2), None, None]
    assert pace.wait(NOW + 0.1) == pytest.approx(0.2), "whoever was sent away holds no place"


def test_a_clock_that_begins_late_or_stands_still_does_no_harm() -> None:
    pace = Pace(rate=10, burst=1)
    assert pace.wait(0.0) == 0.0
    assert pace.wait(0.0) == pytest.approx(0.1)


def _target(port: int = 143) -> Target:
    return Target(
        protocol=MailProtocol.IMAP, host="127.0.0.1", port=port, tls=TlsMode.NONE, hostname="mail.example.org"
    )


async def test_the_line_is_counted_and_each_store_has_its_own() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        assert dials.waiting == 1
        slept.append(seconds)

    dials = Dials(lambda: NOW, lambda: Pace(rate=10, burst=1, line=0.15), sleep)
    for port in (143, 144):
        await dials.turn(_target(port), proved=True)
    assert slept == []
    await dials.turn(_target(), proved=True)
    assert slept == pytest.approx([0.1])
    assert dials.waiting == 0
    with pytest.raises(BackendFailure, match="too many logins wait") as failed:
        await dials.turn(_target(), proved=True)
    assert failed.value.kind is FailureKind.TEMPORARY


async def test_whoever_proved_a_secret_does_not_wait_behind_strangers() -> None:
    async def sleep(seconds: float) -> None:
        raise AssertionError("waited")

    dials = Dials(lambda: NOW, lambda: Pace(rate=10, burst=1, line=0.05), sleep)
    await dials.turn(_target(), proved=False)
    with pytest.raises(BackendFailure):
        await dials.turn(_target(), proved=False)
    await dials.turn(_target(), proved=True)


async def test_whoever_is_cancelled_in_line_is_not_counted_on() -> None:
    async def sleep(seconds: float) -> None:
        raise ConnectionAbortedError

    dials = Dials(lambda: NOW, lambda: Pace(rate=10, burst=1), sleep)
    await dials.turn(_target(), proved=True)
    with pytest.raises(ConnectionAbortedError):
        await dials.turn(_target(), proved=True)
    assert dials.waiting == 0
