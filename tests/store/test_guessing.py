"""Guesses by the hundred thousand: how many get through, and what they leave behind (SECURITY.md, promises 6 and 12).

Hashing and the identity source are left out: each guess is staked and refused at once. `make guesses` runs what stands
here at its full size: a million guesses over a thousand connections, a million names before a disk of 50 MB.
"""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection

from mailguard.auth import throttle
from mailguard.auth.accounts import Account, AccountName, AppPassword
from mailguard.auth.attempt import Admission, Factor, Origin
from mailguard.auth.ports import Counts, Questions, Reservation, Reserved, Stake
from mailguard.auth.throttle import ALLOWANCES, passes, until
from mailguard.keyring import Keyring
from mailguard.secret import Secret
from mailguard.store import Store, repeats
from mailguard.store import audit as record
from mailguard.store import throttle as memory
from mailguard.store.engine import sync_engine, transaction
from mailguard.store.entry import admit
from mailguard.store.seal import Seal
from mailguard.store.shedding import EVERY, MOST
from tests.store.test_processes import together, workers
from tests.store.words import (
    ANN,
    NOON,
    OPERATOR,
    admitted,
    app_password,
    by_app_password,
    by_code,
    content,
    names,
    phone,
    put,
    refused,
    sql,
)

FULL = "MAILGUARD_GUESSES" in os.environ
GUESSES = int(os.environ.get("MAILGUARD_GUESSES", "800"))
CONNECTIONS = 1000 if FULL else 100
MADE_UP = int(os.environ.get("MAILGUARD_GUESSES", "1500"))
TOGETHER = 500
KEPT = ("SELECT id, string FROM grants", "SELECT * FROM revocations")
ANY = Questions(1_000_000, 1800.0)  # the throttle alone is looked at


def say(line: str) -> None:
    """What was measured, for whoever runs this with -s."""
    sys.stdout.write(f"\n{line}\n")


@dataclass(frozen=True)
class Guesser:
    """A thousand connections, each from a network of its own or all from one, that guess as fast as they can.

    What the ledger runs in its transactions is run here in theirs; which of the connections is next is drawn by lot, so
    that stakes lie in hand, as they do while a store is asked, until after those of others.
    """

    connection: Connection
    keys: Keyring
    names: int
    networks: int
    seconds: float

    def run(self) -> Counter[AccountName]:
        """Guesses that got through, by name."""
        through: Counter[AccountName] = Counter()
        names = [AccountName(f"user{number}@example.org") for number in range(self.names)]
        origins = [Origin.of(f"10.{number // 250}.{number % 250}.1", 1) for number in range(self.networks)]
        in_hand: dict[int, Stake] = {}
        lots, at = Random(self.names + self.networks), NOON  # the same run each time
        for guess in range(GUESSES):
            at += self.seconds / GUESSES
            while (number := lots.randrange(CONNECTIONS)) in in_hand:
                self._wrong(in_hand.pop(number), at)
            name, origin = lots.choice(names), origins[number % self.networks]
            secret = Secret(b"guess %d" % guess)
            reservation = throttle.reservation(self.keys, name, origin, secret, ANY, known=True)
            stake = self._staked(reservation, at)
            if stake.state is Reserved.NEW:
                through[name] += 1
                in_hand[number] = stake
        most = max(through.values())
        scene = f"{self.names} accounts, {self.networks} networks, {self.seconds:.0f} s"
        say(f"{GUESSES} guesses, {scene}: {through.total()} got through, at most {most} at one account")
        return through

    def _staked(self, reservation: Reservation, at: float) -> Stake:
        return transaction(self.connection, lambda connection: memory.reserve(connection, reservation, at))

    def _wrong(self, stake: Stake, at: float) -> None:
        transaction(self.connection, lambda connection: memory.refuse(connection, stake, at, spent=False))


@pytest.fixture
def quick(database: Path, empty: bytes) -> Iterator[Connection]:
    """A database whose writes nobody waits for."""
    put(database, empty)
    with in_haste(database) as connection:
        yield connection


@contextmanager
def in_haste(database: Path) -> Iterator[Connection]:
    engine = sync_engine(database)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA synchronous = OFF")
        connection.commit()
        yield connection
    engine.dispose()


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
def test_one_account_from_everywhere(quick: Connection, keys: Keyring, seconds: float) -> None:
    through = Guesser(quick, keys, names=1, networks=CONNECTIONS, seconds=seconds).run()
    assert ALLOWANCES[Counts.ACCOUNT].free <= through.total() <= bound(Counts.ACCOUNT, seconds)


