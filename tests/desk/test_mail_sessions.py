"""A person's own live sessions and grants, seen and ended."""

import pytest

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Factor, MailProtocol
from mailguard.auth.events import Event
from mailguard.desk import mail_sessions
from mailguard.store import ChangeRefused
from mailguard.store.revocations import Kind
from mailguard.store.sessions import SessionRow
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.auth.test_signin import OPERATOR
from tests.desk.conftest import Office

BOB = AccountName("bob@example.org")


def session(office: Office, row_id: str, account: AccountName = ANN, person: str = "") -> SessionRow:
    now = office.hands.at
    return SessionRow(
        id=row_id,
        account=account,
        protocol=MailProtocol.IMAP,
        address="192.0.2.7",
        port=40001,
        pid=1,
        factor=Factor.CODE,
        credential="",
        device="",
        grant="",
        client="",
        started_at=now,
        seen_at=now,
        person=person,
    )


async def test_one_s_own_are_seen_and_ended(office: Office) -> None:
    signed = await office.full()
    shared = session(office, "mg-2", AccountName("reception@example.org"), person=ANN)
    await office.store.sessions.opened([session(office, "mg-1"), shared, session(office, "mg-3", BOB)])
    assert [row.id for row in await mail_sessions.listed(office.desk, signed)] == ["mg-1", "mg-2"]
    before = await office.store.revocations.newest()
    for mine in ("mg-1", "mg-2"):
        await mail_sessions.end(office.desk, signed, mine)
    ended = await office.store.revocations.after(before)
    assert [(each.kind, each.target) for each in ended] == [(Kind.SESSION, "mg-1"), (Kind.SESSION, "mg-2")]
    assert (await office.events()).count(Event.SESSION_END_ASKED) == 2


@pytest.mark.parametrize("other", ["mg-3", "mg-9"])
async def test_anothers_are_not_ended_and_read_like_none(office: Office, other: str) -> None:
    signed = await office.full()
    await office.store.sessions.opened([session(office, "mg-3", BOB)])
    with pytest.raises(ChangeRefused, match="ended already"):
        await mail_sessions.end(office.desk, signed, other)
    assert Event.SESSION_END_ASKED not in await office.events()


async def test_a_grant_is_seen_and_ended(office: Office) -> None:
    signed = await office.full()
    office.hands.at += 30
    string = PASSWORD + office.digits()
    assert await office.by_mail(string) is Factor.CODE
    (grant,) = await mail_sessions.grants(office.desk, signed)
    assert await office.by_mail(string) is Factor.GRANT
    await mail_sessions.end_grant(office.desk, signed, grant.grant.id)
    assert await mail_sessions.grants(office.desk, signed) == ()
    assert await office.by_mail(string) is not Factor.GRANT
    with pytest.raises(ChangeRefused, match="ended already"):
        await mail_sessions.end_grant(office.desk, signed, grant.grant.id)


async def test_a_sign_in_that_was_ended_ends_nothing(office: Office) -> None:
    signed = await office.full()
    await office.store.sessions.opened([session(office, "mg-1")])
    await office.store.devices.reset(ANN, actor=OPERATOR)
    for act in (mail_sessions.end(office.desk, signed, "mg-1"), mail_sessions.end_grant(office.desk, signed, "g")):
        with pytest.raises(ChangeRefused, match="has ended"):
            await act
