"""The vault on real records: sealed to whom, renewed by whom, marked when, forgotten when."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from mailguard.auth import vault as sealing
from mailguard.auth.accounts import Account, AppPassword, VaultEntry
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.passwords import digest_app_password, generate_app_password
from mailguard.keyring import Keyring
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, Store, new_id, vault
from mailguard.store.rows import Checked
from mailguard.store.seal import Seal
from tests.store.words import ANN, BOB, NOON, OPERATOR, StoppedClock, sql

OLD, NEW = Secret(b"correct horse"), Secret(b"battery staple")


async def issue(
    store: Store, keys: Keyring, account: Account, password: Secret | None = None, **changes: Any
) -> tuple[Secret, AppPassword]:
    """A new app password that a store password can be sealed to, and is where one is given."""
    secret, row_id = generate_app_password(), new_id()
    values: dict[str, Any] = {
        "id": row_id,
        "account_id": account.id,
        "label": "phone",
        "protocols": frozenset(MailProtocol),
        "created_at": NOON,
        "public": sealing.public_half(secret, row_id),
        **changes,
    }
    row = AppPassword(**values)
    digest = digest_app_password(keys, secret.reveal())
    await store.app_passwords.issue(account.name, row, digest, actor=OPERATOR, store_password=password)
    return secret, row


async def checked(store: Store, keys: Keyring, row: AppPassword) -> Checked[VaultEntry] | None:
    return await store._database.read(lambda connection: vault.find(connection, Seal(keys), row.id))


async def entry_of(store: Store, keys: Keyring, row: AppPassword) -> VaultEntry | None:
    found = await checked(store, keys, row)
    return None if found is None or not found.intact else found.value


async def opened(store: Store, keys: Keyring, secret: Secret, row: AppPassword) -> Secret | None:
    """What this device finds in the vault."""
    entry = await entry_of(store, keys, row)
    return None if entry is None else sealing.unseal(secret, row.id, row.account_id, entry.sealed)


async def sign_in(store: Store, keys: Keyring, account: Account, password: Secret, at: float = NOON) -> int:
    """What a sign-in does to the vault, in its transaction."""

    def work(connection: Connection) -> int:
        return vault.reseal(connection, Seal(keys), account.id, password, at)

    return await store._database.write(work)


async def sealings(store: Store) -> list[tuple[str, str, str]]:
    rows = [entry.row for entry in await store.audit.list() if entry.row.event is Event.VAULT_SEALED]
    return [(row.account, row.actor, row.detail) for row in rows]


async def test_what_is_sealed_at_issue_opens_with_that_app_password_alone(
    store: Store, keys: Keyring, ann: Account
) -> None:
    phone, row = await issue(store, keys, ann, OLD)
    assert await opened(store, keys, phone, row) == OLD
    assert await opened(store, keys, generate_app_password(), row) is None
    assert await sealings(store) == [(ANN, OPERATOR, "the store password, to 1 app passwords")]


async def test_without_a_store_password_nothing_is_sealed(store: Store, keys: Keyring, ann: Account) -> None:
    phone, row = await issue(store, keys, ann)
    assert await opened(store, keys, phone, row) is None
    assert await sealings(store) == []


async def test_a_sign_in_renews_every_device_of_the_account_and_nobody_elses(
    store: Store, keys: Keyring, ann: Account
) -> None:
    devices = [await issue(store, keys, ann, OLD) for _ in range(5)]
    bob = await store.accounts.add(BOB, actor=OPERATOR)
    others = await issue(store, keys, bob, OLD)
    assert await sign_in(store, keys, ann, NEW) == 5
    assert [await opened(store, keys, *device) for device in devices] == [NEW] * 5
    assert await opened(store, keys, *others) == OLD


async def test_a_new_device_brings_the_password_that_was_verified_for_it_to_the_others(
    store: Store, keys: Keyring, ann: Account
) -> None:
    old = await issue(store, keys, ann, OLD)
    new = await issue(store, keys, ann, NEW)
    assert [await opened(store, keys, *device) for device in (old, new)] == [NEW, NEW]


async def test_the_record_tells_of_renewals_and_not_of_every_sign_in(store: Store, keys: Keyring, ann: Account) -> None:
    await issue(store, keys, ann)
    before = await sealings(store)
    await sign_in(store, keys, ann, OLD)
    await sign_in(store, keys, ann, OLD)
    assert await sealings(store) == [*before, (ANN, "system", "the store password, to 1 app passwords")]


async def test_an_ended_app_password_gets_nothing_and_loses_what_it_had(
    store: Store, keys: Keyring, ann: Account, clock: StoppedClock
) -> None:
    """Its finder needs only a copy of the database to open what is sealed to it."""
    _, revoked = await issue(store, keys, ann, OLD)
    _, expired = await issue(store, keys, ann, OLD, expires_at=NOON + 60)
    _, idle = await issue(store, keys, ann, idle=60.0)
    await store.app_passwords.revoke(ANN, revoked.id, actor=OPERATOR)
    clock.at += 60
    assert await store.app_passwords.expire() >= 1
    assert await entry_of(store, keys, revoked) is None
    assert await entry_of(store, keys, expired) is None
    assert await sign_in(store, keys, ann, NEW, clock.at) == 0
    assert [await entry_of(store, keys, row) for row in (revoked, expired, idle)] == [None] * 3


async def test_a_public_half_put_in_place_of_another_gets_nothing(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    """Else whoever can write to the database would wait for the next sign-in and open the entry."""
    _, row = await issue(store, keys, ann, OLD)
    thief = sealing.public_half(generate_app_password(), row.id)
    sql(database, "UPDATE app_passwords SET public = ? WHERE id = ?", thief, row.id)
    assert await sign_in(store, keys, ann, NEW) == 0


async def test_a_revoked_one_that_was_put_back_gets_nothing(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    _, row = await issue(store, keys, ann, OLD)
    before = sql(database, "SELECT mac FROM app_passwords WHERE id = ?", row.id)[0][0]
    await store.app_passwords.revoke(ANN, row.id, actor=OPERATOR)
    sql(database, "UPDATE app_passwords SET revoked_at = NULL, mac = ? WHERE id = ?", before, row.id)
    assert await sign_in(store, keys, ann, NEW) == 0


async def test_an_older_one_without_a_public_half_is_passed_over(store: Store, keys: Keyring, ann: Account) -> None:
    await issue(store, keys, ann, public=None)
    assert await sign_in(store, keys, ann, NEW) == 0


async def test_an_entry_that_was_moved_or_altered_does_not_fit(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    _, one = await issue(store, keys, ann, OLD)
    _, two = await issue(store, keys, ann, OLD)
    (sealed,) = sql(database, "SELECT sealed FROM vault WHERE app_password_id = ?", one.id)[0]
    sql(database, "UPDATE vault SET sealed = ? WHERE app_password_id = ?", sealed, two.id)
    sql(database, "UPDATE vault SET sealed_at = sealed_at + 1 WHERE app_password_id = ?", one.id)
    for row in (one, two):
        found = await checked(store, keys, row)
        assert found is not None
        assert not found.intact
    assert await sign_in(store, keys, ann, NEW) == 2  # written anew, it fits again
    for row in (one, two):
        assert await entry_of(store, keys, row) is not None


async def test_an_administrator_renews_an_account(store: Store, keys: Keyring, ann: Account) -> None:
    scanner = await issue(store, keys, ann)
    assert await store.vault.renew(ANN, NEW, actor=OPERATOR) == 1
    assert await opened(store, keys, *scanner) == NEW
    assert await sealings(store) == [(ANN, OPERATOR, "the store password, to 1 app passwords")]
    await store.app_passwords.revoke_all(ANN, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="issue one first"):
        await store.vault.renew(ANN, NEW, actor=OPERATOR)


async def test_removing_the_account_empties_its_vault(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    await issue(store, keys, ann, OLD)
    await store.accounts.remove(ANN, actor=OPERATOR)
    assert sql(database, "SELECT count(*) FROM vault") == [(0,)]
