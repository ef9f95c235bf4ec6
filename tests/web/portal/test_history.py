"""The history: true reasons and remedies, page by page; and "this was not me"."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailguard.auth.attempt import Client, Factor, MailProtocol, Origin, Reason, Watched
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.auth.standing import Site
from mailguard.desk import app_passwords
from mailguard.explain.troubles import Kind
from mailguard.net.relay import End
from mailguard.web import paths, texts
from mailguard.web.texts import LANGUAGES
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.desk.test_app_passwords import WISH
from tests.web.conftest import Portal, sign_in

AWAY = Origin.of("198.51.100.9", 4)
MARKUP = "<script>alert(1)</script>"
_KEYS = (
    *(f"events.{event}" for event in Event),
    *(f"events.{site}" for site in (*MailProtocol, *Site)),
    *(f"events.by_{factor}" for factor in Factor),
    *(f"reasons.{reason}" for reason in (*Reason, *Watched, *(end.value for end in End))),
    *(f"troubles.{kind}" for kind in Kind),
    *(f"troubles.{kind}-do" for kind in Kind),
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_for_everything_that_the_record_can_say(language: str) -> None:
    assert {key for key in _KEYS if key not in texts.read(language)} == set()


async def write(portal: Portal, *rows: AuditRow) -> None:
    for row in rows:
        await portal.store.audit.refused(row)


async def test_the_true_reason_and_the_remedy(portal: Portal) -> None:
    await portal.enrol()
    await sign_in(portal.browser(address="198.51.100.9"), "000000")
    await portal.by_mail("wrong")
    browser = await portal.signed_in(portal.digits())
    page = await browser.get(paths.HISTORY)
    for words in ("The password was right, the code was not.", "198.51.100.9", "somebody knows your password"):
        assert words in page.text
    assert "A password without a code" in page.text or "A wrong password" in page.text
    assert "Signed in here" in page.text
    browser.language = "de"
    page = await browser.get(paths.HISTORY)
    assert "Das Passwort stimmte, der Code nicht." in page.text
    assert "The password" not in page.text


async def test_refusals_alone_and_page_by_page(portal: Portal) -> None:
    browser = await portal.with_factor()
    row = AuditRow(Event.LOGIN_GRANTED, portal.hands.at - 9999, account=ANN, protocol=MailProtocol.IMAP, origin=AWAY)
    no = replace(row, event=Event.LOGIN_REFUSED, reason=Reason.WRONG_PASSWORD)
    await write(portal, *(replace(no if number % 3 else row, at=row.at + number) for number in range(120)))
    first = await browser.get(paths.HISTORY)
    assert first.text.count("<tr>") == 51
    older = first.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = await browser.get(older)
    assert second.text.count("<tr>") == 51
    assert "What failed in the last" not in second.text
    refused = await browser.get(f"{paths.HISTORY}?only=refused")
    assert refused.text.count("<tr>") == 51
    assert "A mail program was let in" not in refused.text
    assert (await browser.get(f"{paths.HISTORY}?at=nonsense")).status in (400, 422)


async def test_nothing_of_anybody_else(portal: Portal) -> None:
    browser = await portal.with_factor()
    await write(portal, AuditRow(Event.LOGIN_REFUSED, portal.hands.at, account="bob@example.org", origin=AWAY))
    assert str(AWAY.address) not in (await browser.get(paths.HISTORY)).text


async def test_what_a_program_or_a_person_calls_things_is_text(portal: Portal) -> None:
    browser = await portal.with_factor()
    row = AuditRow(Event.LOGIN_REFUSED, portal.hands.at, account=ANN, reason=Reason.WRONG_PASSWORD, origin=AWAY)
    await write(
        portal,
        replace(row, client=str(Client(MARKUP))),
        replace(row, event=Event.TOTP_RENAMED, detail=MARKUP),
        replace(row, event=Event.SESSION_ENDED, reason=MARKUP, actor=f"operator:{MARKUP}"),
    )
    page = await browser.get(paths.HISTORY)
    assert page.status == 200
    assert MARKUP not in page.text
    assert "&lt;script&gt;" in page.text


async def test_whoever_has_no_factor_reads_and_ends_nothing(portal: Portal) -> None:
    await portal.account()
    browser = await portal.signed_in()
    page = await browser.get(paths.HISTORY)
    assert page.status == 200
    assert paths.NOT_ME not in page.text
    form = page.form("/sign-out")
    assert (await browser.post(paths.NOT_ME, form)).location == paths.SET_UP


async def test_this_was_not_me(portal: Portal) -> None:
    browser = await portal.with_factor()
    portal.hands.at += 30
    other = await portal.signed_in(portal.digits())
    portal.hands.at += 30
    assert await portal.by_mail(PASSWORD + portal.digits()) is Factor.CODE
    (mine, *_) = await portal.store.portal_sessions.list(ANN)
    made = await app_passwords.issue(portal.desk, mine.signed, replace(WISH, label=MARKUP))
    page = await browser.get(paths.HISTORY)
    page = await browser.follow(await browser.post(paths.NOT_ME, page.form(paths.NOT_ME)))
    assert "Change your mail password" in page.text
    assert "cut off" in page.text
    assert MARKUP not in page.text
    assert (await other.get(paths.HOME)).status == 303
    assert await portal.store.grants.list(ANN) == ()
    revoke = f"{paths.DEVICES}/{made.row.id}/revoke"
    await browser.post(revoke, page.form(revoke))
    (row,) = await portal.store.app_passwords.list(ANN)
    assert row.revoked_at is not None
    events = [recorded.row.event for recorded in await portal.store.audit.list(ANN)]
    assert Event.SESSION_END_ASKED in events


async def test_not_me_takes_the_forms_token(portal: Portal) -> None:
    browser = await portal.with_factor()
    assert (await browser.post(paths.NOT_ME, {})).status == 403
    assert (await browser.get(paths.HOME)).status == 200
