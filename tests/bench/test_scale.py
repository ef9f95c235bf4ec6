"""What the scale runs make of their figures."""

from __future__ import annotations

import pytest

from bench.scale import patience
from bench.scale.crowds import overtaken
from bench.scale.findings import Finding, as_json, table
from bench.scale.passwords import findings
from bench.soak import State


def test_who_is_served_in_turn_falls_back_by_nothing() -> None:
    assert overtaken([3, 5, 9]) == 0.0
    assert overtaken([]) == 0.0


def test_who_is_served_last_though_first_falls_back_by_all() -> None:
    assert overtaken([*range(1, 50), 0]) == 49.0


def test_costs_are_held_against_each_other_by_medians() -> None:
    little, much, held, size = findings([100.0, 900.0, 110.0], [121.0, 10.0, 130.0], 1_000_000, 500_000_000)
    assert (little.value, much.value, size.value) == (110.0, 121.0, 500.0)
    assert held.value == pytest.approx(1.1)
    assert not findings([100.0], [111.0], 1000, 1)[2].met


def test_waits_are_held_against_the_quiet_one() -> None:
    found = patience.findings([10.0, 99.0, 12.0], [24.0, 24.0, 900.0], [30.0, 25.0])
    assert [each.value for each in found] == [12.0, 24.0, 2.0, 27.5, pytest.approx(27.5 / 12)]
    assert [each.met for each in found] == [True, True, True, True, False]
    assert len(patience.findings([10.0], [10.0], [])) == 3


def test_findings_say_whether_they_are_as_asked() -> None:
    found = [Finding("wait", 12.345, "ms", 12.0), Finding("memory", 250, "MB", 250), Finding("size", 3, "MB")]
    assert table(found).splitlines()[2:] == [
        "| wait | 12.3 ms | ≤ 12: missed |", "| memory | 250 MB | ≤ 250: met |", "| size | 3.00 MB |  |",
    ]  # fmt: skip
    assert [each["met"] for each in as_json(found)] == [False, True, True]


def test_what_is_left_is_named() -> None:
    start = State(descriptors=80, threads=18, memory=1e8, sessions=0, open=0)
    assert State(80, 17, 1e8 + 1024 * 1000, 0, 0).left(start, 1000) == []
    left = State(81, 18, 1e8 + 1024 * 1000 + 1, 0, 2).left(start, 1000)
    assert [words.partition(":")[0] for words in left] == ["descriptors", "memory", "open"]
