"""Whoever steals the database, its log or a backup gets nothing that opens anything (SECURITY.md, promise 7)."""

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailguard.auth import throttle, vault
from mailguard.auth.accounts import Account, AccountName, VaultEntry
from mailguard.keyring import Keyring, Purpose
from mailguard.secret import Secret
from mailguard.store import Store
from tests.store.words import (
    ANN,
    HOME,
    NOON,
    OPERATOR,
    SEED,
    admitted,
    app_password,
    by_code,
    digest,
    names,
    phone,
    refused,
    sql,
)


async def test_no_secret_stands_in_any_file(store: Store, keys: Keyring, ann: Account, tmp_path: Path) -> None:
    device = await phone(store)
    await app_password(store, keys, ann, "k7mq2xwdk7mq2xwdk7mq2xwdk7mq")
    admitted(await store.ledger.admit(by_code(keys, device, 101, text="hunter2 and 123456")))
    typed = Secret(b"a wrong password")
    reservation = throttle.reservation(keys, AccountName("stranger@example.org"), HOME, typed)
    await store.ledger.refuse(refused(), await store.ledger.reserve(reservation, NOON))
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


async def test_a_store_password_lies_nowhere_but_in_what_its_app_password_opens(
    store: Store, keys: Keyring, ann: Account, tmp_path: Path
) -> None:
    """The thief of database *and* key file has every key that the guard has. He opens no entry, and whatever he
    computes from a guess he finds nowhere, once the grant that the password opened is over and its hash erased."""
    password, code = "correct horse", "123456"
    app, row_id = Secret(b"k7mq2xwdk7mq2xwdk7mq2xwdk7mq"), "p" * 12
    device = await phone(store)
    await app_password(
        store, keys, ann, app.reveal().decode(), id=row_id, public=vault.public_half(app, row_id),
    )  # fmt: skip
    typed = Secret(password.encode())
    entry = replace(by_code(keys, device, 101, text=f"{ANN}\0{password}{code}"), store_password=typed)
    grant = admitted(await store.ledger.admit(entry)).credential
    sealed = await store.ledger.vault_entry(ANN, (await store.app_passwords.list(ANN))[0], NOON)
    assert isinstance(sealed, VaultEntry)
    assert vault.unseal(app, row_id, ann.id, sealed.sealed) == typed, "the search is for what is there"
    assert digest(keys, Purpose.STRING, f"{ANN}\0{password}{code}").digest in stolen(tmp_path), "while the grant lives"
    await store.ledger.end_grant(grant, refused())

    database = stolen(tmp_path)
    assert sealed.sealed in database
    assert app.reveal() not in database
    # Every hash of a guess that the guard's own code would make, under every key of the file, whole or in part.
    strings = [password, f"{password}{code}", f"{ANN}\0{password}", f"{ANN}\0{password}{code}"]
    digests = [keys.digest(purpose, text.encode()) for purpose in Purpose for text in strings]
    digests += [hashlib.new(name, text.encode()).digest() for name in ("md5", "sha1", "sha256") for text in strings]
    assert [digest for digest in (*digests, typed.reveal()) if digest[:8] in database] == []
    # Nor does any key of his stand in for the app password.
    for purpose in Purpose:
        key = keys.newest.key(purpose)
        assert vault.unseal(Secret(key), row_id, ann.id, sealed.sealed) is None
        for at in (0, vault.KEY_BYTES):
            with pytest.raises(InvalidTag):
                AESGCM(key).decrypt(
                    bytes(12), sealed.sealed[at:], b"\0".join((b"vault", row_id.encode(), ann.id.encode()))
                )


def stolen(folder: Path) -> bytes:
    """A whole copy of the database, its unused pages too."""
    sql(folder / "mailguard.db", "PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / "mailguard.db").read_bytes()


async def test_one_secret_is_hashed_and_sealed_differently_for_each_purpose(keys: Keyring) -> None:
    assert len({keys.digest(purpose, b"same") for purpose in Purpose}) == len(Purpose)


async def test_nothing_that_is_read_shows_a_seed(store: Store, ann: Account) -> None:
    await phone(store)
    facts = await store.ledger.facts(ann.name, [], [], NOON)
    assert facts.devices[0].seed == SEED
    assert SEED.reveal().decode() not in repr(facts)
