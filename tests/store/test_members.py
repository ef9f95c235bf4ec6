"""A shared mailbox and its people: who may hold what, and what ends it."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mailguard.auth.accounts import Account, AccountKind, AccountName
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.ports import Facts, Lost
from mailguard.auth.roles import Role
from mailguard.keyring import Keyring, Purpose
from mailguard.store import ChangeRefused, Store
from tests.store.words import ANN, BOB, NOON, OPERATOR, SEED, admitted, app_password, by_app_password, digest, sql

DESK = AccountName("reception@example.org")
SCANNER = AccountName("scanner@example.org")


@pytest.fixture
async def bob(store: Store) -> Account:
    return await store.accounts.add(BOB, actor=OPERATOR)


@pytest.fixture
async def desk(store: Store, ann: Account, bob: Account) -> Account:
    shared = await store.accounts.add(DESK, actor=OPERATOR, kind=AccountKind.SHARED)
    for person in (ann, bob):
        await store.members.add(DESK, person.name, actor=OPERATOR)
    return shared


async def offer(store: Store, keys: Keyring, text: str) -> Facts:
    return await store.ledger.facts(DESK, [digest(keys, Purpose.APP_PASSWORD, text)], [], NOON)


async def test_a_shared_mailbox_has_the_people_who_were_named(store: Store, desk: Account) -> None:
    assert (await store.accounts.get(DESK)) == desk
    assert desk.kind is AccountKind.SHARED
    await store.members.add(DESK, ANN, actor=OPERATOR)
    assert await store.members.all() == {DESK: (ANN, BOB)}
    await store.members.remove(DESK, ANN, actor=OPERATOR)
    assert await store.members.all() == {DESK: (BOB,)}
    told = [(r.row.event, r.row.account, r.row.person) for r in await store.audit.list(DESK)]
    assert told[1:] == [
        (Event.MEMBER_ADDED, DESK, ANN),
        (Event.MEMBER_ADDED, DESK, BOB),
        (Event.MEMBER_REMOVED, DESK, ANN),
    ]
    with pytest.raises(ChangeRefused, match="none of"):
        await store.members.remove(DESK, ANN, actor=OPERATOR)


async def test_only_people_stand_behind_shared_mailboxes_alone(store: Store, desk: Account) -> None:
    await store.accounts.add(SCANNER, actor=OPERATOR, kind=AccountKind.SERVICE)
    for mailbox, person in ((ANN, BOB), (SCANNER, ANN), (DESK, SCANNER), (DESK, DESK)):
        with pytest.raises(ChangeRefused, match=r"named people|name a person"):
            await store.members.add(mailbox, person, actor=OPERATOR)


@pytest.mark.parametrize("kind", [AccountKind.SHARED, AccountKind.SERVICE])
async def test_what_nobody_signs_in_to_has_no_authenticator_and_no_administrator(
    store: Store, kind: AccountKind
) -> None:
    await store.accounts.add(DESK, actor=OPERATOR, kind=kind)
    with pytest.raises(ChangeRefused, match="app passwords alone"):
        await store.devices.enrol(DESK, "phone", SEED, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="only a person"):
        await store.accounts.change(DESK, actor=OPERATOR, role=Role.OWNER)
    with pytest.raises(ChangeRefused, match="only a person"):
        await store.accounts.add(SCANNER, actor=OPERATOR, kind=kind, role=Role.OWNER)
    assert await store.accounts.get(SCANNER) is None


async def test_an_app_password_of_a_shared_mailbox_is_somebodys(
    store: Store, keys: Keyring, desk: Account, ann: Account, bob: Account
) -> None:
    await store.members.remove(DESK, BOB, actor=OPERATOR)
    for nobody in ("", bob.id, desk.id, "not an id"):
        with pytest.raises(ChangeRefused, match="--person"):
            await app_password(store, keys, desk, person_id=nobody)
    issued = await app_password(store, keys, desk, person_id=ann.id)
    assert (await offer(store, keys, "k7mq-2xwd")).holder == ann
    last = (await store.audit.list())[-1].row
    assert (last.event, last.account, last.person) == (Event.APP_PASSWORD_ISSUED, DESK, ANN)
    entry = replace(by_app_password(issued, name=DESK, person=ann), first_use=True)
    admission = admitted(await store.ledger.admit(entry))
    assert (admission.name, admission.person, admission.person_name) == (DESK, ann.id, ANN)
    recorded = [(r.row.event, r.row.person) for r in await store.audit.list(DESK)]
    assert recorded[-2:] == [(Event.APP_PASSWORD_FIRST_USED, ANN), (Event.LOGIN_GRANTED, ANN)]
    with pytest.raises(ChangeRefused, match="--person is for shared"):
        await app_password(store, keys, ann, "other", person_id=ann.id)


@pytest.mark.parametrize("how", ["suspended", "removed", "no longer named"])
async def test_what_a_person_held_ends_with_them_and_leaves_the_others(
    store: Store, keys: Keyring, desk: Account, ann: Account, how: str
) -> None:
    bob = await store.accounts.get(BOB)
    assert bob is not None
    hers = await app_password(store, keys, desk, "hers", person_id=ann.id)
    his = await app_password(store, keys, desk, "his", person_id=bob.id)
    await app_password(store, keys, ann, "her own")
    revision = (await offer(store, keys, "hers")).revision
    match how:
        case "suspended":
            await store.accounts.suspend(ANN, actor=OPERATOR)
        case "removed":
            await store.accounts.remove(ANN, actor=OPERATOR)
        case _:
            assert await store.members.remove(DESK, ANN, actor=OPERATOR) == 1
    facts = await offer(store, keys, "hers")
    assert facts.app_password is not None
    if how == "suspended":
        assert facts.holder is not None
        assert facts.holder.suspended
    else:
        assert facts.app_password.revoked_at == NOON
        revoked = [r.row for r in await store.audit.list() if r.row.event is Event.APP_PASSWORD_REVOKED]
        assert [(row.account, row.person, row.credential) for row in revoked] == [(DESK, ANN, hers.id)]
    ended = await store.revocations.after(revision)
    stands_on = {"session": "mg-1", "account": desk.id, "device": ""}
    assert any(r.ends(**stands_on, credential=hers.id, person=ann.id) for r in ended)
    assert not any(r.ends(**stands_on, credential=his.id, person=bob.id) for r in ended)
    his_facts = await offer(store, keys, "his")
    assert his_facts.app_password == his
    assert his_facts.holder == bob


async def test_a_person_suspended_after_the_facts_were_read_loses(
    store: Store, keys: Keyring, desk: Account, ann: Account
) -> None:
    issued = await app_password(store, keys, desk, person_id=ann.id)
    facts = await offer(store, keys, "k7mq-2xwd")
    await store.accounts.suspend(ANN, actor=OPERATOR)
    entry = by_app_password(issued, revision=facts.revision, name=DESK, person=ann)
    assert await store.ledger.admit(entry) is Lost.REVOKED


async def test_a_person_whose_row_was_altered_opens_nothing(
    store: Store, keys: Keyring, desk: Account, ann: Account, database: Path
) -> None:
    issued = await app_password(store, keys, desk, person_id=ann.id)
    await store.accounts.suspend(ANN, actor=OPERATOR)
    sql(database, "UPDATE accounts SET suspended_by = '' WHERE name = ?", ANN)
    facts = await offer(store, keys, "k7mq-2xwd")
    assert facts.holder is not None
    assert facts.holder.suspended
    last = (await store.audit.list())[-1].row
    assert (last.event, last.credential) == (Event.ROW_ALTERED, ann.id)
    assert issued.person_id == ann.id


@pytest.mark.parametrize(
    "scope",
    [
        {"networks": ()},
        {"protocols": frozenset(MailProtocol)},
    ],
)
async def test_a_service_has_one_protocol_and_a_network(store: Store, keys: Keyring, scope: dict[str, Any]) -> None:
    scanner = await store.accounts.add(SCANNER, actor=OPERATOR, kind=AccountKind.SERVICE)
    fit: dict[str, Any] = {
        "networks": (ip_network("192.0.2.40/32"),),
        "protocols": frozenset({MailProtocol.SUBMISSION}),
    }
    with pytest.raises(ChangeRefused, match="one --protocol and a --network"):
        await app_password(store, keys, scanner, **{**fit, **scope})
    await app_password(store, keys, scanner, **fit)
