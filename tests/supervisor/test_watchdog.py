"""Who hangs, seen by a clock that the tests turn."""

from __future__ import annotations

from mailguard.supervisor.watchdog import Seen, Watchdog


def test_a_child_that_is_silent_for_half_the_patience_hangs_and_the_others_do_not() -> None:
    watchdog = Watchdog(60.0, 0.0)
    for pid in (1, 2):
        watchdog.heard(pid, 0.0)
    for now in (0.0, 15.0, 30.0):
        assert watchdog.due == now
        assert watchdog.look(now) == Seen(frozenset(), alive=True)
        watchdog.heard(1, now)
    watchdog.heard(1, 40.0)
    assert watchdog.look(45.0) == Seen(frozenset({2}), alive=True)
    watchdog.forget(2)
    assert watchdog.look(60.0) == Seen(frozenset(), alive=True)


def test_nobody_is_alive_where_all_hang_or_none_is_there() -> None:
    watchdog = Watchdog(60.0, 0.0)
    assert not watchdog.look(0.0).alive
    watchdog.heard(1, 0.0)
    assert watchdog.look(31.0) == Seen(frozenset({1}), alive=False)


def test_a_machine_that_stood_still_accuses_nobody() -> None:
    watchdog = Watchdog(60.0, 0.0)
    watchdog.heard(1, 0.0)
    watchdog.look(0.0)
    assert watchdog.look(1000.0) == Seen(frozenset(), alive=True)
    assert watchdog.look(1031.0) == Seen(frozenset({1}), alive=False)


def test_signs_of_life_come_several_times_within_the_patience() -> None:
    assert Watchdog(60.0, 0.0).beat == 6.0
