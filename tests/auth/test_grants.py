"""Whom a grant lets in."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth.accounts import Grant
from mailguard.auth.attempt import Origin
from mailguard.auth.grants import SECOND_FAMILY_SECONDS, Reach, reach

NOON = 1_795_521_600.0
V4, OTHER_V4 = Origin.of("192.0.2.7", 1), Origin.of("192.0.2.8", 2)
V6, SAME_64, OTHER_V6 = (Origin.of(f"2001:db8:{end}", 3) for end in ("0:1::7", "0:1:ffff::9", "0:2::7"))
OPENED = Grant("g1", "a1", "d1", V4.network, NOON, NOON + 43200, idle=3600.0)
OPENED_BY_V6 = Grant("g1", "a1", "d1", V6.network, NOON, NOON + 43200, idle=3600.0)
BOTH = Grant("g1", "a1", "d1", V4.network, NOON, NOON + 43200, idle=3600.0, second=V6.network)
PERMIT = Grant("g1", "a1", "d1", V4.network, NOON, NOON + 60, single=True)
SOON, LATE = SECOND_FAMILY_SECONDS - 0.1, SECOND_FAMILY_SECONDS


@pytest.mark.parametrize(
    ("grant", "origin", "after", "expected"),
    [
        pytest.param(OPENED, V4, LATE * 100, Reach.HERE, id="where it was opened, for as long as it lives"),
        pytest.param(OPENED, OTHER_V4, 1, Reach.ELSEWHERE, id="the neighbour"),
        pytest.param(OPENED, V6, SOON, Reach.JOINING, id="the other family, soon"),
        pytest.param(OPENED, V6, LATE, Reach.ELSEWHERE, id="the other family, too late"),
        pytest.param(OPENED_BY_V6, SAME_64, LATE, Reach.HERE, id="another address of its /64"),
        pytest.param(OPENED_BY_V6, OTHER_V6, 1, Reach.ELSEWHERE, id="another /64"),
        pytest.param(OPENED_BY_V6, V4, SOON, Reach.JOINING, id="IPv4 after IPv6"),
        pytest.param(BOTH, V6, LATE * 100, Reach.HERE, id="what has joined"),
        pytest.param(BOTH, SAME_64, LATE, Reach.HERE, id="another address of what has joined"),
        pytest.param(BOTH, OTHER_V6, 1, Reach.ELSEWHERE, id="a third"),
        pytest.param(BOTH, OTHER_V4, 1, Reach.ELSEWHERE, id="a third of the first family"),
        pytest.param(PERMIT, V4, 1, Reach.HERE, id="a permit at its address"),
        pytest.param(PERMIT, V6, 1, Reach.ELSEWHERE, id="a permit has no second family"),
    ],
)
def test_reach(grant: Grant, origin: Origin, after: float, expected: Reach) -> None:
    assert reach(grant, origin, NOON + after) is expected


addresses = st.one_of(
    st.integers(0, 3).map(lambda n: IPv4Address(3221225984 + n)),
    st.integers(0, 3).map(lambda n: IPv6Address((0x20010DB8 << 96) + (n << 63))),
)


@given(addresses, st.lists(st.tuples(addresses, st.floats(0, 400)), max_size=20))
def test_no_sequence_of_logins_lets_in_more_than_one_network_of_each_family(
    first: IPv4Address | IPv6Address, later: list[tuple[IPv4Address | IPv6Address, float]]
) -> None:
    origin = Origin(first, 1)
    grant, let_in = Grant("g", "a", "d", origin.network, NOON, NOON + 43200, idle=3600.0), {origin.network}
    for address, after in sorted(later, key=lambda login: login[1]):
        origin = Origin(address, 1)
        match reach(grant, origin, NOON + after):
            case Reach.JOINING:
                assert after < SECOND_FAMILY_SECONDS
                grant = Grant("g", "a", "d", grant.network, NOON, NOON + 43200, idle=3600.0, second=origin.network)
                let_in.add(origin.network)
            case Reach.HERE:
                assert origin.network in let_in
            case Reach.ELSEWHERE:
                assert origin.network not in let_in
    assert sorted({":" in network for network in let_in}) == sorted(":" in network for network in let_in)
