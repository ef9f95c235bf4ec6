from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.proxy.house import ALERT_MEMORY, LINES, LINES_OF_NETWORK, AlertMemory, LineRate, Mirror

HERE, THERE = "192.0.2.7/32", "198.51.100.9/32"


class Hands:
    """A monotonic clock that the test turns."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_the_help_text_is_shown_once_a_name_and_network_in_a_quarter_of_an_hour() -> None:
    hands = Hands()
    memory = AlertMemory(hands)
    assert memory.due("ann", HERE)
    assert memory.due("ann", THERE)
    assert memory.due("bob", HERE)
    hands.at = 899.0
    assert not memory.due("ann", HERE)
    hands.at = 900.0
    assert memory.due("ann", HERE)
    assert not memory.due("ann", HERE)


def test_a_flood_of_names_does_not_fill_the_memory() -> None:
    memory = AlertMemory(Hands())
    for number in range(ALERT_MEMORY + 10):
        assert memory.due(f"made-up-{number}", HERE)
    assert memory.due("made-up-0", HERE)  # long forgotten
    assert not memory.due(f"made-up-{ALERT_MEMORY + 9}", HERE)


def test_a_mirror_is_in_trouble_until_the_store_was_seen_well() -> None:
    mirror = Mirror(Hands())
    assert (mirror.troubled, mirror.down, mirror.offered) == (True, False, None)
    mirror.offers(frozenset({"PIPELINING"}))
    assert (mirror.troubled, mirror.offered) == (False, frozenset({"PIPELINING"}))
    mirror.failed(BackendFailure(FailureKind.TEMPORARY, "busy"))
    assert (mirror.troubled, mirror.down) == (True, False)
    mirror.failed(BackendFailure(FailureKind.UNREACHABLE, "refused"))
    assert mirror.down
    mirror.worked()
    assert (mirror.troubled, mirror.down) == (False, False)
    assert mirror.offered is not None


def test_so_many_lines_a_minute_for_a_network_and_for_all() -> None:
    hands = Hands()
    rate = LineRate(hands)
    assert [rate.due(HERE) for _ in range(LINES_OF_NETWORK + 1)] == [True] * LINES_OF_NETWORK + [False]
    assert sum(rate.due(f"network {number}") for number in range(10 * LINES)) == LINES - LINES_OF_NETWORK
    hands.at = 60.0
    assert rate.due(HERE)
