"""Connections that have not logged in: bounded, the oldest shed first."""

import time

from hypothesis import given
from hypothesis import strategies as st

from mailguard.net.listener import Lobby, Ticket


class Guest:
    """A connection in the lobby, which leaves in the midst of being shed, as sessions do."""

    def __init__(self, lobby: Lobby, network: str) -> None:
        self.sheds = 0
        self.ticket: Ticket = lobby.enter(network, self._shed)

    def _shed(self) -> None:
        self.sheds += 1
        self.ticket.leave()


def test_at_the_cap_of_a_network_its_oldest_goes() -> None:
    lobby = Lobby(overall=10, per_network=2)
    stranger = Guest(lobby, "198.51.100.1/32")
    first, second, third = (Guest(lobby, "192.0.2.1/32") for _ in range(3))
    assert [guest.sheds for guest in (stranger, first, second, third)] == [0, 1, 0, 0]
    assert len(lobby) == 3


def test_at_the_cap_overall_the_oldest_of_all_goes() -> None:
    lobby = Lobby(overall=3, per_network=2)
    guests = [Guest(lobby, f"192.0.2.{number}/32") for number in range(5)]
    assert [guest.sheds for guest in guests] == [1, 1, 0, 0, 0]
    assert lobby.shed == 2
    assert len(lobby) == 3


def test_who_has_left_is_not_shed_and_may_leave_again() -> None:
    lobby = Lobby(overall=2, per_network=2)
    first, second = Guest(lobby, "192.0.2.1/32"), Guest(lobby, "192.0.2.1/32")
    for _ in range(3):
        first.ticket.leave()
    assert len(lobby) == 1
    third = Guest(lobby, "192.0.2.1/32")
    assert [guest.sheds for guest in (first, second, third)] == [0, 0, 0]
    for guest in (second, third, third):
        guest.ticket.leave()
    assert len(lobby) == 0


def test_who_said_something_lately_is_not_the_oldest() -> None:
    lobby = Lobby(overall=3, per_network=2)
    first, second = Guest(lobby, "192.0.2.1/32"), Guest(lobby, "192.0.2.1/32")
    first.ticket.renew()
    third = Guest(lobby, "192.0.2.1/32")
    assert [guest.sheds for guest in (first, second, third)] == [0, 1, 0]
    second.ticket.renew()  # who was shed does not come back by it
    assert len(lobby) == 2
    for _ in range(2):
        Guest(lobby, "198.51.100.1/32")
    assert [guest.sheds for guest in (first, second, third)] == [1, 1, 0]


@given(
    overall=st.integers(1, 6),
    per_network=st.integers(1, 6),
    acts=st.lists(st.one_of(st.sampled_from("abc"), st.integers(0, 30)), max_size=60),
)
def test_the_caps_hold_and_the_eldest_goes(overall: int, per_network: int, acts: list[str | int]) -> None:
    """A name enters, a number leaves; compared with a plain list."""
    lobby = Lobby(overall=overall, per_network=per_network)
    guests: list[Guest] = []
    inside: list[tuple[str, Guest]] = []
    for act in acts:
        if isinstance(act, int):
            if act < len(guests):
                guests[act].ticket.leave()
                inside = [each for each in inside if each[1] is not guests[act]]
            continue
        neighbours = [each for each in inside if each[0] == act]
        if len(neighbours) >= per_network:
            inside.remove(neighbours[0])
        elif len(inside) >= overall:
            inside.pop(0)
        guests.append(Guest(lobby, act))
        inside.append((act, guests[-1]))
        left = [guest for guest in guests if guest.sheds]
        assert not set(left) & {guest for _, guest in inside}
        assert len(lobby) == len(inside) <= overall
    assert all(guest.sheds <= 1 for guest in guests)


def test_a_full_lobby_costs_no_more_than_an_empty_one() -> None:
    lobby = Lobby(overall=20_000, per_network=20_000)
    before = time.process_time()  # which a busy machine does not lengthen
    for _ in range(100_000):
        lobby.enter("192.0.2.1/32", lambda: None)
    assert time.process_time() - before < 5  # a scan of the lobby for each would take minutes
