"""Where a person is signed in, and the end of that."""

from dataclasses import replace

import pytest

from mailguard.auth.attempt import Factor, MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.standing import SignedIn, Standing
from mailguard.desk import app_passwords, sessions
from mailguard.desk.app_passwords import Wish
from mailguard.store import ChangeRefused
from mailguard.store.portal_sessions import Browser, PortalSession
from tests.auth.test_authenticator import ANN, HOME, PASSWORD
from tests.auth.test_signin import OPERATOR
from tests.desk.conftest import Office


async def opened(office: Office, signed: SignedIn, digest: bytes) -> PortalSession:
    return await office.store.portal_sessions.open(signed, Browser(digest, HOME, "Tests/1.0"))


async def test_each_browser_can_be_signed_out(office: Office) -> None:
    signed = await office.full()
    one, two, three = [await opened(office, signed, digest) for digest in (b"1", b"2", b"3")]
    await sessions.end(office.desk, signed, two.id)
    assert [each.id for each in await sessions.there(office.desk, signed)] == sorted([one.id, three.id])
    with pytest.raises(ChangeRefused, match="ended already"):
        await sessions.end(office.desk, signed, two.id)
    assert await sessions.end_others(office.desk, signed, but=one.id) == 1
    assert [each.id for each in await sessions.there(office.desk, signed)] == [one.id]


async def test_a_request_in_flight_changes_nothing_once_its_browser_was_signed_out(office: Office) -> None:
    """A thief's slow form: the session stood when the page began, and ended before the change."""
    signed = await office.full()
    mine, thief = await opened(office, signed, b"mine"), await opened(office, signed, b"thief's")
    found = await office.store.portal_sessions.find(b"thief's")
    assert found is not None
    await sessions.end(office.desk, mine.signed, thief.id)
    for in_flight in (thief.signed, found.signed):
        with pytest.raises(ChangeRefused, match="has ended"):
            await app_passwords.issue(office.desk, in_flight, Wish("thief's", frozenset({MailProtocol.IMAP})))
    await app_passwords.issue(office.desk, mine.signed, Wish("mine", frozenset({MailProtocol.IMAP})))


async def test_everything_else_ends_and_this_browser_goes_on(office: Office) -> None:
    signed = await office.full()
    mine, other = await opened(office, signed, b"mine"), await opened(office, signed, b"other")
    office.hands.at += 30
    assert await office.by_mail(PASSWORD + office.digits()) is Factor.CODE
    assert len(await office.store.grants.list(ANN)) == 1
    on = await sessions.end_all_else(office.desk, signed, mine, Browser(b"new", HOME, "Tests/1.0"))
    found = [await office.store.portal_sessions.find(digest) for digest in (b"mine", b"other", b"new")]
    assert [session and session.id for session in found] == [None, None, on.id]
    assert await office.store.grants.list(ANN) == ()
    assert on.ends_at == mine.ends_at, "no session is drawn out by it"
    with pytest.raises(ChangeRefused, match="has ended"):
        await sessions.end_all_else(office.desk, other.signed, other, Browser(b"again", HOME, ""))
    events = [recorded.row.event for recorded in await office.store.audit.list(ANN)]
    assert events[-2:] == [Event.SESSION_ENDED, Event.SESSION_END_ASKED]


async def test_a_bare_password_signs_nobody_out(office: Office) -> None:
    signed = await office.full()
    session = await opened(office, signed, b"1")
    thief = replace(signed, standing=Standing.ENROLS)
    for act in (
        lambda: sessions.end(office.desk, thief, session.id),
        lambda: sessions.end_others(office.desk, thief, but=""),
        lambda: sessions.end_all_else(office.desk, thief, session, Browser(b"2", HOME, "")),
    ):
        with pytest.raises(ChangeRefused):
            await act()
    assert await office.store.portal_sessions.find(b"1") is not None


async def test_whoever_was_reset_ends_nothing(office: Office) -> None:
    signed = await office.full()
    await office.store.devices.reset(ANN, actor=OPERATOR)
    with pytest.raises(ChangeRefused, match="has ended"):
        await sessions.end_others(office.desk, signed, but="")
