"""Guesses by the hundred thousand: how many get through, and what they leave behind (SECURITY.md, promises 6 and 12).

Hashing and the identity source are left out: each guess is staked and refused at once. `make guesses` runs what stands
here at its full size: a million guesses over a thousand connections, a million names before a disk of 50 MB.
"""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailguard.auth import throttle
from mailguard.auth.accounts import Account, AccountName
from mailguard.auth.attempt import Factor, Origin
from mailguard.auth.ports import Counts, Questions, Reserved
from mailguard.auth.throttle import ALLOWANCES, passes, until
from mailguard.keyring import Keyring
from mailguard.secret import Secret
from mailguard.store import Store
from mailguard.store.shedding import EVERY, MOST
from tests.store.test_processes import together, workers
from tests.store.words import (
    ANN,
    NOON,
    OPERATOR,
    StoppedClock,
    admitted,
    app_password,
    by_app_password,
    by_code,
    phone,
    refused,
    sql,
)

FULL = "MAILGUARD_GUESSES" in os.environ
GUESSES = int(os.environ.get("MAILGUARD_GUESSES", "800"))
CONNECTIONS = 1000 if FULL else 100
MADE_UP = int(os.environ.get("MAILGUARD_GUESSES", "1500"))
ANY = Questions(1_000_000, 1800.0)  # the throttle alone is looked at


@dataclass(frozen=True)
class Guesser:
    """A thousand connections, each from a network of its own or all from one, that guess as fast as they can."""

    store: Store
    keys: Keyring
    clock: StoppedClock
    names: int
    networks: int
    seconds: float

    async def run(self) -> Counter[AccountName]:
        """Guesses that got through, by name."""
        through: Counter[AccountName] = Counter()
        step = self.seconds / GUESSES

        async def connection(number: int) -> None:
            origin = Origin.of(f"10.{number % self.networks // 250}.{number % self.networks % 250}.1", 1)
            for guess in range(number, GUESSES, CONNECTIONS):
                name = AccountName(f"user{guess % self.names}@example.org")
                self.clock.at += step
                at = self.clock.at
                secret = Secret(b"guess %d" % guess)
                reservation = throttle.reservation(self.keys, name, origin, secret, ANY, known=True)
                stake = await self.store.ledger.reserve(reservation, at)
                if stake.state is Reserved.NEW:
                    through[name] += 1
                    await self.store.ledger.refuse(refused(name, at, origin), stake)

        await asyncio.gather(*(connection(number) for number in range(CONNECTIONS)))
        return through


def bound(counts: Counts, seconds: float) -> int:
    """The most that a bucket lets through in so many seconds, worked out at the pace that suits the guesser best."""
    allowance, tally, now, through = ALLOWANCES[counts], None, 0.0, 0
    while now <= seconds:
        if tally is None or passes(allowance, tally, now, known_here=False):
            tally, through = throttle.counted(allowance, tally, now), through + 1
        else:
            now = until(allowance, tally, known_here=False)
    return through


@pytest.mark.parametrize("seconds", [1.0, 86400.0])
async def test_one_account_from_everywhere(store: Store, keys: Keyring, clock: StoppedClock, seconds: float) -> None:
    through = await Guesser(store, keys, clock, names=1, networks=CONNECTIONS, seconds=seconds).run()
    most = bound(Counts.ACCOUNT, seconds)
    assert ALLOWANCES[Counts.ACCOUNT].free <= through.total() <= most


@pytest.mark.parametrize("seconds", [1.0, 86400.0])
async def test_one_account_from_one_network(store: Store, keys: Keyring, clock: StoppedClock, seconds: float) -> None:
    through = await Guesser(store, keys, clock, names=1, networks=1, seconds=seconds).run()
    assert ALLOWANCES[Counts.PAIR].free <= through.total() <= bound(Counts.PAIR, seconds)


@pytest.mark.parametrize("seconds", [1.0, 3600.0])
async def test_a_thousand_accounts_from_everywhere(
    store: Store, keys: Keyring, clock: StoppedClock, seconds: float
) -> None:
    through = await Guesser(store, keys, clock, names=1000, networks=CONNECTIONS, seconds=seconds).run()
    assert through.total() <= bound(Counts.OVERALL, seconds)
    assert max(through.values()) <= bound(Counts.ACCOUNT, seconds)
    assert through.total() >= min(GUESSES, ALLOWANCES[Counts.OVERALL].free)


