"""Whoever steals the database, its log or a backup gets nothing that opens anything (SECURITY.md, promise 7)."""

import base64
from pathlib import Path

from mailguard.auth import throttle
from mailguard.auth.accounts import Account, AccountName
from mailguard.auth.ports import Stake
from mailguard.keyring import Keyring, Purpose
from mailguard.secret import Secret
from mailguard.store import Store
from tests.store.words import HOME, NOON, OPERATOR, SEED, admitted, app_password, by_code, digest, names, phone, refused


async def test_no_secret_stands_in_any_file(store: Store, keys: Keyring, ann: Account, tmp_path: Path) -> None:
    device = await phone(store)
    await app_password(store, keys, ann, "k7mq2xwdk7mq2xwdk7mq2xwdk7mq")
    admitted(await store.ledger.admit(by_code(keys, device, 101, text="hunter2 and 123456")))
    typed = Secret(b"a wrong password")
    reservation = throttle.reservation(keys, AccountName("stranger@example.org"), HOME.network, typed)
    await store.ledger.refuse(refused(), Stake(reservation, await store.ledger.reserve(reservation, NOON)))
    await store.backup(tmp_path / "copy.db", actor=OPERATOR)
    seed = SEED.reveal()
    needles = [
        seed,
        base64.b32decode(seed),
        base64.b32decode(seed).hex().encode(),
        b"k7mq2xwd",
        b"hunter2",
        b"123456",
        b"a wrong password",
        b"stranger@",
        keys.newest.key(Purpose.ROW),
        keys.newest.key(Purpose.SEAL),
    ]
    stolen = names(tmp_path) - {"keys.toml"}
    assert stolen >= {"mailguard.db", "mailguard.db-wal", "copy.db"}
    content = b"".join((tmp_path / name).read_bytes() for name in stolen)
    assert b"ann@example.org" in content, "the search must be able to find something"
    assert digest(keys, Purpose.STRING, "hunter2 and 123456").digest in content
    assert [needle for needle in needles if needle in content or needle.lower() in content.lower()] == []


async def test_one_secret_is_hashed_and_sealed_differently_for_each_purpose(keys: Keyring) -> None:
    assert len({keys.digest(purpose, b"same") for purpose in Purpose}) == len(Purpose)


async def test_nothing_that_is_read_shows_a_seed(store: Store, ann: Account) -> None:
    await phone(store)
    facts = await store.ledger.facts(ann.name, [], [], NOON)
    assert facts.devices[0].seed == SEED
    assert SEED.reveal().decode() not in repr(facts)
