"""Passkeys in the records: added, named, removed, used, and what each of it ends."""

from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth import recovery
from mailguard.auth.accounts import Account, AccountKind, AccountName, CodeKind, Passkey
from mailguard.auth.attempt import Factor
from mailguard.auth.events import Event
from mailguard.auth.notices import NoticeKind
from mailguard.auth.passkeys import NewPasskey, PasskeyUse
from mailguard.auth.ports import Lost
from mailguard.auth.standing import SignedIn, Standing
from mailguard.store import ChangeRefused, Store
from mailguard.store.passkeys import CHALLENGE_KEPT_SECONDS, MOST
from mailguard.store.revocations import Kind
from tests.store.words import ANN, BOB, NOON, OPERATOR, SEED, StoppedClock, bare, by_passkey, phone, sql, token

DESK, NOBODY = AccountName("desk@example.org"), AccountName("nobody@example.org")


def new(credential: bytes, challenge: bytes) -> NewPasskey:
    return NewPasskey(credential, b"COSE", 0, challenge)


def use(passkey: Passkey, count: int, challenge: bytes = b"?") -> PasskeyUse:
    return PasskeyUse(passkey, count, challenge)


async def notices(database: Path) -> list[tuple[object, ...]]:
    return sql(database, "SELECT kind, facts FROM notices ORDER BY rowid")


async def test_a_passkey_is_a_factor_from_the_first_moment(store: Store, ann: Account, database: Path) -> None:
    before = await store.ledger.facts(ANN, [], [], NOON)
    assert not before.enrolled
    passkey = await token(store, count=3, label="laptop")
    assert await store.passkeys.list(ANN) == (passkey,)
    assert (passkey.name, passkey.sign_count, passkey.created_at, passkey.last_used_at) == ("laptop", 3, NOON, None)
    facts = await store.ledger.facts(ANN, [], [], NOON)
    assert (facts.passkeys, facts.enrolled, facts.devices) == (True, True, ())
    assert [(r.kind, r.target) for r in await store.revocations.after(0)] == [(Kind.FACTOR, ann.id)]
    assert await store.ledger.admit(bare(ann.id, revision=facts.revision)) is Lost.REVOKED
    last = (await store.audit.list())[-1].row
    assert (last.event, last.credential, last.actor, last.detail) == (
        Event.PASSKEY_ADDED, passkey.id, OPERATOR, "laptop",
    )  # fmt: skip
    ((kind, about),) = await notices(database)
    assert kind == NoticeKind.PASSKEY_ADDED
    assert "laptop" in str(about)


async def test_it_does_for_an_account_what_an_authenticator_does(store: Store, ann: Account) -> None:
    await store.devices.reset(ANN, actor=OPERATOR)
    await store.codes.issue(ANN, CodeKind.ENROLMENT, recovery.make(1), actor=OPERATOR)
    await token(store)
    account = await store.accounts.get(ANN)
    assert account is not None
    assert not account.factor_required
    assert [code.kind for code in await store.codes.list(ANN) if code.usable(NOON)] == []
    await store.codes.issue(ANN, CodeKind.RECOVERY, recovery.make(1), actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="has an authenticator"):
        await store.codes.issue(ANN, CodeKind.ENROLMENT, recovery.make(1), actor=OPERATOR)


async def test_whoever_came_to_bind_the_first_binds_no_second(store: Store, ann: Account) -> None:
    await store.passkeys.add(ANN, "hers", new(b"1", b"1"), actor=OPERATOR, only_first=True)
    with pytest.raises(ChangeRefused, match="by now"):
        await store.passkeys.add(ANN, "thief's", new(b"2", b"2"), actor=OPERATOR, only_first=True)
    device = await store.devices.enrol(ANN, "thief's", SEED, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="by now"):
        await store.devices.confirm(device.id, 1, actor=OPERATOR, only_first=True)


async def test_what_is_not_added(store: Store, ann: Account) -> None:
    await store.passkeys.add(ANN, "one", new(b"1", b"1"), actor=OPERATOR)
    await store.accounts.add(BOB, actor=OPERATOR)
    await store.accounts.add(DESK, kind=AccountKind.SHARED, actor=OPERATOR)
    for name, label, credential, challenge, why in (
        (ANN, "again", b"1", b"2", "there already"),
        (BOB, "hers", b"1", b"2", "there already"),
        (ANN, "a form sent twice", b"2", b"1", "load the page again"),
        (ANN, "", b"2", b"2", "1 to 64"),
        (ANN, "x" * 65, b"2", b"2", "1 to 64"),
        (ANN, "bell\a", b"2", b"2", "1 to 64"),
        (NOBODY, "x", b"2", b"2", "no account"),
        (DESK, "x", b"2", b"2", "shared account"),
    ):
        with pytest.raises(ChangeRefused, match=why):
            await store.passkeys.add(name, label, new(credential, challenge), actor=OPERATOR)
    assert [passkey.name for passkey in await store.passkeys.list(ANN)] == ["one"]
    # What was refused has spent no challenge.
    await store.passkeys.add(ANN, "two", new(b"2", b"2"), actor=OPERATOR)
    for _ in range(MOST - 2):
        await token(store)
    with pytest.raises(ChangeRefused, match="the most there can be"):
        await token(store)


