from pathlib import Path

import pytest

from mailguard.auth import totp
from mailguard.auth.accounts import Account
from mailguard.auth.events import Event
from mailguard.auth.ports import Lost
from mailguard.keyring import Keyring
from mailguard.store import ChangeRefused, Store
from mailguard.store.devices import MOST
from mailguard.store.revocations import Kind
from tests.store.words import (
    ANN,
    BOB,
    NOON,
    OPERATOR,
    OTHER_SEED,
    SEED,
    StoppedClock,
    admitted,
    app_password,
    by_code,
    phone,
    sql,
)


async def test_an_authenticator_counts_only_once_it_is_confirmed(store: Store, ann: Account) -> None:
    device = await store.devices.enrol(ANN, "phone", SEED, actor=OPERATOR)
    assert (await store.ledger.facts(ANN, [], [], NOON)).devices == ()
    await store.devices.confirm(device.id, 57, actor=OPERATOR)
    (found,) = (await store.ledger.facts(ANN, [], [], NOON)).devices
    assert found.seed == SEED
    assert (found.last_step, found.confirmed_at) == (57, NOON)


async def test_the_code_that_confirmed_is_consumed(store: Store, keys: Keyring, ann: Account) -> None:
    device = await phone(store, step=57)
    assert await store.ledger.admit(by_code(keys, device, 57)) is Lost.STEP_USED
    admitted(await store.ledger.admit(by_code(keys, device, 58)))


async def test_an_authenticator_is_confirmed_once(store: Store, ann: Account) -> None:
    device = await phone(store, step=57)
    with pytest.raises(ChangeRefused, match="enrol it again"):
        await store.devices.confirm(device.id, 1, actor=OPERATOR)
    assert [d.last_step for d in await store.devices.list(ANN)] == [57]


async def test_removing_ends_what_was_opened_with_it(store: Store, keys: Keyring, ann: Account) -> None:
    device, other = await phone(store), await phone(store, seed=OTHER_SEED)
    entry = by_code(keys, device, 101)
    admitted(await store.ledger.admit(entry))
    await store.devices.remove(ANN, device.id, actor=OPERATOR)
    assert entry.winning is not None
    facts = await store.ledger.facts(ANN, [], [entry.winning.string], NOON)
    assert facts.grant is None
    assert [d.id for d in facts.devices] == [other.id]
    assert [(r.kind, r.target) for r in await store.revocations.after(1)] == [(Kind.DEVICE, device.id)]


async def test_one_account_cannot_remove_the_authenticator_of_another(store: Store, ann: Account) -> None:
    await store.accounts.add(BOB, actor=OPERATOR)
    device = await phone(store)
    with pytest.raises(ChangeRefused, match="mailguard totp list"):
        await store.devices.remove(BOB, device.id, actor=OPERATOR)
    assert len(await store.devices.list(ANN)) == 1


async def test_a_reset_keeps_the_bare_password_out_and_the_app_passwords(
    store: Store, keys: Keyring, ann: Account
) -> None:
    await phone(store)
    kept = await app_password(store, keys, ann)
    await store.devices.reset(ANN, actor=OPERATOR)
    facts = await store.ledger.facts(ANN, [], [], NOON)
    assert facts.account is not None
    assert facts.account.factor_required
    assert facts.devices == ()
    assert await store.app_passwords.list(ANN) == (kept,)
    assert [r.kind for r in await store.revocations.after(1)] == [Kind.ACCOUNT]


async def test_a_reset_takes_the_app_passwords_where_asked(store: Store, keys: Keyring, ann: Account) -> None:
    await app_password(store, keys, ann)
    await store.devices.reset(ANN, actor=OPERATOR, app_passwords_too=True, factor_required=False)
    assert [p.revoked_at for p in await store.app_passwords.list(ANN)] == [NOON]
    assert [r.kind for r in await store.revocations.after(0)] == [Kind.ACCOUNT, Kind.APP_PASSWORD]
    assert [r.row.event for r in await store.audit.list()][-2:] == [Event.FACTORS_RESET, Event.APP_PASSWORD_REVOKED]