async def test_a_thousand_accounts_from_one_network(store: Store, keys: Keyring, clock: StoppedClock) -> None:
    through = await Guesser(store, keys, clock, names=1000, networks=1, seconds=1.0).run()
    assert through.total() == ALLOWANCES[Counts.NETWORK].free


async def test_a_hundred_in_a_row_is_the_end_in_whatever_time(store: Store, keys: Keyring, clock: StoppedClock) -> None:
    seconds = 400 * 86400.0
    through = await Guesser(store, keys, clock, names=1, networks=CONNECTIONS, seconds=seconds).run()
    account = ALLOWANCES[Counts.ACCOUNT]
    assert account.in_a_row is not None
    assert through.total() == account.in_a_row - account.in_a_row_kept


async def test_three_processes_guess_no_more_than_one(store: Store, ann: Account, database: Path) -> None:
    """No update is lost, and none meets a locked database."""
    with workers("guesser", database, "abc") as found:
        said = await asyncio.to_thread(together, found)
    through = [line for lines in said for line in lines if line == "through"]
    free = ALLOWANCES[Counts.ACCOUNT].free
    assert len(through) == free
    levels = sql(
        database, "SELECT counts, level FROM throttle_buckets WHERE counts IN ('account', 'overall') ORDER BY 1"
    )
    assert levels == [("account", free), ("overall", free)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """50 MB, where all of it is asked for; else any folder."""
    if not FULL:
        yield tmp_path
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no tmpfs can be mounted here: run it as root")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


async def test_a_flood_of_made_up_names_fills_no_disk(
    small_disk: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each from a network of its own, and at a pace that the overall bucket lets through."""
    if not FULL:
        monkeypatch.setitem(MOST, False, 200)
    file = small_disk / "mailguard.db"
    clock = StoppedClock()
    store = await Store.open(f"sqlite:///{file}", keys, now=clock)
    try:
        await flood(store, keys, clock, file)
    finally:
        await store.close()


async def flood(store: Store, keys: Keyring, clock: StoppedClock, file: Path) -> None:
    account = await store.accounts.add(ANN, actor=OPERATOR)
    device = await phone(store)
    issued = await app_password(store, keys, account)
    gone = await app_password(store, keys, account, "another")
    await store.app_passwords.revoke(ANN, gone.id, actor=OPERATOR)
    grant = admitted(await store.ledger.admit(by_code(keys, device, 101, grant=1e9, idle=1e9)))
    for number in range(5):
        reservation = throttle.reservation(keys, ANN, Origin.of("192.0.2.1", 1), Secret(b"%d" % number), known=True)
        await store.ledger.refuse(refused(), await store.ledger.reserve(reservation, NOON))
    kept = [sql(file, statement) for statement in ("SELECT id, string FROM grants", "SELECT * FROM revocations")]
    through = 0
    for number in range(MADE_UP):
        clock.at += ALLOWANCES[Counts.OVERALL].leak
        name = AccountName(f"made-up-{number}@example.org")
        origin = Origin.of(f"{11 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.1", 1)
        reservation = throttle.reservation(keys, name, origin, Secret(b"x"), Questions())
        stake = await store.ledger.reserve(reservation, clock.at)
        await store.ledger.refuse(refused(name, clock.at, origin), stake)
        through += stake.state is Reserved.NEW
    assert through == MADE_UP, "each of them is counted: the flood is not held up by something else"
    for table, each in (("throttle_marks", 1), ("questions", 1), ("throttle_buckets", 5)):
        ((rows,),) = sql(file, f"SELECT count(*) FROM {table} WHERE known = 0")
        assert isinstance(rows, int)
        assert rows <= MOST[False] + each * EVERY
    (in_a_row,) = sql(file, "SELECT in_a_row FROM throttle_buckets WHERE counts = 'account' AND known")
    assert in_a_row == (5,), "what was counted of an account that is there is not given up"
    assert kept == [
        sql(file, statement) for statement in ("SELECT id, string FROM grants", "SELECT * FROM revocations")
    ]
    assert admitted(await store.ledger.admit(by_app_password(issued, at=clock.at))).factor is Factor.APP_PASSWORD
    assert grant.credential in {row[0] for row in kept[0]}
