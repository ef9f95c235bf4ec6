import os
from dataclasses import replace

import pytest

from mailguard.auth.accounts import Account
from mailguard.auth.attempt import Client, Factor, MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.keyring import Keyring, Purpose
from mailguard.store import ChangeRefused, Store
from mailguard.store.revocations import Kind
from mailguard.store.sessions import SessionRow
from tests.store.words import ANN, BOB, ELSEWHERE, HOME, NOON, OPERATOR, admitted, app_password, by_code, digest, phone


def session(number: int = 1, account: str = ANN, **changes: object) -> SessionRow:
    row = SessionRow(
        id=f"mg-{number}",
        account=account,
        protocol=MailProtocol.IMAP,
        address="192.0.2.7",
        port=40001,
        pid=os.getpid(),
        factor=Factor.APP_PASSWORD,
        credential="",
        device="",
        grant="",
        client="",
        started_at=NOON + number,
        seen_at=NOON + number,
    )
    return replace(row, **changes)  # type: ignore[arg-type]  # passed on as it is


def over(row: SessionRow) -> tuple[str, AuditRow]:
    return row.id, AuditRow(Event.SESSION_ENDED, NOON, account=row.account, session=row.id, reason="client-closed")


async def test_sessions_are_listed_while_they_last(store: Store) -> None:
    one, two = session(1), session(2, BOB, protocol=MailProtocol.SUBMISSION, factor=Factor.GRANT, grant="g")
    await store.sessions.opened([one, two])
    assert await store.sessions.list() == (one, two)
    assert await store.sessions.list(BOB) == (two,)
    shared = session(3, "reception@example.org", person=BOB)
    await store.sessions.opened([shared])
    assert await store.sessions.list(BOB) == (two, shared)
    await store.sessions.ended([over(shared)])
    await store.sessions.ended([over(one)])
    assert await store.sessions.list() == (two,)
    last = (await store.audit.list())[-1].row
    assert (last.event, last.session, last.reason) == (Event.SESSION_ENDED, one.id, "client-closed")


async def test_an_empty_batch_writes_nothing(store: Store) -> None:
    await store.revocations.changed()
    await store.sessions.opened([])
    await store.sessions.ended([])
    assert not await store.revocations.changed()


async def test_the_client_that_named_itself_is_remembered_with_its_app_password(
    store: Store, keys: Keyring, ann: Account
) -> None:
    issued = await app_password(store, keys, ann)
    other = await app_password(store, keys, ann, "other")
    await store.sessions.opened([session(credential=issued.id)])
    await store.sessions.named("mg-1", Client("Thunderbird", "140"))
    assert [s.client for s in await store.sessions.list()] == ["Thunderbird 140"]
    clients = {row.id: row.last_client for row in await store.app_passwords.list(ANN)}
    assert clients == {issued.id: "Thunderbird 140", other.id: ""}
    offered = [digest(keys, Purpose.APP_PASSWORD, "k7mq-2xwd")]
    assert (await store.ledger.facts(ANN, offered, [], NOON)).app_password is not None


async def test_an_app_password_was_in_use_until_its_session_ended(store: Store, keys: Keyring, ann: Account) -> None:
    issued = await app_password(store, keys, ann)
    row = session(credential=issued.id)
    await store.sessions.opened([row, session(2, credential=issued.id)])
    await store.sessions.named("mg-1", Client("Thunderbird", "140"))

    async def ended(number: int, at: float, protocol: MailProtocol, client: str) -> tuple[object, ...]:
        end = AuditRow(
            Event.SESSION_ENDED,
            at,
            account=ANN,
            origin=ELSEWHERE,
            protocol=protocol,
            factor=Factor.APP_PASSWORD,
            credential=issued.id,
            client=client,
        )
        await store.sessions.ended([(f"mg-{number}", end)])
        (now,) = await store.app_passwords.list(ANN)
        return now.last_used_at, now.last_used_from, now.last_used_protocol, now.last_client

    long = NOON + 86_400
    assert await ended(1, long, MailProtocol.SUBMISSION, "") == (long, "198.51.100.9", "submission", "Thunderbird 140")
    assert await ended(2, long - 1, MailProtocol.IMAP, "old") == (
        long,
        "198.51.100.9",
        "submission",
        "Thunderbird 140",
    )
    assert (await ended(2, long, MailProtocol.IMAP, ""))[2:] == ("imap", ""), "somebody who gave no name"
    offered = [digest(keys, Purpose.APP_PASSWORD, "k7mq-2xwd")]
    facts = await store.ledger.facts(ANN, offered, [], NOON)
    assert facts.app_password is not None
    assert facts.app_password.revoked_at is None


async def test_sessions_of_dead_workers_are_swept_and_recorded(store: Store) -> None:
    mine, orphan = session(1), session(2, pid=1, client="iOS Mail")
    await store.sessions.opened([mine, orphan])
    assert await store.sessions.sweep([1]) == 1
    assert await store.sessions.list() == (mine,)
    last = (await store.audit.list())[-1].row
    assert (last.event, last.session, last.reason, last.client) == (
        Event.SESSION_ENDED,
        orphan.id,
        "worker-died",
        "iOS Mail",
    )
    assert last.origin == HOME


async def test_ending_one_session_ends_its_grant(store: Store, keys: Keyring, ann: Account) -> None:
    device = await phone(store)
    entry = by_code(keys, device, 101)
    admission = admitted(await store.ledger.admit(entry))
    (opened,) = await store.sessions.list()
    await store.sessions.end(opened.id, actor=OPERATOR)
    revoked = [(r.kind, r.target) for r in await store.revocations.after(1)]
    assert revoked == [(Kind.GRANT, admission.credential), (Kind.SESSION, opened.id)]
    assert entry.winning is not None
    assert (await store.ledger.facts(ANN, [], [entry.winning.string], NOON)).grant is None
    last = (await store.audit.list())[-1].row
    assert (last.event, last.account, last.actor, last.session) == (Event.SESSION_END_ASKED, ANN, OPERATOR, opened.id)
    assert len(await store.sessions.list()) == 1, "its worker takes it off the list, when it is over"


async def test_ending_a_session_that_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(ChangeRefused, match="mailguard session list"):
        await store.sessions.end("mg-1", actor=OPERATOR)
    assert await store.revocations.after(0) == []


async def test_ending_all_of_an_account_leaves_others(store: Store, keys: Keyring, ann: Account) -> None:
    await store.sessions.end_account(ANN, actor=OPERATOR)
    assert [(r.kind, r.target) for r in await store.revocations.after(0)] == [(Kind.ACCOUNT, ann.id)]
    await store.sessions.end_all(actor=OPERATOR)
    assert [(r.kind, r.target) for r in await store.revocations.after(1)] == [(Kind.ALL, "")]
    events = [r.row.event for r in await store.audit.list()]
    assert events[-2:] == [Event.SESSION_END_ASKED] * 2