async def test_it_is_called_something_else(store: Store, ann: Account, database: Path) -> None:
    passkey = await token(store)
    await store.passkeys.rename(ANN, passkey.id, "Ann's laptop", actor=OPERATOR)
    assert await store.passkeys.list(ANN) == (replace(passkey, name="Ann's laptop"),)
    assert (await store.audit.list())[-1].row.event is Event.PASSKEY_RENAMED
    await store.accounts.add(BOB, actor=OPERATOR)
    for name, wrong in ((BOB, passkey.id), (ANN, "nothere")):
        with pytest.raises(ChangeRefused, match="has no passkey"):
            await store.passkeys.rename(name, wrong, "mine", actor=OPERATOR)
    sql(database, "UPDATE passkeys SET credential = X'00'")
    with pytest.raises(ChangeRefused, match="was altered"):
        await store.passkeys.rename(ANN, passkey.id, "mine", actor=OPERATOR)


async def test_removing_ends_what_was_opened_with_it(store: Store, ann: Account, database: Path) -> None:
    passkey = await token(store, label="laptop")
    signed = SignedIn(ANN, ann.id, Standing.FULL, Factor.PASSKEY, passkey.id, 1, NOON)
    await store.accounts.add(BOB, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="has no passkey"):
        await store.passkeys.remove(BOB, passkey.id, actor=OPERATOR)
    await store.passkeys.remove(ANN, passkey.id, actor="owner", signed=signed)
    assert await store.passkeys.list(ANN) == ()
    assert [(r.kind, r.target) for r in await store.revocations.after(1)] == [(Kind.DEVICE, passkey.id)]
    assert not (await store.ledger.facts(ANN, [], [], NOON)).enrolled
    kind, about = (await notices(database))[-1]
    assert kind == NoticeKind.PASSKEY_REMOVED
    assert "laptop" in str(about), "the letter can name it"
    with pytest.raises(ChangeRefused, match="has ended"):
        await store.passkeys.rename(ANN, passkey.id, "x", actor="owner", signed=signed)


async def test_the_last_factor_of_either_kind_stays_where_there_must_be_one(store: Store, ann: Account) -> None:
    device, passkey = await phone(store), await token(store)
    await store.codes.issue(ANN, CodeKind.RECOVERY, recovery.make(1), actor=OPERATOR)
    await store.devices.remove(ANN, device.id, actor=OPERATOR, keep_one=True)
    assert [code.usable(NOON) for code in await store.codes.list(ANN)] == [True], "there is something to stand in for"
    with pytest.raises(ChangeRefused, match="last authenticator or passkey"):
        await store.passkeys.remove(ANN, passkey.id, actor=OPERATOR, keep_one=True)
    assert await store.passkeys.list(ANN) == (passkey,)
    await store.passkeys.remove(ANN, passkey.id, actor=OPERATOR)
    assert [code.usable(NOON) for code in await store.codes.list(ANN)] == [False]


async def test_a_reset_removes_both_kinds(store: Store, ann: Account) -> None:
    await phone(store)
    await token(store)
    await token(store)
    await store.devices.reset(ANN, actor=OPERATOR)
    assert await store.passkeys.list(ANN) == ()
    (reset,) = [r.row for r in await store.audit.list() if r.row.event is Event.FACTORS_RESET]
    assert reset.detail == "1 authenticators removed, 2 passkeys"


async def test_an_account_that_goes_takes_its_passkeys_along(store: Store, ann: Account, database: Path) -> None:
    await token(store)
    await store.accounts.remove(ANN, actor=OPERATOR)
    assert sql(database, "SELECT * FROM passkeys") == []


@pytest.mark.parametrize(
    ("known", "told", "in_"), [(0, 0, True), (0, 1, True), (3, 9, True), (3, 3, False), (3, 2, False), (3, 0, False)]
)
async def test_a_count_only_goes_forward(store: Store, ann: Account, known: int, told: int, in_: bool) -> None:
    passkey = await token(store, count=known)
    revision = (await store.ledger.facts(ANN, [], [], NOON)).revision
    entered = await store.sign_ins.enter(by_passkey(use(passkey, told), at=NOON + 5, revision=revision))
    assert entered == (ann.id if in_ else Lost.STEP_USED)
    (kept,) = await store.passkeys.list(ANN)
    assert (kept.sign_count, kept.last_used_at) == ((told, NOON + 5) if in_ else (known, None))


async def test_a_lost_use_spends_nothing(store: Store, ann: Account) -> None:
    passkey = await token(store, count=3)
    assert await store.sign_ins.enter(by_passkey(use(passkey, 3), revision=1)) is Lost.STEP_USED
    assert not (await store.sign_ins.passkeys(ann, b"?", NOON)).spent
    assert await store.sign_ins.enter(by_passkey(use(passkey, 4), revision=1)) == ann.id
    assert (await store.sign_ins.passkeys(ann, b"?", NOON)).spent
    assert await store.sign_ins.enter(by_passkey(use(passkey, 5), revision=1)) is Lost.STEP_USED


async def test_answered_challenges_are_forgotten_when_no_page_waits(
    store: Store, ann: Account, clock: StoppedClock, database: Path
) -> None:
    await token(store)
    for wait, left in ((CHALLENGE_KEPT_SECONDS - 1, 1), (2.0, 0)):
        clock.at += wait
        await store.purge()
        assert len(sql(database, "SELECT * FROM used_challenges")) == left


async def test_readiness_counts_a_passkey(store: Store, ann: Account) -> None:
    assert [account.name for account in await store.watched.without_factor()] == [ANN]
    await token(store)
    assert await store.watched.without_factor() == ()


async def test_nobody_has_none(store: Store) -> None:
    found = await store.sign_ins.passkeys(None, b"?", NOON)
    assert (list(found.passkeys), found.spent) == ([], False)
