"""Users' own passwords in the records."""

from pathlib import Path

import pytest

from mailguard.auth import throttle
from mailguard.auth.accounts import Account
from mailguard.auth.events import Event
from mailguard.auth.ports import Lost, Reserved
from mailguard.keyring import Keyring
from mailguard.secret import Secret
from mailguard.store import Store
from mailguard.store.errors import ChangeRefused
from tests.store.words import (
    ANN,
    BOB,
    HOME,
    NOON,
    OPERATOR,
    admitted,
    app_password,
    bare,
    by_app_password,
    by_code,
    phone,
    refused,
    sql,
)

HASH, OTHER = "$argon2id$one", "$argon2id$other"


async def test_the_newest_password_is_kept(store: Store, ann: Account) -> None:
    assert await store.passwords.find(ANN) is None
    await store.passwords.set(ANN, HASH, actor=OPERATOR, needs_factor=False)
    await store.passwords.set(ANN, OTHER, actor=OPERATOR, needs_factor=False)
    kept = await store.passwords.find(ANN)
    assert kept is not None
    assert (kept.hash, kept.set_at) == (OTHER, NOON)
    assert (await store.audit.list())[-1].row.event is Event.PASSWORD_SET
    with pytest.raises(ChangeRefused, match="there is no account bob"):
        await store.passwords.set(BOB, HASH, actor=OPERATOR, needs_factor=False)


@pytest.mark.parametrize("column", ["hash", "set_at", "account_id"])
async def test_a_row_that_was_altered_opens_nothing(store: Store, ann: Account, database: Path, column: str) -> None:
    bob = await store.accounts.add(BOB, actor=OPERATOR)
    await store.passwords.set(ANN, HASH, actor=OPERATOR, needs_factor=False)
    values = {"hash": OTHER, "set_at": NOON + 1, "account_id": bob.id}
    sql(database, f"UPDATE passwords SET {column} = ?", values[column])
    owner = BOB if column == "account_id" else ANN
    assert await store.passwords.find(owner) is None
    assert (await store.audit.list())[-1].row.event is Event.ROW_ALTERED


async def test_what_the_old_password_opened_ends_and_app_passwords_stay(
    store: Store, keys: Keyring, ann: Account
) -> None:
    device = await phone(store)
    issued = await app_password(store, keys, ann)
    by_grant = admitted(await store.ledger.admit(by_code(keys, device, 101)))
    revision = (await store.ledger.facts(ANN, [], [], NOON)).revision
    phones = admitted(await store.ledger.admit(by_app_password(issued, revision=revision)))
    await store.passwords.set(ANN, HASH, actor=OPERATOR, needs_factor=False)
    assert await store.ledger.revoked_since(revision, by_grant, "mg-1")
    assert not await store.ledger.revoked_since(revision, phones, "mg-1")
    assert await store.ledger.admit(by_code(keys, device, 102, revision=revision)) is Lost.REVOKED
    assert await store.ledger.admit(by_code(keys, device, 101, revision=revision + 1)) is Lost.STEP_USED


async def test_a_bare_password_in_flight_is_caught(store: Store, ann: Account) -> None:
    await store.passwords.set(ANN, HASH, actor=OPERATOR, needs_factor=False)
    assert await store.ledger.admit(bare(ann.id, revision=0)) is Lost.REVOKED


async def test_what_was_wrong_before_is_no_longer_known_as_wrong(store: Store, keys: Keyring, ann: Account) -> None:
    reservation = throttle.reservation(keys, ANN, HOME, Secret(b"to be the new one"))
    await store.ledger.refuse(refused(), await store.ledger.reserve(reservation, NOON))
    assert (await store.ledger.reserve(reservation, NOON)).state is Reserved.REPEATED
    await store.passwords.set(ANN, HASH, actor=OPERATOR, needs_factor=False)
    assert (await store.ledger.reserve(reservation, NOON)).state is Reserved.NEW


async def test_a_short_password_needs_an_authenticator(store: Store, ann: Account) -> None:
    with pytest.raises(ChangeRefused, match="must not stand alone"):
        await store.passwords.set(ANN, HASH, actor=OPERATOR, needs_factor=True)
    assert await store.passwords.find(ANN) is None
    await phone(store)
    await store.passwords.set(ANN, HASH, actor=OPERATOR, needs_factor=True)
    assert await store.passwords.find(ANN) is not None
