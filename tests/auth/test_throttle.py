from mailguard.auth import throttle
from mailguard.auth.accounts import AccountName
from mailguard.keyring import Keyring
from mailguard.secret import Secret

ANN, BOB = AccountName("ann@example.org"), AccountName("bob@example.org")
HERE, THERE = "192.0.2.1/32", "192.0.2.2/32"


def test_the_same_guess_is_the_same_stake(ring: Keyring) -> None:
    assert throttle.reservation(ring, ANN, HERE, Secret(b"x")) == throttle.reservation(ring, ANN, HERE, Secret(b"x"))


def test_buckets_are_shared_by_what_they_count(ring: Keyring) -> None:
    base = throttle.reservation(ring, ANN, HERE, Secret(b"x"))
    elsewhere = throttle.reservation(ring, ANN, THERE, Secret(b"x"))
    other = throttle.reservation(ring, BOB, HERE, Secret(b"x"))
    keys = [[bucket.key for bucket in r.buckets] for r in (base, elsewhere, other)]
    assert [a == b for a, b in zip(keys[0], keys[1], strict=True)] == [False, True, False]
    assert [a == b for a, b in zip(keys[0], keys[2], strict=True)] == [False, False, True]
    assert base.owner == elsewhere.owner == throttle.owner_key(ring, ANN) != other.owner


def test_distinct_secrets_and_names_leave_distinct_marks(ring: Keyring) -> None:
    network = 2
    marks = {
        throttle.reservation(ring, name, HERE, Secret(secret)).buckets[network].mark
        for name in (ANN, BOB)
        for secret in (b"x", b"y", b"")
    }
    assert len(marks) == 6
    assert {len(mark) for mark in marks} == {3}


def test_a_secret_leaves_the_same_few_bits_everywhere(ring: Keyring) -> None:
    """However many buckets it was staked in, from however many networks, no more of it can be told than one mark."""
    stakes = [throttle.reservation(ring, ANN, where, Secret(b"x")) for where in (HERE, THERE)]
    assert len({bucket.mark for stake in stakes for bucket in stake.buckets}) == 1


def test_parts_cannot_be_shifted_into_one_another(ring: Keyring) -> None:
    one = throttle.reservation(ring, AccountName("ann"), "xy", Secret(b"z"))
    two = throttle.reservation(ring, AccountName("annx"), "y", Secret(b"z"))
    assert one.buckets[0].key != two.buckets[0].key


def test_nothing_readable_is_staked(ring: Keyring) -> None:
    shown = repr(throttle.reservation(ring, ANN, HERE, Secret(b"hunter2")))
    assert "ann" not in shown
    assert "192" not in shown
    assert "hunter2" not in shown