@pytest.mark.parametrize("seconds", [1.0, 86400.0])
def test_one_account_from_one_network(quick: Connection, keys: Keyring, seconds: float) -> None:
    through = Guesser(quick, keys, names=1, networks=1, seconds=seconds).run()
    assert ALLOWANCES[Counts.PAIR].free <= through.total() <= bound(Counts.PAIR, seconds)


@pytest.mark.parametrize("seconds", [1.0, 3600.0])
def test_a_thousand_accounts_from_everywhere(quick: Connection, keys: Keyring, seconds: float) -> None:
    through = Guesser(quick, keys, names=1000, networks=CONNECTIONS, seconds=seconds).run()
    assert min(GUESSES, ALLOWANCES[Counts.OVERALL].free) <= through.total() <= bound(Counts.OVERALL, seconds)
    assert max(through.values()) <= bound(Counts.ACCOUNT, seconds)


def test_a_thousand_accounts_from_one_network(quick: Connection, keys: Keyring) -> None:
    through = Guesser(quick, keys, names=1000, networks=1, seconds=1.0).run()
    assert through.total() == ALLOWANCES[Counts.NETWORK].free


def test_a_hundred_in_a_row_is_the_end_in_whatever_time(quick: Connection, keys: Keyring) -> None:
    through = Guesser(quick, keys, names=1, networks=CONNECTIONS, seconds=400 * 86400.0).run()
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
    store = await Store.open(f"sqlite:///{file}", keys, now=lambda: NOON)
    try:
        account = await store.accounts.add(ANN, actor=OPERATOR)
        device = await phone(store)
        issued = await app_password(store, keys, account)
        gone = await app_password(store, keys, account, "another")
        await store.app_passwords.revoke(ANN, gone.id, actor=OPERATOR)
        admitted(await store.ledger.admit(by_code(keys, device, 101, grant=1e9, idle=1e9)))
        for number in range(5):
            secret = Secret(b"%d" % number)
            reservation = throttle.reservation(keys, ANN, Origin.of("192.0.2.1", 1), secret, known=True)
            await store.ledger.refuse(refused(), await store.ledger.reserve(reservation, NOON))
    finally:
        await store.close()
    kept = [sql(file, statement) for statement in KEPT]
    assert all(kept)
    with in_haste(file) as connection:
        at = flood(connection, keys, issued)
    for table, each in (("throttle_marks", 1), ("questions", 1), ("throttle_buckets", 5)):
        ((rows,),) = sql(file, f"SELECT count(*) FROM {table} WHERE known = 0")
        assert isinstance(rows, int)
        assert rows <= MOST[False] + each * EVERY
    (in_a_row,) = sql(file, "SELECT in_a_row FROM throttle_buckets WHERE counts = 'account' AND known")
    assert in_a_row == (5,), "what was counted of an account that is there is not given up"
    assert kept == [sql(file, statement) for statement in KEPT]
    size = sum(len(content(small_disk / name)) for name in names(small_disk))
    ((rows,),) = sql(file, "SELECT count(*) FROM audit")
    days = (at - NOON) / 86400
    say(f"{MADE_UP} made-up names in {days:.0f} days: {size / 1e6:.1f} MB, {rows} rows of record")


def flood(connection: Connection, keys: Keyring, issued: AppPassword) -> float:
    """The right app password enters all the while. Returns when it is over."""
    at, seal = NOON, Seal(keys)

    def enter(connection: Connection) -> Admission:
        repeats.close(connection, at)
        return admit(connection, seal, by_app_password(issued, at=at))

    for first in range(0, MADE_UP, TOGETHER):
        numbers = range(first, min(first + TOGETHER, MADE_UP))
        at = transaction(connection, partial(guesses, keys=keys, numbers=numbers, at=at))
        assert transaction(connection, enter).factor is Factor.APP_PASSWORD
    return at


def guesses(connection: Connection, keys: Keyring, numbers: range, at: float) -> float:
    """Each at a name of its own. One transaction for many: only the waiting for the disk is another's."""
    for number in numbers:
        at += ALLOWANCES[Counts.OVERALL].leak
        name = AccountName(f"made-up-{number}@example.org")
        origin = Origin.of(f"{11 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.1", 1)
        reservation = throttle.reservation(keys, name, origin, Secret(b"x"), Questions())
        stake = memory.reserve(connection, reservation, at)
        assert stake.state is Reserved.NEW, "the flood is not held up by something else"
        memory.refuse(connection, stake, at, spent=False)
        record.append(connection, refused(name, at, origin))
    return at
