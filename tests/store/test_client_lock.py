"""The client lock: bound by the first name, tripped by any other, never under an altered row."""

from pathlib import Path

import pytest

from mailguard.auth.accounts import Account, AppPassword
from mailguard.auth.attempt import Client, MailProtocol
from mailguard.auth.events import Event
from mailguard.keyring import Keyring, Purpose
from mailguard.store import ChangeRefused, Store
from tests.store.test_sessions import session
from tests.store.words import ANN, HOME, NOON, app_password, digest, sql

THUNDERBIRD = Client("Thunderbird", "140.1")


@pytest.fixture
async def locked(store: Store, keys: Keyring, ann: Account) -> AppPassword:
    made = await app_password(store, keys, ann, client_lock=True)
    await store.sessions.opened([session(number, credential=made.id) for number in (1, 2, 3)])
    return made


async def told(store: Store) -> list[tuple[Event, str, str]]:
    rows = [r.row for r in await store.audit.list(ANN) if r.row.session]
    assert all(row.origin == HOME and row.credential and row.protocol is MailProtocol.IMAP for row in rows)
    return [(row.event, row.session, row.client) for row in rows]


async def test_the_first_name_binds_and_any_other_trips(store: Store, keys: Keyring, locked: AppPassword) -> None:
    assert await store.sessions.named("mg-1", THUNDERBIRD)
    assert await store.sessions.named("mg-2", Client("Thunderbird", "141.0")), "an update is the same client"
    assert not await store.sessions.named("mg-3", Client("thunderbird", "140.1"))
    assert await told(store) == [
        (Event.CLIENT_BOUND, "mg-1", "Thunderbird 140.1"),
        (Event.CLIENT_REFUSED, "mg-3", "thunderbird 140.1"),
    ]
    offered = [digest(keys, Purpose.APP_PASSWORD, "k7mq-2xwd")]
    found = (await store.ledger.facts(ANN, offered, [], NOON)).app_password
    assert found is not None
    assert (found.client_bound, found.revoked_at) == ("Thunderbird", None), "its MAC was made anew"


async def test_no_name_is_reported_and_binds_nothing(store: Store, locked: AppPassword) -> None:
    assert await store.sessions.named("mg-1", Client())
    assert await store.sessions.named("mg-2", Client(version="140.1"))
    assert await told(store) == [(Event.CLIENT_UNNAMED, "mg-1", ""), (Event.CLIENT_UNNAMED, "mg-2", "140.1")]
    assert [row.client_bound for row in await store.app_passwords.list(ANN)] == [""]


async def test_an_altered_row_is_not_made_whole_by_binding_it(
    store: Store, keys: Keyring, locked: AppPassword, database: Path
) -> None:
    sql(database, "UPDATE app_passwords SET protocols = 'imap submission'")
    assert not await store.sessions.named("mg-1", THUNDERBIRD)
    assert sql(database, "SELECT client_bound FROM app_passwords") == [("",)]


async def test_without_a_lock_any_name_will_do(store: Store, keys: Keyring, ann: Account) -> None:
    made = await app_password(store, keys, ann)
    await store.sessions.opened([session(credential=made.id)])
    assert await store.sessions.named("mg-1", THUNDERBIRD)
    assert await store.sessions.named("mg-1", Client("other"))
    assert await told(store) == []


async def test_only_a_protocol_with_names_takes_a_lock(store: Store, keys: Keyring, ann: Account) -> None:
    with pytest.raises(ChangeRefused, match="--protocol imap"):
        await app_password(store, keys, ann, client_lock=True, protocols=frozenset(MailProtocol))
