"""Generations of keys: rotated while workers run, hanging on, retired, recognised (SECURITY.md, promises 2 and 7)."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.accounts import Account, AppPassword, KeyedHash
from mailguard.auth.events import Event
from mailguard.auth.passwords import digests
from mailguard.auth.ports import StoreUnavailable
from mailguard.keyring import Keyring, KeysError, Purpose
from mailguard.store import ChangeRefused, Store
from mailguard.store.revocations import Kind
from tests.store.words import (
    ANN,
    NOON,
    OPERATOR,
    SEED,
    StoppedClock,
    admitted,
    app_password,
    by_app_password,
    by_code,
    content,
    full_disk,
    phone,
    put,
    sql,
)

TEXT = "k7mq-2xwd"


@pytest.fixture
def file(tmp_path: Path, keys: Keyring) -> Path:
    return tmp_path / "keys.toml"


def open_to_others(file: Path) -> None:
    file.chmod(0o644)


def offered(ring: Keyring, text: str = TEXT) -> tuple[KeyedHash, ...]:
    return digests(ring, Purpose.APP_PASSWORD, text.encode())


async def known(store: Store, ring: Keyring, text: str = TEXT) -> AppPassword | None:
    """The app password that this string is, to a login."""
    return (await store.ledger.facts(ANN, offered(ring, text), [], NOON)).app_password


async def used(store: Store, ring: Keyring, row: AppPassword, at: float) -> None:
    admitted(await store.ledger.admit(replace(by_app_password(row, at=at), digest=offered(ring)[0])))


def settled(store_clock: StoppedClock, ring: Keyring) -> None:
    """Time has passed since the rotation."""
    store_clock.at = ring.newest.created.timestamp() + 60


async def generations(store: Store) -> dict[str, dict[str, int]]:
    return {h.generation.id: {t: n for t, n in h.rows.items() if n} for h in await store.keys.list()}


async def test_a_rotation_brings_every_row_under_the_new_generation_and_nothing_is_lost(
    store: Store, ann: Account, keys: Keyring, file: Path, database: Path
) -> None:
    device, old = await phone(store), keys.newest.id
    row = await app_password(store, keys, ann)
    admitted(await store.ledger.admit(by_code(keys, device, 101)))
    done = await store.keys.rotate(file, actor=OPERATOR)
    new = keys.newest.id
    assert new != old
    assert done.unfit == ()
    assert await generations(store) == {
        new: {"accounts": 1, "totp_devices": 1, "app_passwords": 1, "grants": 1},
        old: {"app_passwords": 1, "grants": 1},
    }
    assert sql(database, "SELECT DISTINCT seal_key, mac_key FROM totp_devices") == [(new, new)]
    fresh = await Store.open(f"sqlite:///{database}", keyring.load(file), now=lambda: NOON)
    string = digests(keys, Purpose.STRING, b"secret123456")
    facts = await fresh.ledger.facts(ANN, (), string, NOON)
    assert facts.account == ann
    assert [(d.id, d.seed, d.last_step) for d in facts.devices] == [(device.id, SEED, 101)]
    assert facts.grant is not None
    facts = await fresh.ledger.facts(ANN, offered(keys), string, NOON)
    assert facts.account == ann
    assert facts.app_password is not None
    assert facts.app_password.id == row.id
    recorded = [entry.row for entry in await fresh.audit.list()]
    assert [(r.credential, r.actor) for r in recorded if r.event is Event.KEYS_ROTATED] == [(new, OPERATOR)]
    assert not [r for r in recorded if r.event is Event.ROW_ALTERED]
    assert (await fresh.revocations.after(0))[-1].kind is Kind.KEYS
    await fresh.close()


async def test_an_altered_row_gets_no_new_mac_and_is_reported(
    store: Store, ann: Account, keys: Keyring, file: Path, database: Path
) -> None:
    old = keys.newest.id
    row = await app_password(store, keys, ann)
    sql(database, "UPDATE app_passwords SET protocols = 'imap submission'")
    done = await store.keys.rotate(file, actor=OPERATOR)
    assert [str(unfit) for unfit in done.unfit] == [f"row {row.id} of app_passwords"]
    assert sql(database, "SELECT mac_key FROM app_passwords") == [(old,)]
    found = await known(store, keys)
    assert found is not None
    assert found.revoked_at is not None
    assert [r.row.credential for r in await store.audit.list() if r.row.event is Event.ROW_ALTERED] == [row.id] * 2


async def test_a_row_of_a_generation_that_nobody_has_does_not_stop_a_rotation(
    store: Store, ann: Account, keys: Keyring, file: Path, database: Path
) -> None:
    device = await phone(store)
    sql(database, "UPDATE totp_devices SET seal_key = 'g0-gone'")
    done = await store.keys.rotate(file, actor=OPERATOR)
    assert [(unfit.table, unfit.id) for unfit in done.unfit] == [("totp_devices", device.id)]


async def test_a_hash_moves_on_at_its_use_once_the_rotation_has_settled(
    store: Store, ann: Account, keys: Keyring, file: Path, *, database: Path, clock: StoppedClock
) -> None:
    old = keys.newest.id
    row = await app_password(store, keys, ann)
    await store.keys.rotate(file, actor=OPERATOR)
    made = keys.newest.created.timestamp()
    await used(store, keys, row, made + 1)
    assert sql(database, "SELECT hash_key FROM app_passwords") == [(old,)], (
        "another worker may not know the new one yet"
    )
    await used(store, keys, row, made + 60)
    assert sql(database, "SELECT hash_key, mac_key FROM app_passwords") == [(keys.newest.id, keys.newest.id)]
    found = await known(store, keys)
    assert found is not None
    settled(clock, keys)
    await store.keys.retire(file, old, actor=OPERATOR)
    assert await known(store, keyring.load(file)) is not None


async def test_an_altered_row_is_not_made_right_by_its_use(
    store: Store, ann: Account, keys: Keyring, file: Path, *, database: Path, clock: StoppedClock
) -> None:
    old, row = keys.newest.id, await app_password(store, keys, ann)
    await store.keys.rotate(file, actor=OPERATOR)
    settled(clock, keys)
    sql(database, "UPDATE app_passwords SET label = 'mine'")  # between the facts and the admission
    await used(store, keys, row, clock.at)
    assert sql(database, "SELECT hash_key, mac_key FROM app_passwords") == [(old, keys.newest.id)]


async def test_a_worker_that_meets_an_unknown_generation_reads_its_file_once_more(
    store: Store, ann: Account, keys: Keyring, file: Path, database: Path
) -> None:
    await phone(store)
    behind = keyring.load(file)
    other = await Store.open(f"sqlite:///{database}", behind, now=lambda: NOON)
    await store.keys.rotate(file, actor=OPERATOR)
    assert behind.newest != keys.newest
    facts = await other.ledger.facts(ANN, [], [], NOON)
    assert facts.account == ann
    assert facts.devices[0].seed == SEED
    assert behind.newest == keys.newest
    await store.keys.rotate(file, actor=OPERATOR)
    open_to_others(file)
    with pytest.raises(StoreUnavailable, match="chmod 0600"):
        await other.ledger.facts(ANN, [], [], NOON)
    await other.close()


async def test_a_rotation_that_finds_no_room_changes_nothing(
    store: Store, ann: Account, keys: Keyring, file: Path, database: Path
) -> None:
    before, ring = sql(database, "SELECT * FROM accounts"), keys.generations
    with full_disk(64), pytest.raises(KeysError, match="cannot be replaced"):
        await store.keys.rotate(file, actor=OPERATOR)
    assert keys.generations == ring
    assert sql(database, "SELECT * FROM accounts") == before


async def test_a_rotation_whose_transaction_failed_harms_nothing(
    store: Store, ann: Account, keys: Keyring, file: Path, *, database: Path, clock: StoppedClock
) -> None:
    """The file is new, the rows are old: as a crash between the two leaves it."""
    old = keys.newest.id
    keyring.rotate(file)
    again = await Store.open(f"sqlite:///{database}", keyring.load(file), now=clock)
    assert await again.accounts.get(ANN) == ann
    assert [h.rows["accounts"] for h in await again.keys.list()] == [0, 1]
    clock.at = datetime.now(UTC).timestamp() + 60
    await again.keys.retire(file, old, actor=OPERATOR)
    assert await again.accounts.get(ANN) == ann
    await again.close()


async def test_a_generation_stays_while_anything_hangs_on_it(
    store: Store, ann: Account, keys: Keyring, file: Path, clock: StoppedClock
) -> None:
    old = keys.newest.id
    with pytest.raises(ChangeRefused, match="newest generation"):
        await store.keys.retire(file, old, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="no generation g9-none"):
        await store.keys.retire(file, "g9-none", actor=OPERATOR)
    one, two = await app_password(store, keys, ann), await app_password(store, keys, ann, "another")
    await app_password(store, keys, ann, "never used", first_use_by=1.0)
    device = await phone(store)
    admitted(await store.ledger.admit(by_code(keys, device, 101, grant=1e9)))
    await store.keys.rotate(file, actor=OPERATOR)
    clock.at = keys.newest.created.timestamp() + 1
    with pytest.raises(ChangeRefused, match="try again in ten seconds"):
        await store.keys.retire(file, old, actor=OPERATOR)
    settled(clock, keys)
    with pytest.raises(ChangeRefused, match=r"2 app passwords were not used since.*1 grants are live"):
        await store.keys.retire(file, old, actor=OPERATOR)
    listed = {h.generation.id: (h.unused, h.dead) for h in await store.keys.list()}
    assert listed == {keys.newest.id: (0, 0), old: (2, 1)}
    await store.app_passwords.revoke(ANN, two.id, actor=OPERATOR)
    await used(store, keys, one, clock.at)
    await store.sessions.end_all(actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="2 app passwords are revoked or expired: forget them with --forget-dead"):
        await store.keys.retire(file, old, actor=OPERATOR)
    assert old.encode() in content(file)
    await store.keys.retire(file, old, actor=OPERATOR, forget_dead=True)
    assert [g.id for g in keyring.load(file).generations] == [keys.newest.id] == [g.id for g in keys.generations]
    assert [p.id for p in await store.app_passwords.list(ANN)] == [one.id]
    assert (await store.audit.list())[-1].row.event is Event.KEY_RETIRED


async def test_an_altered_row_is_named_to_whoever_retires_its_generation(
    store: Store, ann: Account, keys: Keyring, file: Path, *, database: Path, clock: StoppedClock
) -> None:
    device, old = await phone(store), keys.newest.id
    sql(database, "UPDATE totp_devices SET name = 'mine'")
    await store.keys.rotate(file, actor=OPERATOR)
    settled(clock, keys)
    with pytest.raises(ChangeRefused, match=f"row {device.id} of totp_devices was changed outside mailguard: remove"):
        await store.keys.retire(file, old, actor=OPERATOR)
    await store.devices.remove(ANN, device.id, actor=OPERATOR)
    await store.keys.retire(file, old, actor=OPERATOR)


async def test_an_old_backup_opens_with_its_generation_and_not_without(
    store: Store, ann: Account, keys: Keyring, file: Path, *, tmp_path: Path, clock: StoppedClock
) -> None:
    await phone(store)
    old, copy = tmp_path / "old.toml", tmp_path / "copy.db"
    shutil.copy(file, old)
    await store.backup(copy, actor=OPERATOR)
    before = keys.newest.id
    await store.keys.rotate(file, actor=OPERATOR)
    for kept in (old, file):  # with the key file of its time, and before the old generation is retired
        await _opens(copy, kept, clock)
    settled(clock, keys)
    await store.keys.retire(file, before, actor=OPERATOR)
    with pytest.raises(KeysError, match=f"no generation '{before}'.*restore the file that had it"):
        await Store.open(f"sqlite:///{copy}", keyring.load(file), now=clock)
    put(file, content(file) + content(old))
    await _opens(copy, file, clock)


async def _opens(copy: Path, file: Path, clock: StoppedClock) -> None:
    opened = await Store.open(f"sqlite:///{copy}", keyring.load(file), now=clock)
    assert (await opened.devices.list(ANN))[0].seed == SEED
    await opened.close()


async def test_another_secret_under_the_same_id_is_recognised(
    store: Store, ann: Account, keys: Keyring, *, database: Path, tmp_path: Path, clock: StoppedClock
) -> None:
    before = content(database)
    other = keyring.create(tmp_path / "other.toml").newest
    wrong = tmp_path / "wrong.toml"
    put(wrong, content(tmp_path / "other.toml").replace(other.id.encode(), keys.newest.id.encode()))
    with pytest.raises(KeysError, match="another secret for generation"):
        await Store.open(f"sqlite:///{database}", keyring.load(wrong), now=clock)
    assert content(database) == before


async def test_the_key_of_the_record_is_sealed_anew_and_stays_the_same_key(
    store: Store, ann: Account, keys: Keyring, file: Path, *, database: Path, clock: StoppedClock
) -> None:
    old = keys.newest.id
    await store.sealer.seal()
    before = (await store.sealer.tip()).head
    await store.keys.rotate(file, actor=OPERATOR)
    assert sql(database, "SELECT seal_key, mac_key FROM audit_key") == [(keys.newest.id, keys.newest.id)]
    assert (await store.sealer.tip()).head == before
    settled(clock, keys)
    await store.keys.retire(file, old, actor=OPERATOR)
    assert (await store.sealer.tip()).head == before
    assert await store.sealer.seal(), "the chain goes on from there"