async def test_a_new_authenticator_ends_the_state_after_a_reset(store: Store, ann: Account) -> None:
    await store.devices.reset(ANN, actor=OPERATOR)
    await phone(store)
    account = await store.accounts.get(ANN)
    assert account is not None
    assert not account.factor_required


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("seed", "UPDATE totp_devices SET sealed_seed = (SELECT sealed_seed FROM totp_devices WHERE id = :other)"),
        ("digits", "UPDATE totp_devices SET digits = 8 WHERE id = :one"),
        ("account", "UPDATE totp_devices SET account_id = (SELECT id FROM accounts WHERE name = 'bob@example.org')"),
        ("truncated", "UPDATE totp_devices SET sealed_seed = x'00'"),
    ],
)
async def test_a_seed_opens_in_its_own_row_only(
    store: Store, ann: Account, database: Path, what: str, how: str
) -> None:
    """It still counts as a factor: altering a row must not turn the account back to its bare password."""
    await store.accounts.add(BOB, actor=OPERATOR)
    one, other = await phone(store), await phone(store, BOB)
    sql(database, how.replace(":other", f"'{other.id}'").replace(":one", f"'{one.id}'"))
    name = BOB if what == "account" else ANN
    devices = {device.id: device for device in (await store.ledger.facts(name, [], [], NOON)).devices}
    assert devices[one.id].seed != SEED
    alarms = [r.row for r in await store.audit.list() if r.row.event is Event.ROW_ALTERED]
    assert [(alarm.account, alarm.credential) for alarm in alarms] == [(name, one.id)]
    with pytest.raises(ChangeRefused, match="enrol a new one"):
        await store.devices.get(one.id)


async def test_the_seed_of_an_unconfirmed_authenticator_is_forgotten_after_a_day(
    store: Store, ann: Account, clock: StoppedClock
) -> None:
    forgotten = await store.devices.enrol(ANN, "old", OTHER_SEED, actor=OPERATOR)
    kept = await phone(store)
    clock.at += 24 * 3600.0 + 1
    await store.purge()
    assert await store.devices.get(forgotten.id) is None
    assert [d.id for d in await store.devices.list(ANN)] == [kept.id]


async def test_one_seed_is_no_two_authenticators_of_an_account(store: Store, ann: Account) -> None:
    """Else one code would count twice."""
    device = await phone(store)
    with pytest.raises(ChangeRefused, match=f"this is authenticator {device.id}"):
        await store.devices.enrol(ANN, "again", SEED, actor=OPERATOR, digits=8)
    await store.devices.enrol(ANN, "other codes", SEED, actor=OPERATOR, algorithm="SHA256")
    await store.accounts.add(BOB, actor=OPERATOR)
    await store.devices.enrol(BOB, "phone", SEED, actor=OPERATOR)
    assert len(await store.devices.list(ANN)) == 2


async def test_an_account_has_ten_authenticators_at_most(store: Store, ann: Account) -> None:
    for number in range(MOST):
        await store.devices.enrol(ANN, f"phone {number}", totp.new_seed(), actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="remove one first"):
        await store.devices.enrol(ANN, "one more", totp.new_seed(), actor=OPERATOR)


async def test_an_authenticator_is_called_something_else(store: Store, ann: Account, database: Path) -> None:
    device = await phone(store)
    await store.devices.rename(ANN, device.id, "Ann's phone", actor=OPERATOR)
    (found,) = (await store.ledger.facts(ANN, [], [], NOON)).devices
    assert (found.name, found.seed) == ("Ann's phone", SEED)
    assert [r.row.event for r in await store.audit.list()][-1] is Event.TOTP_RENAMED
    for refused in ("", " ", "a\nb", "x" * 65):
        with pytest.raises(ChangeRefused, match="printable"):
            await store.devices.rename(ANN, device.id, refused, actor=OPERATOR)
    await store.accounts.add(BOB, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="mailguard totp list"):
        await store.devices.rename(BOB, device.id, "mine", actor=OPERATOR)
    sql(database, "UPDATE totp_devices SET account_id = (SELECT id FROM accounts WHERE name = 'bob@example.org')")
    with pytest.raises(ChangeRefused, match="altered"):
        await store.devices.rename(BOB, device.id, "mine", actor=OPERATOR)


async def test_a_counter_ahead_of_the_clock_is_set_back(store: Store, keys: Keyring, ann: Account) -> None:
    """The clock was a day ahead for a while; the code that it took then would shut out every code of the day."""
    current = int(NOON) // 30
    ahead, well = await phone(store, step=current + 2880), await phone(store, step=current + 1, seed=OTHER_SEED)
    assert await store.ledger.admit(by_code(keys, ahead, current + 1)) is Lost.STEP_USED
    assert [device.id for device in await store.devices.resync(ANN, actor=OPERATOR)] == [ahead.id]
    assert {d.id: d.last_step for d in await store.devices.list(ANN)} == {ahead.id: current, well.id: current + 1}
    assert await store.ledger.admit(by_code(keys, ahead, current)) is Lost.STEP_USED
    admitted(await store.ledger.admit(by_code(keys, ahead, current + 1)))
    assert await store.devices.resync(ANN, actor=OPERATOR) == ()
    (told,) = [r.row for r in await store.audit.list() if r.row.event is Event.TOTP_RESYNCED]
    assert (told.credential, told.detail) == (ahead.id, "its counter was 86400 s ahead of the clock")
