"""Several processes at one store, and processes that die (SECURITY.md, promises 2 and 3)."""

import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailguard.auth import recovery
from mailguard.auth.accounts import Account, CodeKind
from mailguard.auth.events import Event
from mailguard.auth.ports import Lost
from mailguard.keyring import Keyring, Purpose
from mailguard.store import Store
from tests.store.test_sessions import session
from tests.store.words import ANN, NOON, OPERATOR, SEED, app_password, by_code, digest, sql, token
from tests.store.worker import ROUNDS, STEPS

Worker = subprocess.Popen[str]


@contextmanager
def workers(role: str, database: Path, names: Sequence[str]) -> Iterator[list[Worker]]:
    """Processes that are all ready; each begins when a line is written to it."""
    keys = database.parent / "keys.toml"
    command = [sys.executable, "-m", "tests.store.worker", role, str(database), str(keys)]
    found = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in names
    ]
    try:
        for worker in found:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        yield found
    finally:
        for worker in found:
            worker.kill()
            worker.communicate()


def together(found: Sequence[Worker]) -> list[list[str]]:
    """Start all at once; what each said, when all have ended well."""
    for worker in found:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate()[0].splitlines() for worker in found]
    assert [worker.returncode for worker in found] == [0] * len(found)
    return said


async def test_one_of_several_names_binds_a_client_lock(
    store: Store, database: Path, keys: Keyring, ann: Account
) -> None:
    for number in range(ROUNDS):
        locked = await app_password(store, keys, ann, f"lock {number}", client_lock=True)
        await store.sessions.opened([session(number, credential=locked.id, id=f"mg-{who}-{number}") for who in "abc"])
    with workers("binder", database, "abc") as found:
        said = together(found)
    bound = [line for lines in said for line in lines if line.startswith("bound")]
    assert sorted(bound) == sorted(f"bound {number}" for number in range(ROUNDS))
    names = {row.client_bound for row in await store.app_passwords.list(ANN)}
    assert names <= set("abc")


def test_many_processes_open_an_empty_place_and_one_makes_the_store(database: Path, keys: Keyring) -> None:
    with workers("opener", database, "abc") as found:
        said = together(found)
    assert said == [[f"opened {NOON}"]] * 3
    assert sql(database, "SELECT event FROM audit") == [(Event.STORE_CREATED.value,)]


async def test_three_processes_race_for_each_step_and_one_wins(store: Store, ann: Account, database: Path) -> None:
    device = await store.devices.enrol(ANN, "phone", SEED, actor=OPERATOR)
    await store.devices.confirm(device.id, 0, actor=OPERATOR)
    with workers("racer", database, "abc") as found:
        said = [line.split() for lines in together(found) for line in lines]
    assert sorted(int(words[1]) for words in said if words[0] == "won") == list(range(1, STEPS + 1))
    assert {words[2] for words in said if words[0] == "lost"} == {Lost.STEP_USED.value}
    assert len(said) == 3 * STEPS
    granted = [r for r in await store.audit.list() if r.row.event is Event.LOGIN_GRANTED]
    assert len(granted) == STEPS


async def test_three_processes_race_for_each_one_time_code_and_one_is_in(
    store: Store, ann: Account, database: Path
) -> None:
    await store.devices.confirm((await store.devices.enrol(ANN, "phone", SEED, actor=OPERATOR)).id, 0, actor=OPERATOR)
    issued = await store.codes.issue(ANN, CodeKind.RECOVERY, recovery.make(10), actor=OPERATOR)
    with workers("signer", database, "abc") as found:
        said = [line.split() for lines in together(found) for line in lines]
    assert sorted(words[1] for words in said if words[0] == "won") == sorted(code.id for code in issued)
    assert {words[2] for words in said if words[0] == "lost"} <= {Lost.STEP_USED.value}
    used = [r for r in await store.audit.list() if r.row.event is Event.CODE_USED]
    assert len(used) == len(issued)


async def test_three_processes_race_for_each_count_and_each_challenge_of_a_passkey_and_one_is_in(
    store: Store, ann: Account, database: Path
) -> None:
    await token(store, label="counts")
    await token(store, label="does not")
    with workers("presser", database, "abc") as found:
        said = [line.split() for lines in together(found) for line in lines]
    rounds = list(range(1, ROUNDS + 1))
    won = {what: [int(words[2]) for words in said if words[:2] == ["won", what]] for what in ("count", "challenge")}
    assert sorted(won["challenge"]) == rounds
    # A count that others have passed is lost: who is slow may find all of theirs gone, and none is won twice.
    assert len(set(won["count"])) == len(won["count"])
    assert max(won["count"]) == ROUNDS
    assert {words[3] for words in said if words[0] == "lost"} == {Lost.STEP_USED.value}
    assert [passkey.sign_count for passkey in await store.passkeys.list(ANN)] == [ROUNDS, 0]


async def test_mixed_writes_of_three_processes_never_meet_a_locked_database(
    store: Store, ann: Account, database: Path
) -> None:
    with workers("mixer", database, "abc") as found:
        assert together(found) == [[f"done {ROUNDS}"]] * 3
    assert len(await store.sessions.list()) == 3 * ROUNDS
    assert len(await store.revocations.after(0)) == 3 * ROUNDS
    events = [r.row.event for r in await store.audit.list()]
    for event in (Event.LOGIN_REFUSED, Event.APP_PASSWORD_ISSUED, Event.APP_PASSWORD_REVOKED):
        assert events.count(event) == 3 * ROUNDS


@pytest.mark.parametrize("seed", range(4))
async def test_a_writer_killed_at_any_moment_loses_nothing_it_acknowledged(
    store: Store, ann: Account, keys: Keyring, database: Path, seed: int
) -> None:
    device = await store.devices.enrol(ANN, "phone", SEED, actor=OPERATOR)
    await store.devices.confirm(device.id, 0, actor=OPERATOR)
    await store.close()  # so that the killed process is the last at the log: the next one recovers it
    with workers("writer", database, "w") as (worker,):
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
        said = [worker.stdout.readline().split()]
        killer = threading.Timer(random.Random(seed).uniform(0.0, 0.4), worker.kill)
        killer.start()
        said += [line.split() for line in worker.stdout if line.endswith("\n")]
        killer.join()
    again = await Store.open(f"sqlite:///{database}", keys, now=lambda: NOON)
    assert sql(database, "PRAGMA integrity_check") == [("ok",)]
    revoked = {words[1] for words in said if words[0] == "revoked"}
    for words in said:
        if words[0] == "issued":
            offered = [digest(keys, Purpose.APP_PASSWORD, " ".join(words[2:]))]
            found = (await again.ledger.facts(ANN, offered, [], NOON)).app_password
            assert found is not None
            assert found.id == words[1]
            assert found.revoked_at is not None or found.id not in revoked
        elif words[0] == "consumed":
            assert await again.ledger.admit(by_code(keys, device, int(words[1]), text="other")) is Lost.STEP_USED
    recorded = [r.row.credential for r in await again.audit.list() if r.row.event is Event.APP_PASSWORD_REVOKED]
    assert revoked <= set(recorded)
    assert not [r for r in await again.audit.list() if r.row.event is Event.ROW_ALTERED]
    await again.close()
