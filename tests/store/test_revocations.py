from pathlib import Path

from mailguard.auth.accounts import Account
from mailguard.auth.ports import Lost
from mailguard.keyring import Keyring
from mailguard.store import Store
from mailguard.store.revocations import FOLLOWED_SECONDS, Kind, Revocation
from tests.store.words import ANN, NOON, OPERATOR, StoppedClock, app_password, by_app_password


async def test_the_list_is_followed_in_order_from_any_point(store: Store, keys: Keyring, ann: Account) -> None:
    issued = await app_password(store, keys, ann)
    await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
    await store.accounts.suspend(ANN, actor=OPERATOR)
    first = Revocation(1, NOON, Kind.APP_PASSWORD, issued.id)
    second = Revocation(2, NOON, Kind.ACCOUNT, ann.id)
    assert await store.revocations.after(0) == [first, second]
    assert await store.revocations.after(1) == [second]
    assert await store.revocations.after(2) == []


async def test_a_change_is_noticed_once_whoever_made_it(
    store: Store, ann: Account, database: Path, keys: Keyring, clock: StoppedClock
) -> None:
    other = await Store.open(f"sqlite:///{database}", keys, now=clock)
    assert await store.revocations.changed()
    assert not await store.revocations.changed()
    await other.accounts.suspend(ANN, actor=OPERATOR)
    assert await store.revocations.changed()
    assert not await store.revocations.changed()
    await store.accounts.resume(ANN, actor=OPERATOR)
    assert await store.revocations.changed()
    await other.close()


async def test_what_sessions_have_heard_is_forgotten_but_no_revoked_app_password(
    store: Store, keys: Keyring, ann: Account, clock: StoppedClock
) -> None:
    issued = await app_password(store, keys, ann)
    await store.app_passwords.revoke(ANN, issued.id, actor=OPERATOR)
    await store.sessions.end_all(actor=OPERATOR)
    clock.at += FOLLOWED_SECONDS + 1
    await store.purge()
    assert [r.kind for r in await store.revocations.after(0)] == [Kind.APP_PASSWORD]
    await store.sessions.end_all(actor=OPERATOR)
    assert [r.seq for r in await store.revocations.after(1)] == [3], "a number must never come back"
    assert await store.ledger.admit(by_app_password(issued, revision=3)) is Lost.REVOKED
