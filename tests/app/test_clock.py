from dataclasses import dataclass

from mailguard.app.clock import SystemClock


@dataclass
class Hands:
    """Two clocks that a test turns."""

    wall: float = 1_000_000.0
    monotonic: float = 500.0

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


def clock(hands: Hands, newest: float = 0.0) -> SystemClock:
    return SystemClock(newest, lambda: hands.wall, lambda: hands.monotonic)


def test_a_clock_that_runs_is_believed() -> None:
    hands = Hands()
    watched = clock(hands)
    hands.pass_(3600)
    hands.wall += 29  # slewed by ntp, or a second's leap
    assert watched.trusted()
    assert watched.now() == hands.wall


def test_a_jump_in_either_direction_costs_a_minute_of_trust() -> None:
    for jump in (-31.0, 31.0, 86400.0):
        hands = Hands()
        watched = clock(hands)
        hands.wall += jump
        assert not watched.trusted()
        hands.pass_(59)
        assert not watched.trusted()
        hands.pass_(1)
        assert watched.trusted()


def test_a_jump_is_noticed_by_now_as_well() -> None:
    hands = Hands()
    watched = clock(hands)
    hands.wall -= 40
    watched.now()
    hands.wall += 40  # back again: a second jump
    assert not watched.trusted()


def test_a_clock_behind_the_records_is_not_believed_at_first() -> None:
    hands = Hands()
    assert clock(hands, newest=hands.wall + 59).trusted()
    behind = clock(hands, newest=hands.wall + 61)
    assert not behind.trusted()
    hands.pass_(60)
    assert behind.trusted()
