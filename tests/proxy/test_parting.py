"""Who ends when in a drain, by a clock that the test turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from mailguard.proxy.parting import LOOK_SECONDS, REST_SECONDS, Parting

NOW = 7000.0
LONG = 600.0  # seconds of rest
Rest = Callable[[int, float], float]


def drained(count: int, seconds: float, rest: Rest) -> dict[int, float]:
    """When each of so many sessions ended, in seconds from the begin of the drain; without those that never did."""
    parting, ends = Parting(NOW, seconds), dict[int, float]()
    for look in range(1, round(seconds / LOOK_SECONDS) + 1):
        passed = look * LOOK_SECONDS
        standing = [(rest(number, passed), number) for number in range(count) if number not in ends]
        for number in parting.leave(standing, NOW + passed):
            assert number not in ends
            ends[number] = passed
    return ends


def test_ten_thousand_sessions_at_rest_end_evenly() -> None:
    ends = drained(10_000, 30.0, lambda number, passed: LONG + passed)
    assert len(ends) == 10_000
    looks = Counter(round(end / LOOK_SECONDS) for end in ends.values())
    assert set(looks) == set(range(1, 151)), "none of all looks is left out"
    assert max(looks.values()) <= 10_000 / 150 + 1


@pytest.mark.parametrize(("count", "most"), [(1, 1), (2, 1), (7, 1), (100, 2)])
def test_a_few_do_not_end_together(count: int, most: int) -> None:
    ends = drained(count, 30.0, lambda number, passed: LONG + passed)
    assert len(ends) == count
    assert max(Counter(ends.values()).values()) <= most


def test_who_is_in_the_middle_of_something_stays_to_the_end() -> None:
    ends = drained(100, 30.0, lambda number, passed: 0.0 if number % 2 else REST_SECONDS)
    assert set(ends) == set(range(0, 100, 2))


def test_a_short_silence_is_no_rest() -> None:
    assert drained(100, 30.0, lambda number, passed: REST_SECONDS - 0.1) == {}


def test_those_silent_longest_end_first() -> None:
    ends = drained(10, 30.0, lambda number, passed: LONG + number)
    assert sorted(ends, key=lambda number: ends[number]) == list(range(9, -1, -1))


def test_many_that_come_to_rest_late_are_spread_over_what_is_left() -> None:
    """A store that answers again half-way."""
    ends = drained(1500, 30.0, lambda number, passed: LONG if passed > 15.0 else 0.0)
    assert len(ends) == 1500
    assert min(ends.values()) > 15.0
    assert max(Counter(round(end / LOOK_SECONDS) for end in ends.values()).values()) <= 1500 / 75 + 1


def test_whoever_logs_in_during_the_drain_is_part_of_it() -> None:
    ends = drained(200, 30.0, lambda number, passed: LONG if number < 100 or passed > 20.0 else 0.0)
    assert len(ends) == 200
    before = sum(end <= 20.0 for end in ends.values())
    assert before == pytest.approx(100 * 20 / 30, abs=2)


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_without_time_all_at_rest_end_at_the_first_look(seconds: float) -> None:
    parting = Parting(NOW, seconds)
    standing = [(LONG, 1), (LONG, 2), (0.0, 3)]
    assert parting.leave(standing, NOW + LOOK_SECONDS) == [2, 1]
    assert parting.leave([(0.0, 3)], NOW + 1.0) == []


def test_a_look_that_comes_late_takes_the_share_of_the_time_that_passed() -> None:
    parting = Parting(NOW, 30.0)
    assert len(parting.leave([(LONG, number) for number in range(300)], NOW + 10.0)) == 100
    assert parting.leave([(LONG, number) for number in range(200)], NOW + 10.0) == []


def test_the_memory_of_a_look_without_any_is_not_made_up_for() -> None:
    parting = Parting(NOW, 30.0)
    for look in range(1, 51):
        assert parting.leave([], NOW + look * LOOK_SECONDS) == []
    assert len(parting.leave([(LONG, number) for number in range(100)], NOW + 51 * LOOK_SECONDS)) <= 2
