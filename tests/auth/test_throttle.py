import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth import throttle
from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Origin
from mailguard.auth.ports import Allowance, Counts, Reservation, Tally
from mailguard.auth.throttle import ALLOWANCES, CODE_LIMIT, CODE_SECONDS
from mailguard.keyring import Keyring
from mailguard.secret import Secret

ANN, BOB = AccountName("ann@example.org"), AccountName("bob@example.org")
HERE, NEAR, FAR = (Origin.of(address, 1) for address in ("192.0.2.1", "192.0.2.2", "198.51.100.9"))
NOON = 1_795_521_600.0
FEW = Allowance(3, leak=3600.0, kept=2)


def staked(ring: Keyring, name: AccountName = ANN, origin: Origin = HERE, secret: bytes = b"x") -> Reservation:
    return throttle.reservation(ring, name, origin, Secret(secret))


def keys(reservation: Reservation) -> dict[Counts, bytes]:
    return {Counts.CODES: reservation.codes, **{bucket.counts: bucket.key for bucket in reservation.buckets}}


def test_the_same_guess_is_the_same_stake(ring: Keyring) -> None:
    assert staked(ring) == staked(ring)


def test_every_kind_of_bucket_is_staked_and_no_two_are_one(ring: Keyring) -> None:
    assert len(set(keys(staked(ring)).values())) == len(Counts)


@pytest.mark.parametrize(
    ("name", "origin", "shared"),
    [
        (ANN, NEAR, {Counts.ACCOUNT, Counts.WIDE, Counts.OVERALL}),
        (ANN, FAR, {Counts.ACCOUNT, Counts.OVERALL}),
        (BOB, HERE, {Counts.NETWORK, Counts.WIDE, Counts.OVERALL}),
        (BOB, FAR, {Counts.OVERALL}),
    ],
)
def test_buckets_are_shared_by_what_they_count(
    ring: Keyring, name: AccountName, origin: Origin, shared: set[Counts]
) -> None:
    one, other = keys(staked(ring)), keys(staked(ring, name, origin))
    assert {counts for counts in one if one[counts] == other[counts]} == shared


def test_of_ipv6_the_64_is_one_client_and_the_48_one_customer(ring: Keyring) -> None:
    one, other, third = (
        keys(staked(ring, origin=Origin.of(address, 1)))
        for address in ("2001:db8:1:2::3", "2001:db8:1:2:ffff::3", "2001:db8:1:9::3")
    )
    assert one == other
    assert {counts for counts in one if one[counts] == third[counts]} == {
        Counts.ACCOUNT, Counts.WIDE, Counts.OVERALL
    }  # fmt: skip


def test_an_owner_is_found_from_every_network(ring: Keyring) -> None:
    assert staked(ring).owner == staked(ring, origin=FAR).owner == throttle.owner_key(ring, ANN)
    assert staked(ring).owner != staked(ring, BOB).owner


def test_distinct_secrets_and_names_leave_distinct_marks(ring: Keyring) -> None:
    marks = {staked(ring, name, secret=secret).mark for name in (ANN, BOB) for secret in (b"x", b"y", b"")}
    assert len(marks) == 6
    assert {len(mark) for mark in marks} == {3}


def test_a_secret_leaves_the_same_few_bits_from_everywhere(ring: Keyring) -> None:
    assert staked(ring).mark == staked(ring, origin=FAR).mark


def test_parts_cannot_be_shifted_into_one_another(ring: Keyring) -> None:
    assert staked(ring, AccountName("ann")).mark != staked(ring, AccountName("annx"), secret=b"").mark


def test_nothing_readable_is_staked(ring: Keyring) -> None:
    shown = repr(staked(ring, secret=b"hunter2"))
    assert "ann" not in shown
    assert "192" not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("level", "wait"),
    [(2, 0), (3, 30), (3.01, 30), (2.99, 30), (4, 60), (5, 120), (9, 1920), (10, 3600), (11, 3600), (5000, 3600)],
)
def test_waits_grow_from_half_a_minute_to_an_hour(level: float, wait: float) -> None:
    end = throttle.until(FEW, Tally(level, 0, NOON), known_here=False)
    assert end == (NOON + wait if wait else 0.0)
    assert throttle.passes(FEW, Tally(level, 0, NOON), NOON + wait, known_here=False)
    if wait:
        assert not throttle.passes(FEW, Tally(level, 0, NOON), NOON + wait - 1, known_here=False)


def test_networks_that_are_known_have_more(ring: Keyring) -> None:
    assert throttle.until(FEW, Tally(4, 0, NOON), known_here=True) == 0.0
    assert throttle.until(FEW, Tally(5, 0, NOON), known_here=True) == NOON + 30


def test_a_row_from_the_future_holds_nobody_up_for_long() -> None:
    assert throttle.passes(FEW, Tally(3, 0, NOON + 86400), NOON, known_here=False)


@pytest.mark.parametrize(("in_a_row", "here", "known"), [(89, True, True), (90, False, True), (100, False, False)])
def test_a_hundred_in_a_row_end_it_whatever_time_passes(in_a_row: int, here: bool, known: bool) -> None:
    allowance, tally = ALLOWANCES[Counts.ACCOUNT], Tally(0.0, in_a_row, NOON)
    late = NOON + 365 * 86400
    assert throttle.passes(allowance, tally, late, known_here=False) is here
    assert throttle.passes(allowance, tally, late, known_here=True) is known
    if not known:
        assert math.isinf(throttle.until(allowance, tally, known_here=True))


def test_what_is_counted_leaks_but_not_what_is_in_a_row() -> None:
    tally = throttle.counted(FEW, Tally(3.0, 3, NOON), NOON + 7200)
    assert tally == Tally(2.0, 4, NOON + 7200)
    assert throttle.counted(FEW, None, NOON) == Tally(1.0, 1, NOON)
    assert throttle.counted(FEW, Tally(3.0, 3, NOON), NOON - 7200).level == 4.0, "a clock set back"


@given(st.lists(st.floats(0, 1200), max_size=60))
def test_no_ten_minutes_see_more_wrong_codes_than_five(pauses: list[float]) -> None:
    now, tally, taken = NOON, None, []
    for pause in pauses:
        now += pause
        if (more := throttle.with_code(tally, now)) is not None:
            tally = more
            taken.append(now)
    assert all(sum(at <= each < at + CODE_SECONDS for each in taken) <= CODE_LIMIT for at in taken)


@given(st.sampled_from([True, False]), st.lists(st.floats(0, 4000), max_size=200))
def test_what_gets_through_a_bucket_is_bounded_at_any_pace(known_here: bool, pauses: list[float]) -> None:
    """Free ones, those that leaked meanwhile, and one for each wait that has fitted in."""
    for allowance in ALLOWANCES.values():
        now, tally, through = NOON, None, 0
        for pause in pauses:
            now += pause
            if tally is None or throttle.passes(allowance, tally, now, known_here=known_here):
                tally = throttle.counted(allowance, tally, now)
                through += 1
        free = allowance.free + (allowance.kept if known_here else 0)
        leaked = (now - NOON) / allowance.leak
        assert through <= free + leaked + 8 + (now - NOON) / throttle.LONGEST_WAIT
        if allowance.in_a_row is not None:
            assert through <= allowance.in_a_row
