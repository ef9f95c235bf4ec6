"""Whatever is done to the record behind our back is found, and where (SECURITY.md, promise 14)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard import keyring
from mailguard.auth.events import Event
from mailguard.keyring import Keyring
from mailguard.store import Store, copy
from mailguard.store.chain import Broken, Fault, Head
from mailguard.store.errors import RecordAltered
from mailguard.store.sealer import BATCH, CLAIM_SECONDS
from mailguard.store.verify import Verified
from tests.store.test_processes import together, workers
from tests.store.words import ANN, NOON, OPERATOR, StoppedClock, granted, put, sql, traced
from tests.store.worker import SEALED_ROWS

ROWS = 12  # sealed ones
DAY = 86400.0


@dataclass(frozen=True)
class Sealed:
    """A record of ROWS sealed rows, an hour apart."""

    database: bytes
    keys: Path
    heads: Sequence[Head]  # by position
    copies: Sequence[bytes]  # of the whole database, likewise


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, empty: bytes) -> Sealed:
    folder = tmp_path_factory.mktemp("sealed")
    ring = keyring.create(folder / "keys.toml")
    put(folder / "mailguard.db", empty)

    copies = [empty]

    async def fill() -> list[Head]:
        store = await Store.open(f"sqlite:///{folder / 'mailguard.db'}", ring, now=lambda: NOON)
        heads = [Head(0, bytes(32))]
        for number in range(ROWS):
            if number:  # the first tells of the making
                await store.ledger.record(granted(at=NOON + 3600 * number, detail=str(number)))
            await store.sealer.seal()
            heads.append((await store.sealer.tip()).head)
            copy.copy(folder / "mailguard.db", folder / f"{number}.db")
            copies.append((folder / f"{number}.db").read_bytes())
        await store.close()
        return heads

    heads = asyncio.run(fill())
    return Sealed((folder / "mailguard.db").read_bytes(), folder / "keys.toml", heads, copies)


def found_in(sealed: Sealed, tamper: Callable[[Path], object], wanted: Head | None = None) -> Verified:
    """What verify says of a copy that was tampered with."""
    with TemporaryDirectory() as folder:
        database = Path(folder) / "mailguard.db"
        put(database, sealed.database)
        tamper(database)

        async def run() -> Verified:
            store = await Store.open(f"sqlite:///{database}", keyring.load(sealed.keys), now=lambda: NOON)
            try:
                return await store.verify(wanted)
            finally:
                await store.close()

        return asyncio.run(run())


def broken(found: Verified) -> Broken:
    assert found.broken is not None
    return found.broken


positions = st.integers(1, ROWS)
COLUMNS = [
    "at", "event", "account", "person", "actor", "address", "port", "network", "protocol", "mechanism", "factor",
    "credential", "session", "reason", "client", "detail", "repeats", "last_at", "mac",
]  # fmt: skip
VALUES: Sequence[object] = ["x", "1", 7, 0.5, b"", b"x", ""]


async def test_an_untouched_record_is_whole(sealed: Sealed) -> None:
    found = await asyncio.to_thread(found_in, sealed, lambda _: None)
    assert (found.rows, found.unsealed, found.broken) == (ROWS, 0, None)
    assert found.ends.head == sealed.heads[-1]


@given(position=positions, column=st.sampled_from(COLUMNS), value=st.sampled_from(VALUES))
@settings(max_examples=60, deadline=None)
def test_a_row_that_was_edited_is_named(sealed: Sealed, position: int, column: str, value: object) -> None:
    kept = []

    def edit(database: Path) -> None:
        before = sql(database, f"SELECT {column}, typeof({column}) FROM audit WHERE position = ?", position)
        sql(database, f"UPDATE audit SET {column} = ? WHERE position = ?", value, position)
        kept.append(
            before == sql(database, f"SELECT {column}, typeof({column}) FROM audit WHERE position = ?", position)
        )

    found = found_in(sealed, edit)
    if kept == [True]:
        assert found.broken is None
        return
    trouble = broken(found)
    assert (trouble.fault, trouble.position) == (Fault.ALTERED, position)
    assert trouble.at == (
        None if column == "at" and not isinstance(value, float) and value not in ("1", 7) else trouble.at
    )
    assert found.rows == position - 1


@given(position=positions, column=st.sampled_from(["detail", "account", "event"]))
@settings(max_examples=6, deadline=None)
def test_a_row_that_cannot_be_read_any_more_is_named(sealed: Sealed, position: int, column: str) -> None:
    spoil = f"UPDATE audit SET {column} = CAST(x'ff' AS TEXT) WHERE position = ?"
    trouble = broken(found_in(sealed, lambda database: sql(database, spoil, position)))
    assert (trouble.fault, trouble.position) == (Fault.ALTERED, position)


@given(position=positions, place=st.sampled_from(["x", 2.5, b"x"]))
@settings(max_examples=6, deadline=None)
def test_a_place_that_is_none_is_named(sealed: Sealed, position: int, place: object) -> None:
    edit = "UPDATE audit SET position = ? WHERE position = ?"
    trouble = broken(found_in(sealed, lambda database: sql(database, edit, place, position)))
    assert (trouble.fault, trouble.position, trouble.seq) == (Fault.ALTERED, None, position)


@given(first=positions, count=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_rows_that_were_deleted_are_missed(sealed: Sealed, first: int, count: int) -> None:
    last = min(first + count - 1, ROWS)
    delete = "DELETE FROM audit WHERE position BETWEEN ? AND ?"
    trouble = broken(found_in(sealed, lambda database: sql(database, delete, first, last)))
    assert (trouble.fault, trouble.position) == (Fault.TRUNCATED if last == ROWS else Fault.MISSING, first)
    assert trouble.at == (None if last == ROWS else NOON + 3600 * last)


@given(one=positions, other=positions, with_place=st.booleans())
@settings(max_examples=40, deadline=None)
def test_rows_that_changed_places_are_found(sealed: Sealed, one: int, other: int, with_place: bool) -> None:
    if one == other:
        return
    names = ["at", "detail", "event", "account", "actor", "last_at", "mac", *(["position"] if with_place else [])]

    def swap(database: Path) -> None:
        (mine,) = sql(database, f"SELECT {', '.join(names)} FROM audit WHERE seq = ?", one)
        (yours,) = sql(database, f"SELECT {', '.join(names)} FROM audit WHERE seq = ?", other)
        for seq, row in ((one, yours), (other, mine)):
            sql(database, f"UPDATE audit SET {', '.join(f'{n} = ?' for n in names)} WHERE seq = ?", *row, seq)

    trouble = broken(found_in(sealed, swap))
    assert trouble.position == min(one, other)
    assert trouble.fault is (Fault.OUT_OF_ORDER if with_place else Fault.ALTERED)


COPIED = [name for name in COLUMNS if name != "detail"]
COPY = f"""INSERT INTO audit (seq, detail, position, {", ".join(COPIED)})
    SELECT ?, ?, ?, {", ".join(COPIED)} FROM audit WHERE position = ?"""


@given(position=st.integers(2, ROWS), before=st.booleans(), sealed_too=st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_row_that_was_put_in_between_is_found(sealed: Sealed, position: int, before: bool, sealed_too: bool) -> None:
    def insert(database: Path) -> None:
        for seq in range(ROWS, position - 1, -1):
            sql(database, "UPDATE audit SET seq = seq + 1 WHERE seq = ?", seq)
        place = (position - before) if sealed_too else None
        sql(database, COPY, position, "forged", place, position)

    trouble = broken(found_in(sealed, insert))
    if not sealed_too:
        assert trouble.fault is Fault.INSERTED
    elif before:
        assert (trouble.fault, trouble.position) == (Fault.OUT_OF_ORDER, position - 1)
    else:
        assert (trouble.fault, trouble.position) == (Fault.ALTERED, position)


@given(position=positions)
@settings(max_examples=12, deadline=None)
def test_an_older_copy_of_everything_passes_but_for_a_later_head(sealed: Sealed, position: int) -> None:
    def put_back(database: Path) -> None:
        put(database, sealed.copies[position])

    assert found_in(sealed, put_back).broken is None
    assert found_in(sealed, put_back, sealed.heads[position]).broken is None
    if position < ROWS:
        trouble = broken(found_in(sealed, put_back, sealed.heads[-1]))
        assert (trouble.fault, trouble.position) == (Fault.TRUNCATED, position + 1)
        assert str(sealed.heads[-1]) in trouble.text


@given(position=positions, of=positions)
@settings(max_examples=12, deadline=None)
def test_with_the_key_file_too_a_record_can_be_made_anew_and_only_a_head_tells(
    sealed: Sealed, position: int, of: int
) -> None:
    def make_anew(database: Path) -> None:
        sql(database, "UPDATE audit SET detail = 'nothing to see' WHERE position = ?", position)
        sql(database, "UPDATE audit SET position = NULL, mac = NULL")
        sql(database, "DELETE FROM audit_key")
        sql(database, "DELETE FROM audit_state")

        async def seal() -> None:
            store = await Store.open(f"sqlite:///{database}", keyring.load(sealed.keys), now=lambda: NOON)
            await store.sealer.seal()
            await store.close()

        asyncio.run(seal())

    assert found_in(sealed, make_anew).broken is None
    trouble = broken(found_in(sealed, make_anew, sealed.heads[of]))
    assert (trouble.fault, trouble.position) == (Fault.REWRITTEN, of)


UNVOUCHED = [
    "DELETE FROM audit_key",
    "UPDATE audit_key SET sealed = zeroblob(60)",
    "UPDATE audit_key SET created_at = 1",
    "DELETE FROM audit_state",
    "DELETE FROM audit_key; DELETE FROM audit_state",
    "UPDATE audit_state SET position = position - 1",
    "UPDATE audit_state SET seq = seq - 1",
    "UPDATE audit_state SET anchor = 3, anchor_mac = (SELECT mac FROM audit WHERE position = 3)",
    "UPDATE audit_state SET head = 'text'",
    "UPDATE audit_state SET mac = 'text'",
    "UPDATE audit_state SET anchor_at = 1",
]


@pytest.mark.parametrize("statements", UNVOUCHED)
def test_what_the_chain_hangs_on_cannot_be_changed_either(sealed: Sealed, statements: str) -> None:
    def tamper(database: Path) -> None:
        for statement in statements.split(";"):
            sql(database, statement)

    assert broken(found_in(sealed, tamper)).fault is Fault.UNVOUCHED


async def test_nothing_is_sealed_or_purged_after_that(store: Store, database: Path) -> None:
    await store.sealer.seal()
    sql(database, "UPDATE audit_state SET position = 7")
    row = granted()
    await store.ledger.record(row)
    for work in (store.sealer.seal(), store.sealer.tip(), store.sealer.purge(NOON + 1, why="")):
        with pytest.raises(RecordAltered):
            await work
    assert sql(database, "SELECT count(*) FROM audit WHERE position IS NULL") == [(1,)]
    assert (await store.audit.list())[-1].row == row, "logins go on and are recorded"


async def test_ends_of_a_former_time_do_not_hide_what_was_sealed_since(store: Store, database: Path) -> None:
    await store.sealer.seal()
    columns = "position, seq, head, sealed_at, anchor, anchor_mac, anchor_at, mac"
    (former,) = sql(database, f"SELECT {columns} FROM audit_state")
    await store.ledger.record(granted(at=NOON + 5))
    await store.sealer.seal()
    names = ", ".join(f"{name} = ?" for name in columns.split(", "))
    sql(database, f"UPDATE audit_state SET {names}", *former)
    trouble = broken(await store.verify())
    assert (trouble.fault, trouble.position, trouble.at) == (Fault.UNVOUCHED, 2, NOON + 5)


async def test_a_head_is_one_short_string(sealed: Sealed) -> None:
    for head in sealed.heads:
        assert str(Head.parse(f" {head}\n")) == str(head)
        assert len(str(head)) < 40
    for text in ("", "7", "7-", "7-00", "x-" + 32 * "0", "-1-" + 32 * "0", "7-" + 34 * "0"):
        with pytest.raises(ValueError, match="is no head"):
            Head.parse(text)


async def test_rows_that_are_not_sealed_yet_are_counted(store: Store) -> None:
    found = await store.verify()
    assert (found.rows, found.unsealed, found.broken, found.ends.head) == (0, 1, None, Head(0, bytes(32)))
    assert broken(await store.verify(Head(1, bytes(16)))).fault is Fault.TRUNCATED
    await store.sealer.seal()
    await store.ledger.record(granted())
    found = await store.verify()
    assert (found.rows, found.unsealed, found.broken) == (1, 1, None)


async def test_the_first_row_may_be_sealed_while_the_tip_is_looked_at(
    store: Store, database: Path, keys: Keyring, clock: StoppedClock
) -> None:
    """One statement says that there is no key and that there need be none."""
    async with traced(store) as statements:
        await store.sealer.tip()
    assert [s for s in statements if "audit_key" in s] == [s for s in statements if "audit_state" in s]


async def test_a_row_is_sealed_once_and_keeps_its_place(store: Store) -> None:
    first = await store.sealer.seal()
    assert [line["event"] for line in first] == [Event.STORE_CREATED]
    assert await store.sealer.seal() == ()
    for number in range(BATCH + 1):
        await store.ledger.record(granted(at=NOON + number))
    assert len(await store.sealer.seal()) == BATCH
    (last,) = await store.sealer.seal()
    assert [last] == [line async for page in store.audit.pages() for line in page][-1:]
    assert (last["position"], last["mac"]) == (BATCH + 2, (await store.sealer.tip()).head.mac.hex())


async def test_one_process_seals_and_another_takes_over_when_it_falls_silent(
    store: Store, database: Path, keys: Keyring, clock: StoppedClock
) -> None:
    other = await Store.open(f"sqlite:///{database}", keys, now=clock)
    assert await store.sealer.due()
    await store.sealer.seal()
    assert [await each.sealer.holds() for each in (store, other)] == [True, False]
    await store.ledger.record(granted())
    assert [await each.sealer.due() for each in (store, other)] == [True, False]
    clock.at += CLAIM_SECONDS
    assert await other.sealer.due()
    await other.sealer.seal()
    await store.ledger.record(granted())
    assert [await each.sealer.due() for each in (store, other)] == [False, True]
    clock.at -= 3600  # the clock is set back: that claim is of the future, and binds nobody
    assert [await each.sealer.due() for each in (store, other)] == [True, True]
    await store.sealer.seal()
    assert [await each.sealer.due() for each in (store, other)] == [False, False]
    assert (await store.verify()).broken is None
    await other.close()


async def test_sealers_in_three_processes_at_once_make_one_chain(store: Store, database: Path) -> None:
    with workers("sealer", database, "abc") as found:
        said = together(found)
    await store.sealer.seal()
    whole = await store.verify()
    assert (whole.rows, whole.unsealed, whole.broken) == (3 * SEALED_ROWS + 1, 0, None)
    mine = [int(line) for lines in said for line in lines]
    assert len(set(mine)) == len(mine), "no row was sealed twice"


@pytest.mark.parametrize("seed", range(3))
async def test_a_sealer_that_is_killed_leaves_a_chain_that_goes_on(
    store: Store, database: Path, keys: Keyring, clock: StoppedClock, seed: int
) -> None:
    with workers("sealer", database, "x") as (worker,):
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
        for _ in range(7 * seed + 1):
            worker.stdout.readline()
        worker.kill()
        worker.wait()
    await store.ledger.record(granted())
    assert not await store.sealer.due()
    clock.at += CLAIM_SECONDS
    assert await store.sealer.due()
    await store.sealer.seal()
    found = await store.verify()
    assert (found.unsealed, found.broken) == (0, None)
    assert found.rows > 7 * seed


async def test_the_key_is_sealed_anew_at_a_rotation_and_heads_stay(
    store: Store, database: Path, keys: Keyring, tmp_path: Path
) -> None:
    await store.sealer.seal()
    head = (await store.sealer.tip()).head
    old = keys.newest.id
    done = await store.keys.rotate(tmp_path / "keys.toml", actor=OPERATOR)
    assert (done.renewed, done.unfit) == (1, ())
    assert sql(database, "SELECT count(*) FROM audit_key WHERE seal_key = ? OR mac_key = ?", old, old) == [(0,)]
    await store.sealer.seal()
    assert (await store.verify(head)).broken is None
    sql(database, "UPDATE audit_key SET sealed = zeroblob(60)")
    assert [str(each) for each in (await store.keys.rotate(tmp_path / "keys.toml", actor=OPERATOR)).unfit] == [
        "row 1 of audit_key"
    ]


async def filled(store: Store, days: int = 10) -> None:
    for day in range(days):
        await store.ledger.record(granted(at=NOON + DAY * day, detail=str(day)))
    await store.sealer.seal()


async def test_what_is_purged_leaves_a_place_from_which_the_rest_is_proven(store: Store, clock: StoppedClock) -> None:
    await filled(store)
    before = (await store.sealer.tip()).head
    clock.at += 10 * DAY
    assert await store.sealer.purge(NOON + 4 * DAY, why="older than 6d") == 5
    assert await store.sealer.purge(NOON + 4 * DAY, why="older than 6d") == 0
    assert [r.row.detail for r in await store.audit.list(account=ANN)] == ["4", "5", "6", "7", "8", "9"]
    last = (await store.audit.list())[-1].row
    await store.sealer.seal()
    found = await store.verify(before)
    assert (found.rows, found.broken, found.ends.anchor.position, found.ends.anchor_at) == (7, None, 5, clock.at)
    assert (last.event, last.detail) == (Event.AUDIT_PURGED, f"5 rows up to {found.ends.anchor}, older than 6d")
    assert (await store.verify(found.ends.anchor)).broken is None
    assert broken(await store.verify(Head(5, bytes(16)))).fault is Fault.REWRITTEN
    assert "give a later one" in broken(await store.verify(Head(4, bytes(16)))).text


async def test_a_beginning_that_was_deleted_beyond_the_purge_is_missed(
    store: Store, database: Path, clock: StoppedClock
) -> None:
    await filled(store)
    await store.sealer.purge(NOON + 4 * DAY, why="")
    sql(database, "DELETE FROM audit WHERE position = 6")
    trouble = broken(await store.verify())
    assert (trouble.fault, trouble.position) == (Fault.MISSING, 6)


async def test_evidence_is_not_purged(store: Store, database: Path) -> None:
    await filled(store)
    sql(database, "UPDATE audit SET detail = 'forged' WHERE position = 3")
    with pytest.raises(RecordAltered, match="are not deleted"):
        await store.sealer.purge(NOON + 4 * DAY, why="")
    assert broken(await store.verify()).position == 3


async def test_everything_may_be_purged_and_the_chain_goes_on(store: Store) -> None:
    await filled(store)
    assert await store.sealer.purge(NOON + 99 * DAY, why="") == 11
    found = await store.verify()
    assert (found.rows, found.unsealed, found.broken) == (0, 1, None)
    await store.sealer.seal()
    assert ((await store.verify()).rows, (await store.sealer.tip()).head.position) == (1, 12)


@pytest.mark.parametrize("broken_by", ["UPDATE audit SET detail = 'x' WHERE position = 3", *UNVOUCHED[:1]])
async def test_a_broken_chain_may_be_begun_anew_and_says_so(store: Store, database: Path, broken_by: str) -> None:
    await filled(store)
    head = (await store.sealer.tip()).head
    sql(database, broken_by)
    assert (await store.verify()).broken is not None
    await store.sealer.restart(actor=OPERATOR)
    await store.sealer.seal()
    found = await store.verify()
    assert (found.rows, found.unsealed, found.broken) == (12, 0, None)
    last = (await store.audit.list())[-1].row
    assert (last.event, last.actor, str(head) in last.detail) == (Event.AUDIT_RESTARTED, OPERATOR, True)
    assert broken(await store.verify(head)).fault is Fault.REWRITTEN


async def test_a_record_without_a_chain_may_be_begun_anew_too(store: Store) -> None:
    await store.sealer.restart(actor=OPERATOR)
    assert (await store.audit.list())[-1].row.detail.endswith("was unknown")
    await store.sealer.seal()
    assert ((await store.verify()).rows, (await store.verify()).broken) == (2, None)


async def test_rows_that_wait_for_the_sealer_are_not_purged(store: Store) -> None:
    assert await store.sealer.purge(NOON + DAY, why="") == 0
    await store.sealer.seal()
    await store.ledger.record(granted())
    assert await store.sealer.purge(NOON + DAY, why="") == 1


async def test_a_purge_in_the_middle_of_a_check_is_no_fault(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailguard.store.verify.PAGE", 2)
    await filled(store)
    once = [1]

    async def purge() -> None:
        await store.sealer.purge(NOON + 4 * DAY, why="")

    whole = store._database.read

    async def read(work: Callable[..., object]) -> object:
        if getattr(work, "keywords", {}).get("last") and once:
            once.pop()
            await purge()
        return await whole(work)

    monkeypatch.setattr(store._database, "read", read)
    found = await store.verify()
    assert (found.broken, found.ends.anchor.position) == (None, 5)
    assert not once
