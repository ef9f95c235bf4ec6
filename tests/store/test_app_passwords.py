from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mailguard.auth.accounts import Account, AppPassword
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.ports import Facts, Lost
from mailguard.auth.vault import public_half
from mailguard.keyring import Keyring, Purpose
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, Store
from mailguard.store.revocations import Kind
from tests.store.test_sessions import session
from tests.store.words import (
    ANN,
    BOB,
    NOON,
    OPERATOR,
    StoppedClock,
    admitted,
    app_password,
    by_app_password,
    digest,
    sql,
)

SCOPED: dict[str, Any] = {
    "protocols": frozenset(MailProtocol),
    "networks": (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
    "expires_at": NOON + 90 * 86400,
    "idle": 30 * 86400.0,
    "seen_by_operator": True,
}


async def offer(store: Store, keys: Keyring, text: str = "k7mq-2xwd") -> Facts:
    return await store.ledger.facts(ANN, [digest(keys, Purpose.APP_PASSWORD, text)], [], NOON)


def dead(facts: Facts) -> bool:
    """Known, so that it is not taken for a password and shown to the store; and revoked."""
    return facts.app_password is not None and facts.app_password.revoked_at is not None


async def alarms(store: Store) -> list[tuple[str, str, int]]:
    found = [r for r in await store.audit.list() if r.row.event is Event.ROW_ALTERED]
    return [(r.row.account, r.row.credential, r.repeats) for r in found]


async def test_an_issued_one_is_found_by_its_hash_with_all_that_it_may_do(
    store: Store, keys: Keyring, ann: Account
) -> None:
    issued = await app_password(store, keys, ann, **SCOPED)
    assert (await offer(store, keys)).app_password == issued
    assert (await offer(store, keys, "another")).app_password is None
    assert await store.app_passwords.list(ANN) == (issued,)


async def test_a_hash_of_an_older_generation_is_found_too(store: Store, keys: Keyring, ann: Account) -> None:
    issued = await app_password(store, keys, ann)
    digests = [digest(keys, Purpose.APP_PASSWORD, text) for text in ("under the newest key", "k7mq-2xwd")]
    assert (await store.ledger.facts(BOB, digests, [], NOON)).app_password == issued


async def test_the_limit_counts_usable_ones(store: Store, keys: Keyring, ann: Account) -> None:
    first = await app_password(store, keys, ann, "one")
    await app_password(store, keys, ann, "two", expires_at=NOON)
    await app_password(store, keys, ann, "three")
    next_one = AppPassword("x" * 12, ann.id, "tablet", frozenset(MailProtocol), created_at=NOON)
    with pytest.raises(ChangeRefused, match=r"2 app passwords.*revoke one first"):
        await store.app_passwords.issue(ANN, next_one, digest(keys, Purpose.APP_PASSWORD, "x"), actor=OPERATOR, limit=2)
    await store.app_passwords.revoke(ANN, first.id, actor=OPERATOR)
    await store.app_passwords.issue(ANN, next_one, digest(keys, Purpose.APP_PASSWORD, "x"), actor=OPERATOR, limit=2)


async def test_one_of_an_account_that_was_removed_and_added_again_is_refused(
    store: Store, keys: Keyring, ann: Account
) -> None:
    await store.accounts.remove(ANN, actor=OPERATOR)
    await store.accounts.add(ANN, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="issue the app password again"):
        await app_password(store, keys, ann)


async def test_a_revoked_one_says_so_and_its_sessions_are_told(store: Store, keys: Keyring, ann: Account) -> None:
    issued = await app_password(store, keys, ann)
    await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
    found = (await offer(store, keys)).app_password
    assert found is not None
    assert found.revoked_at == NOON
    assert [(r.kind, r.target) for r in await store.revocations.after(0)] == [(Kind.APP_PASSWORD, issued.id)]
    last = (await store.audit.list())[-1].row
    assert (last.event, last.actor, last.credential) == (Event.APP_PASSWORD_REVOKED, OPERATOR, issued.id)
    assert await alarms(store) == []


async def test_revoking_again_keeps_the_first_time(
    store: Store, keys: Keyring, ann: Account, clock: StoppedClock
) -> None:
    issued = await app_password(store, keys, ann)
    await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
    clock.at += 60
    await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
    assert [p.revoked_at for p in await store.app_passwords.list(ANN)] == [NOON]


async def test_only_the_account_that_owns_it_can_be_asked_to_revoke(store: Store, keys: Keyring, ann: Account) -> None:
    issued = await app_password(store, keys, ann)
    await store.accounts.add(BOB, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="mailguard app-password list"):
        await store.app_passwords.revoke(BOB, issued.id, actor=OPERATOR)
    assert await store.app_passwords.list(ANN) == (issued,)


async def test_revoking_all_counts_what_was_not_revoked_yet(store: Store, keys: Keyring, ann: Account) -> None:
    first = await app_password(store, keys, ann, "one")
    await app_password(store, keys, ann, "two")
    await app_password(store, keys, ann, "three")
    await store.app_passwords.revoke(ANN, first.id, actor=OPERATOR)
    assert await store.app_passwords.revoke_all(ANN, actor=OPERATOR) == 2
    assert all(p.revoked_at for p in await store.app_passwords.list(ANN))


async def test_use_is_remembered(store: Store, keys: Keyring, ann: Account) -> None:
    issued = await app_password(store, keys, ann)
    admission = admitted(await store.ledger.admit(by_app_password(issued, at=NOON + 5)))
    assert admission.credential == issued.id
    await store.sessions.opened([session(credential=issued.id, started_at=NOON + 5)])
    (row,) = await store.app_passwords.list(ANN)
    assert (row.last_used_at, row.last_used_from, row.last_used_protocol) == (NOON + 5, "192.0.2.7", "imap")
    assert (await offer(store, keys)).app_password == row


async def test_one_revoked_after_the_facts_were_read_loses(store: Store, keys: Keyring, ann: Account) -> None:
    issued = await app_password(store, keys, ann)
    facts = await offer(store, keys)
    await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
    rows = len(await store.audit.list())
    assert await store.ledger.admit(by_app_password(issued, revision=facts.revision)) is Lost.REVOKED
    assert len(await store.audit.list()) == rows
    assert (await store.app_passwords.list(ANN))[0].last_used_at is None


async def test_sessions_of_one_that_ran_out_are_told_once(
    store: Store, keys: Keyring, ann: Account, clock: StoppedClock
) -> None:
    issued = await app_password(store, keys, ann, expires_at=NOON + 10)
    await app_password(store, keys, ann, "lasting")
    assert await store.app_passwords.expire() == 0
    clock.at += 10
    assert await store.app_passwords.expire() == 1
    assert await store.app_passwords.expire() == 0
    assert [(r.kind, r.target) for r in await store.revocations.after(0)] == [(Kind.EXPIRY, issued.id)]


async def test_an_open_session_is_use(store: Store, keys: Keyring, ann: Account, clock: StoppedClock) -> None:
    held = await app_password(store, keys, ann, idle=400.0)
    left = await app_password(store, keys, ann, "left", idle=400.0)
    await store.sessions.opened([session(credential=held.id)])
    clock.at += 100
    assert await store.app_passwords.keep_open() == 0
    clock.at += 1
    assert await store.app_passwords.keep_open() == 1
    assert await store.app_passwords.keep_open() == 0
    used = {row.id: row.last_used_at for row in await store.app_passwords.list(ANN)}
    assert used == {held.id: NOON + 101, left.id: None}
    assert (await offer(store, keys, "left")).app_password == left
    clock.at += 400
    assert await store.app_passwords.keep_open() == 0, "what has lapsed stays so, whatever a dead worker left behind"


async def test_what_is_sealed_to_one_that_nobody_uses_is_forgotten_a_day_after_it_lapsed(
    store: Store, keys: Keyring, ann: Account, clock: StoppedClock
) -> None:
    idle = AppPassword("x" * 12, ann.id, "tablet", frozenset(MailProtocol), created_at=NOON, idle=100.0)
    idle = replace(idle, public=public_half(Secret(b"k7mq"), idle.id))
    lasting = replace(idle, id="y" * 12, idle=None)
    unused = replace(lasting, id="z" * 12, first_use_by=NOON + 100)
    for row in (idle, lasting, unused):
        hashed = digest(keys, Purpose.APP_PASSWORD, row.id)
        await store.app_passwords.issue(ANN, row, hashed, actor=OPERATOR, store_password=Secret(b"secret"))
    clock.at += 100 + 86_400 - 1
    await store.purge()
    assert set(await store.vault.entries(ANN)) == {idle.id, lasting.id, unused.id}, "the clock may have been wrong"
    clock.at += 1
    await store.purge()
    assert set(await store.vault.entries(ANN)) == {lasting.id}


async def test_the_limit_leaves_out_what_has_lapsed(
    store: Store, keys: Keyring, ann: Account, clock: StoppedClock
) -> None:
    await app_password(store, keys, ann, "idle", idle=100.0)
    await app_password(store, keys, ann, "unused", first_use_by=NOON + 50)
    one = AppPassword("x" * 12, ann.id, "tablet", frozenset(MailProtocol), created_at=NOON)
    issue = partial(store.app_passwords.issue, ANN, one, digest(keys, Purpose.APP_PASSWORD, "x"), actor=OPERATOR)
    clock.at += 49
    with pytest.raises(ChangeRefused, match="revoke one first"):
        await issue(limit=2)
    clock.at += 50
    with pytest.raises(ChangeRefused, match="revoke one first"):
        await issue(limit=1)
    clock.at += 1
    await issue(limit=1)


@pytest.mark.parametrize(
    "change",
    [
        "account_id = (SELECT id FROM accounts WHERE name = 'bob@example.org')",
        "label = 'printer'",
        "protocols = 'imap submission'",
        "networks = '0.0.0.0/0'",
        "networks = 'not a network'",
        "created_at = created_at + 1",
        "expires_at = NULL",
        "idle = NULL",
        "first_use_by = 5",
        "revoked_at = 5",
        "issued_by = 'operator:eve'",
        "seen_by_operator = 1 - seen_by_operator",
        "mac = x'00'",
    ],
)
async def test_a_row_altered_in_any_column_opens_nothing_and_raises_an_alarm(
    store: Store, keys: Keyring, ann: Account, database: Path, change: str
) -> None:
    await store.accounts.add(BOB, actor=OPERATOR)
    scope = {**SCOPED, "protocols": frozenset({MailProtocol.IMAP})}
    issued = await app_password(store, keys, ann, **scope)
    sql(database, f"UPDATE app_passwords SET {change}")
    assert dead(await offer(store, keys))
    owner = BOB if change.startswith("account_id") else ANN
    assert await alarms(store) == [(owner, issued.id, 0)]
    (listed,) = await store.app_passwords.list(owner)
    assert listed.revoked_at is not None, "it must not be listed as if it opened anything"


@pytest.mark.parametrize("column", ["id", "hash", "hash_key"])
async def test_the_hash_of_another_row_does_not_fit(
    store: Store, keys: Keyring, ann: Account, database: Path, column: str
) -> None:
    """Whoever knows one app password and can write to the file must not give it another's scope."""
    narrow = await app_password(store, keys, ann, "narrow")
    wide = await app_password(store, keys, ann, "wide", **SCOPED)
    stolen = sql(database, "SELECT hash FROM app_passwords WHERE id = ?", narrow.id)[0][0]
    match column:
        case "hash":
            sql(database, "DELETE FROM app_passwords WHERE id = ?", narrow.id)
            sql(database, "UPDATE app_passwords SET hash = ? WHERE id = ?", stolen, wide.id)
        case "id":
            sql(database, "UPDATE app_passwords SET id = 'zzzzzzzzzzzz' WHERE id = ?", narrow.id)
        case _:
            sql(database, "UPDATE app_passwords SET hash_key = 'g9-xxxx' WHERE id = ?", narrow.id)
    assert dead(await offer(store, keys, "narrow"))
    assert len(await alarms(store)) == 1


async def test_a_revoked_row_is_not_revived_by_an_older_copy_of_it(
    store: Store, keys: Keyring, ann: Account, database: Path
) -> None:
    """The old row's MAC fits; that the app password was revoked stands in the revocations, and is never purged."""
    issued = await app_password(store, keys, ann)
    (old,) = sql(database, "SELECT mac_key, mac FROM app_passwords")
    await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
    sql(database, "UPDATE app_passwords SET revoked_at = NULL, mac_key = ?, mac = ?", *old)
    assert dead(await offer(store, keys))
    assert await alarms(store) == [(ANN, issued.id, 0)]


async def test_an_altered_row_raises_one_alarm_a_minute(
    store: Store, keys: Keyring, ann: Account, database: Path, clock: StoppedClock
) -> None:
    issued = await app_password(store, keys, ann)
    sql(database, "UPDATE app_passwords SET label = 'printer'")
    digests = [digest(keys, Purpose.APP_PASSWORD, "k7mq-2xwd")]
    for seconds in (0, 1, 2, 61):
        await store.ledger.facts(ANN, digests, [], NOON + seconds)
    clock.at += 61
    await store.sealer.seal()
    assert await alarms(store) == [(ANN, issued.id, 0), (ANN, issued.id, 0), (ANN, issued.id, 1)]


async def test_an_altered_row_can_still_be_revoked(store: Store, keys: Keyring, ann: Account, database: Path) -> None:
    issued = await app_password(store, keys, ann)
    sql(database, "UPDATE app_passwords SET networks = 'nonsense'")
    await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
    assert [r.kind for r in await store.revocations.after(0)] == [Kind.APP_PASSWORD]
