"""What `account show` tells of guesses."""

import math

from mailguard.auth import throttle
from mailguard.auth.attempt import Origin
from mailguard.keyring import Keyring
from mailguard.secret import Secret
from mailguard.store import Store
from mailguard.store.waiting import Guesses
from tests.store.words import ANN, BOB, HOME, NOON, OPERATOR, StoppedClock, refused


async def guess(store: Store, keys: Keyring, number: int, at: float, origin: Origin = HOME) -> None:
    reservation = throttle.reservation(keys, ANN, origin, Secret(b"%d" % number))
    await store.ledger.refuse(refused(at=at), await store.ledger.reserve(reservation, at))


async def test_nothing_waits_where_nobody_guessed(store: Store) -> None:
    assert await store.accounts.guesses(ANN) == Guesses()


async def test_what_waits_and_until_when(store: Store, keys: Keyring) -> None:
    for number in range(10):
        await guess(store, keys, number, NOON)
    assert await store.accounts.guesses(ANN) == Guesses(10, networks=1, longest=NOON + 30)
    for number in range(10, 20):
        await guess(store, keys, number, NOON, Origin.of(f"10.{number}.0.1", 1))
    assert await store.accounts.guesses(ANN) == Guesses(20, strangers=NOON + 30, networks=1, longest=NOON + 30)
    assert await store.accounts.guesses(BOB) == Guesses()
    await store.accounts.unlock(ANN, actor=OPERATOR)
    assert await store.accounts.guesses(ANN) == Guesses()


async def test_what_waits_for_ever_and_what_is_over(store: Store, keys: Keyring, clock: StoppedClock) -> None:
    for number in range(100):
        clock.at += 3600
        await guess(store, keys, number, clock.at, Origin.of(f"10.{number}.0.1", 1))
    shown = await store.accounts.guesses(ANN)
    assert shown == Guesses(90, strangers=math.inf)
