"""How long a grant lives, whom it lets in, how many at a time (SECURITY.md, promise 4)."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth.accounts import Account, TotpDevice
from mailguard.auth.attempt import Admission, Factor, Origin
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow, Entry, Lost
from mailguard.keyring import Keyring, Purpose
from mailguard.store import ChangeRefused, Store
from mailguard.store.revocations import Kind
from tests.store.test_processes import together, workers
from tests.store.words import (
    ANN,
    BOB,
    ELSEWHERE,
    HOME,
    NOON,
    OPERATOR,
    StoppedClock,
    admitted,
    by_code,
    digest,
    granted,
    phone,
    refused,
    sql,
)
from tests.store.worker import CROWD, CROWD_CAP

HOME_V6, NEIGHBOUR_V6 = Origin.of("2001:db8:1::7", 40003), Origin.of("2001:db8:2::7", 40004)
IDLE, LIMIT = 600.0, 3600.0


@pytest.fixture
async def device(store: Store, ann: Account) -> TotpDevice:
    return await phone(store)


def first(keys: Keyring, device: TotpDevice, **more: object) -> Entry:
    return by_code(keys, device, 101, grant=LIMIT, idle=IDLE, **more)  # type: ignore[arg-type]  # passed on as it is


def further(
    admission: Admission, session: str = "", *, at: float = NOON, origin: Origin = HOME, connections: int = 8
) -> Entry:
    """Another login by the grant that this one opened."""
    row = granted(at=at, origin=origin, factor=Factor.GRANT, credential=admission.credential)
    row = replace(row, session=session or row.session)
    account, device = admission.account_id, admission.device
    return Entry(
        ANN, account, Factor.GRANT, admission.credential, device, admission.revision, row, connections=connections
    )


def over(session: str, at: float) -> tuple[str, AuditRow]:
    return session, AuditRow(Event.SESSION_ENDED, at, account=ANN, session=session, reason="client-closed")


async def alive(store: Store, keys: Keyring, at: float) -> bool:
    found = (await store.ledger.facts(ANN, [], [digest(keys, Purpose.STRING, "secret123456")], at)).grant
    return found is not None


async def test_the_idle_clock_runs_while_no_session_is_open(
    store: Store, keys: Keyring, device: TotpDevice, clock: StoppedClock
) -> None:
    entry = first(keys, device)
    admission = admitted(await store.ledger.admit(entry))
    assert await alive(store, keys, NOON + 5 * IDLE), "its session is open"
    second = further(admission, at=NOON + 100)
    admitted(await store.ledger.admit(second))
    await store.sessions.ended([over(entry.audit.session, NOON + 200)])
    assert await alive(store, keys, NOON + 5 * IDLE), "one of two is open"
    await store.sessions.ended([over(second.audit.session, NOON + 1000)])
    assert await alive(store, keys, NOON + 1000 + IDLE - 1)
    assert not await alive(store, keys, NOON + 1000 + IDLE)
    late = further(admission, at=NOON + 1000 + IDLE)
    assert await store.ledger.admit(late) is Lost.REVOKED
    clock.at = NOON + 1000 + IDLE
    assert await store.grants.expire() == 1
    assert await store.grants.expire() == 0
    ended = (await store.audit.list())[-1].row
    assert (ended.event, ended.account, ended.actor, ended.credential) == (
        Event.GRANT_ENDED,
        ANN,
        "system",
        admission.credential,
    )


async def test_a_login_winds_the_idle_clock_up(store: Store, keys: Keyring, device: TotpDevice) -> None:
    entry = first(keys, device)
    admission = admitted(await store.ledger.admit(entry))
    await store.sessions.ended([over(entry.audit.session, NOON + 1)])
    second = further(admission, at=NOON + 500)
    admitted(await store.ledger.admit(second))
    await store.sessions.ended([over(second.audit.session, NOON + 501)])
    assert await alive(store, keys, NOON + 501 + IDLE - 1)
    assert not await alive(store, keys, NOON + 501 + IDLE)


async def test_a_failed_leg_is_no_session_and_burns_nothing(store: Store, keys: Keyring, device: TotpDevice) -> None:
    entry = first(keys, device)
    admission = admitted(await store.ledger.admit(entry))
    deferred = replace(refused(reason="backend-unavailable"), event=Event.LOGIN_DEFERRED, session=entry.audit.session)
    await store.ledger.defer(deferred, None)
    assert await store.sessions.list() == ()
    assert await alive(store, keys, NOON + IDLE - 1)
    assert not await alive(store, keys, NOON + IDLE)
    # The same connection tries again.
    assert admitted(await store.ledger.admit(further(admission, entry.audit.session))).factor is Factor.GRANT
    assert [s.id for s in await store.sessions.list()] == [entry.audit.session]


async def test_a_connection_whose_end_went_unrecorded_takes_one_place(
    store: Store, keys: Keyring, device: TotpDevice
) -> None:
    entry = first(keys, device)
    admission = admitted(await store.ledger.admit(entry))
    admitted(await store.ledger.admit(further(admission, entry.audit.session, connections=1)))
    assert [s.id for s in await store.sessions.list()] == [entry.audit.session]
    assert await store.revocations.after(1) == []


async def test_the_hard_end_ends_its_sessions_and_erases_its_hash(
    store: Store, keys: Keyring, device: TotpDevice, clock: StoppedClock, database: Path
) -> None:
    admission = admitted(await store.ledger.admit(first(keys, device)))
    clock.at = NOON + LIMIT - 1
    assert await store.grants.expire() == 0
    clock.at = NOON + LIMIT
    assert not await alive(store, keys, clock.at), "nobody waits for a job"
    assert await store.grants.expire() == 1
    assert [(r.kind, r.target) for r in await store.revocations.after(1)] == [(Kind.GRANT, admission.credential)]
    assert sql(database, "SELECT string, ended_at FROM grants") == [(None, clock.at)]
    assert await store.ledger.revoked_since(admission.revision, admission, "mg-1")
    assert await store.ledger.admit(further(admission, at=clock.at)) is Lost.REVOKED


async def test_a_row_with_its_end_taken_away_opens_nothing(
    store: Store, keys: Keyring, device: TotpDevice, database: Path
) -> None:
    admission = admitted(await store.ledger.admit(first(keys, device)))
    await store.grants.revoke(admission.credential, actor=OPERATOR)
    sql(database, "UPDATE grants SET ended_at = NULL")
    assert not await alive(store, keys, NOON)
    late = replace(further(admission), revision=await store.revocations.newest())
    assert await store.ledger.admit(late) is Lost.REVOKED


async def test_at_the_cap_the_session_silent_longest_makes_room(
    store: Store, keys: Keyring, device: TotpDevice
) -> None:
    entry = first(keys, device, connections=3)
    admission = admitted(await store.ledger.admit(entry))
    for number in (1, 2):
        admitted(await store.ledger.admit(further(admission, f"mg-{number}", at=NOON + number, connections=3)))
    await store.sessions.seen({entry.audit.session: NOON + 60, "mg-2": NOON + 50})
    newcomer = further(admission, "mg-3", at=NOON + 70, connections=3)
    admitted(await store.ledger.admit(newcomer))
    assert {s.id for s in await store.sessions.list()} == {entry.audit.session, "mg-2", "mg-3"}
    assert [(r.kind, r.target) for r in await store.revocations.after(1)] == [(Kind.SESSION, "mg-1")]
    told = next(e.row for e in await store.audit.list() if e.row.event is Event.SESSION_END_ASKED)
    assert (told.actor, told.account, told.session) == ("system", ANN, "mg-1")
    # One that was still opening its leg: it finds out once it is registered.
    assert await store.ledger.revoked_since(admission.revision, admission, "mg-1")
    assert not await store.ledger.revoked_since(admission.revision, admission, "mg-2")


async def test_a_smaller_cap_ends_as_many_as_are_too_many(store: Store, keys: Keyring, device: TotpDevice) -> None:
    admission = admitted(await store.ledger.admit(first(keys, device)))
    for number in range(5):
        admitted(await store.ledger.admit(further(admission, at=NOON + number)))
    admitted(await store.ledger.admit(further(admission, "mg-last", at=NOON + 9, connections=2)))
    assert len(await store.sessions.list()) == 2
    assert len(await store.revocations.after(1)) == 5


async def test_one_grants_sessions_do_not_crowd_anothers(store: Store, keys: Keyring, device: TotpDevice) -> None:
    admitted(await store.ledger.admit(first(keys, device, connections=1)))
    admitted(await store.ledger.admit(by_code(keys, device, 102, text="secret222222", connections=1)))
    assert len(await store.sessions.list()) == 2


async def test_when_something_moved_is_never_put_back(store: Store, keys: Keyring, device: TotpDevice) -> None:
    entry = first(keys, device)
    admitted(await store.ledger.admit(entry))
    await store.sessions.seen({entry.audit.session: NOON + 60})
    await store.sessions.seen({entry.audit.session: NOON + 30, "gone": NOON})
    assert [s.seen_at for s in await store.sessions.list()] == [NOON + 60]


async def test_the_second_family_joins_once_and_soon(
    store: Store, keys: Keyring, device: TotpDevice, database: Path
) -> None:
    admission = admitted(await store.ledger.admit(first(keys, device)))
    assert await store.ledger.admit(further(admission, at=NOON + 120, origin=HOME_V6)) is Lost.ELSEWHERE
    admitted(await store.ledger.admit(further(admission, at=NOON + 119, origin=HOME_V6)))
    assert sql(database, "SELECT network, second FROM grants") == [(HOME.network, HOME_V6.network)]
    for origin, at in ((HOME_V6, 3000.0), (HOME, 3000.0)):
        admitted(await store.ledger.admit(further(admission, at=NOON + at, origin=origin)))
    for origin in (NEIGHBOUR_V6, ELSEWHERE):
        assert await store.ledger.admit(further(admission, at=NOON + 20, origin=origin)) is Lost.ELSEWHERE
    assert not [e for e in await store.audit.list() if e.row.event is Event.ROW_ALTERED]


async def test_a_loser_of_the_step_joins_as_the_second_family(store: Store, keys: Keyring, device: TotpDevice) -> None:
    """IMAP over one family and submission over the other, started together with one string."""
    admitted(await store.ledger.admit(first(keys, device)))
    joined = admitted(await store.ledger.admit(first(keys, device, origin=HOME_V6)))
    assert joined.factor is Factor.GRANT
    assert await store.ledger.admit(first(keys, device, origin=NEIGHBOUR_V6)) is Lost.ELSEWHERE


async def test_of_two_processes_with_a_network_each_one_joins(
    store: Store, keys: Keyring, device: TotpDevice, database: Path
) -> None:
    admitted(await store.ledger.admit(first(keys, device)))
    with workers("joiner", database, "12") as found:
        said = await asyncio.to_thread(together, found)
    outcomes = [set(lines) for lines in said]
    assert sorted(map(tuple, outcomes)) == [("elsewhere",), ("joined",)]


async def test_the_cap_is_exact_across_processes(
    store: Store, keys: Keyring, device: TotpDevice, database: Path
) -> None:
    admitted(await store.ledger.admit(first(keys, device, connections=CROWD_CAP)))
    with workers("crowder", database, "ab") as found:
        said = await asyncio.to_thread(together, found)
    counted = [int(line) for lines in said for line in lines]
    assert len(counted) == 2 * CROWD
    assert max(counted) == CROWD_CAP, "of what was open after each login, never more"
    assert len(await store.sessions.list()) == CROWD_CAP
    assert len(await store.revocations.after(1)) == 1 + 2 * CROWD - CROWD_CAP


EDITS = {
    "account_id": "'another'",
    "device_id": "'another'",
    "network": "'198.51.100.9/32'",
    "second": "'2001:db8::/64'",
    "string_key": "'another'",
    "string": "x'00'",
    "opened_at": "opened_at + 1",
    "until": "until + 86400",
    "idle": "idle + 86400",
    "single": "1",
    "mac": "x'00'",
}


@pytest.mark.parametrize("column", EDITS)
async def test_an_altered_row_opens_nothing_and_is_told(
    store: Store, keys: Keyring, device: TotpDevice, database: Path, column: str
) -> None:
    await store.accounts.add(BOB, actor=OPERATOR)
    admission = admitted(await store.ledger.admit(first(keys, device)))
    edit = EDITS[column].replace("'another'", f"'{(await store.accounts.list())[1].id}'")
    sql(database, f"UPDATE grants SET {column} = {edit}")
    assert not await alive(store, keys, NOON)
    assert await store.ledger.admit(further(admission)) is Lost.REVOKED
    assert await store.ledger.admit(further(admission, origin=ELSEWHERE)) is Lost.REVOKED
    assert await store.ledger.admit(first(keys, device)) is Lost.STEP_USED
    alarms = [e.row.credential for e in await store.audit.list() if e.row.event is Event.ROW_ALTERED]
    # A row that no longer has the account and the string is not found by them in the first place.
    assert alarms == ([] if column in ("account_id", "string") else [admission.credential])


async def test_grants_are_listed_and_revoked(store: Store, keys: Keyring, device: TotpDevice) -> None:
    entry = first(keys, device)
    admission = admitted(await store.ledger.admit(entry))
    (row,) = await store.grants.list(ANN)
    assert (row.account, row.grant.id, row.sessions, row.grant.network) == (ANN, admission.credential, 1, HOME.network)
    assert await store.grants.list() == (row,)
    assert await store.grants.list(BOB) == ()
    assert await store.grants.revoke(admission.credential, actor=OPERATOR) == ANN
    assert await store.grants.list() == ()
    told = (await store.audit.list())[-1].row
    assert (told.event, told.account, told.actor, told.credential) == (
        Event.GRANT_REVOKED,
        ANN,
        OPERATOR,
        admission.credential,
    )
    assert await store.ledger.revoked_since(admission.revision, admission, entry.audit.session)
    with pytest.raises(ChangeRefused, match="mailguard grant list"):
        await store.grants.revoke(admission.credential, actor=OPERATOR)


async def test_a_dead_workers_sessions_start_the_idle_clock(
    store: Store, keys: Keyring, device: TotpDevice, clock: StoppedClock
) -> None:
    admitted(await store.ledger.admit(first(keys, device)))
    clock.at = NOON + 100
    (session,) = await store.sessions.list()
    assert await store.sessions.sweep([session.pid]) == 1
    assert await alive(store, keys, NOON + 100 + IDLE - 1)
    assert not await alive(store, keys, NOON + 100 + IDLE)


async def test_what_a_process_never_got_to_have_is_forgotten(
    store: Store, keys: Keyring, device: TotpDevice, clock: StoppedClock
) -> None:
    """A leg failed while the records were away."""
    entry = first(keys, device)
    admission = admitted(await store.ledger.admit(entry))
    kept = further(admission)
    admitted(await store.ledger.admit(kept))
    pid = (await store.sessions.list())[0].pid
    clock.at = NOON + 119
    assert await store.sessions.forget_strays(pid, [kept.audit.session]) == 0, "it may be on its way"
    clock.at = NOON + 121
    assert await store.sessions.forget_strays(pid + 1, []) == 0
    assert await store.sessions.forget_strays(pid, [kept.audit.session]) == 1
    assert [s.id for s in await store.sessions.list()] == [kept.audit.session]


@pytest.mark.parametrize("seed", range(8))
async def test_a_grants_life_is_as_the_words_say(
    store: Store, keys: Keyring, device: TotpDevice, clock: StoppedClock, seed: int
) -> None:
    """Sessions come and go in any order; at each moment it is alive just when the words say so."""
    dice = random.Random(seed)
    entry = first(keys, device)
    admission = admitted(await store.ledger.admit(entry))
    there, quiet_since, ended = [entry.audit.session], NOON, False
    for _ in range(40):
        clock.at += dice.choice([1.0, 30.0, IDLE / 2, IDLE - 1])
        ended = ended or clock.at >= NOON + LIMIT or (not there and clock.at >= quiet_since + IDLE)
        assert await alive(store, keys, clock.at) is not ended
        match dice.choice(["open", "close", "close", "expire"]):
            case "open":
                login = further(admission, at=clock.at)
                assert isinstance(await store.ledger.admit(login), Admission) is not ended
                if not ended:
                    there, quiet_since = [*there, login.audit.session], clock.at
            case "close" if there:
                await store.sessions.ended([over(there.pop(dice.randrange(len(there))), clock.at)])
                quiet_since = clock.at
            case _:
                await store.grants.expire()
                assert (await store.grants.list() == ()) is ended
