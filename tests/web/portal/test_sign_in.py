"""Signing in by the pages, on real records."""

from __future__ import annotations

import re

import pytest

from mailguard.auth.accounts import CodeKind
from mailguard.auth.attempt import Reason
from mailguard.auth.events import Event
from mailguard.auth.policy import Policy
from mailguard.config.choices import TwoFactor
from mailguard.store.portal_sessions import IDLE_SECONDS, LIFE_SECONDS
from mailguard.web import cookies
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.auth.test_signin import OPERATOR
from tests.web.conftest import Portal, sign_in

SESSION, HALF = cookies.SESSION, cookies.HALF


async def test_with_password_and_code_one_is_in(portal: Portal) -> None:
    await portal.enrol()
    browser = portal.browser()
    page = await sign_in(browser, portal.digits())
    assert page.status == 200
    assert "You are signed in as ann@example.org" in page.text
    assert HALF not in browser.cookies
    assert (await portal.events())[-1] is Event.SIGN_IN_GRANTED


async def test_the_first_page_asks_nobody_and_says_the_same_of_everybody(portal: Portal) -> None:
    await portal.enrol()
    seen = set()
    for name, password in ((ANN, PASSWORD), (ANN, "wrong"), ("nobody@example.org", PASSWORD), ("\x00", "x")):
        browser = portal.browser()
        page = await browser.fill("/sign-in", address=name, password=password)
        assert (page.status, len(browser.cookies[HALF])) == (200, len(browser.cookies[HALF]))
        token = page.form("/sign-in/second")["token"]
        seen.add(re.sub(r"challenge&#34;: &#34;[\w-]+", "", page.text).replace(token, "").replace(name, ""))
    assert len(seen) == 1
    assert portal.directory.asked == []
    assert await portal.events() == [
        Event.STORE_CREATED,
        Event.ACCOUNT_ADDED,
        Event.TOTP_ENROLLED,
        Event.TOTP_CONFIRMED,
    ]


async def test_what_the_first_page_leaves_in_the_browser_is_sealed_and_of_one_length(portal: Portal) -> None:
    lengths = set()
    for password in ("pass", "correct horse battery staple"):
        browser = portal.browser()
        await browser.fill("/sign-in", address=ANN, password=password)
        assert password not in browser.cookies[HALF]
        lengths.add(len(browser.cookies[HALF]))
    assert len(lengths) == 1


@pytest.mark.parametrize("second", ["", "000000", "abcde-abcde-abcde", "anything"])
async def test_every_refusal_reads_the_same(portal: Portal, second: str) -> None:
    await portal.enrol()
    wrong_password, unknown, wrong_code = [
        await sign_in(portal.browser(address=f"192.0.2.{number}"), second, name=name, password=password)
        for number, (name, password) in enumerate(((ANN, "wrong"), ("bob@example.org", PASSWORD), (ANN, PASSWORD)))
    ]
    assert wrong_password.status == 403
    assert "Sign-in failed" in wrong_password.text
    assert wrong_password.body == unknown.body == wrong_code.body
    assert all(HALF in page.set_cookies[0] and len(page.set_cookies) == 1 for page in (unknown, wrong_code))


async def test_a_code_opens_one_session(portal: Portal) -> None:
    await portal.enrol()
    code = portal.digits()
    assert (await sign_in(portal.browser(), code)).status == 200
    assert (await sign_in(portal.browser(), code)).status == 403


async def test_half_a_sign_in_is_no_session_and_ends_after_five_minutes(portal: Portal) -> None:
    await portal.enrol()
    browser = portal.browser()
    page = await browser.fill("/sign-in", address=ANN, password=PASSWORD)
    assert (await browser.get("/")).location.startswith("/sign-in")
    portal.hands.at += 301
    late = await browser.post("/sign-in/second", {**page.form("/sign-in/second"), "second": portal.digits()})
    assert late.location == "/sign-in"
    assert SESSION not in browser.cookies


async def test_another_browsers_half_or_token_opens_nothing(portal: Portal) -> None:
    await portal.enrol()
    one, other = portal.browser(), portal.browser()
    page = await one.fill("/sign-in", address=ANN, password=PASSWORD)
    await other.fill("/sign-in", address=ANN, password=PASSWORD)
    values = {**page.form("/sign-in/second"), "second": portal.digits()}
    assert (await other.post("/sign-in/second", values)).location == "/sign-in"
    one.cookies[HALF] = one.cookies[HALF][:-8] + "AAAAAAA="
    assert (await one.post("/sign-in/second", values)).location == "/sign-in"
    assert (await portal.events())[-1] is Event.TOTP_CONFIRMED, "nothing was decided"


async def test_a_sign_in_brings_a_new_token_and_ends_the_session_before(portal: Portal) -> None:
    browser = await portal.with_factor()
    before = browser.cookies[SESSION]
    portal.hands.at += 60
    await browser.fill("/sign-in/again", "/sign-in", password=PASSWORD)
    await browser.fill("/sign-in/second", second=portal.digits())
    assert browser.cookies[SESSION] != before
    assert (await browser.get("/")).status == 200
    browser.cookies[SESSION] = before
    assert (await browser.get("/")).status == 303
    assert len(await portal.store.portal_sessions.list(ANN)) == 1


async def test_a_token_that_somebody_planted_becomes_no_session(portal: Portal) -> None:
    await portal.enrol()
    browser = portal.browser()
    browser.cookies[SESSION] = "planted"
    await sign_in(browser, portal.digits())
    assert browser.cookies[SESSION] != "planted"


async def test_signing_out_ends_the_session_at_the_server(portal: Portal) -> None:
    browser = await portal.with_factor()
    token = browser.cookies[SESSION]
    page = await browser.fill("/", "/sign-out")
    assert "You are signed out" in page.text
    browser.cookies[SESSION] = token
    assert (await browser.get("/")).status == 303
    assert (await portal.events())[-1] is Event.SESSION_ENDED


async def test_a_session_ends_when_it_is_idle_and_at_its_end(portal: Portal) -> None:
    browser = await portal.with_factor()
    for _ in range(int(LIFE_SECONDS / IDLE_SECONDS)):
        assert (await browser.get("/")).status == 200
        portal.hands.at += IDLE_SECONDS - 1
    portal.hands.at += 100
    assert (await browser.get("/")).status == 303
    other = await portal.signed_in(portal.digits())
    portal.hands.at += IDLE_SECONDS + 61
    assert (await other.get("/")).status == 303


@pytest.mark.parametrize("what", ["suspend", "reset", "remove", "device", "session"])
async def test_what_a_session_stands_on_ends_it_at_once(portal: Portal, what: str) -> None:
    browser = await portal.with_factor()
    assert (await browser.get("/")).status == 200
    (session,) = await portal.store.portal_sessions.list(ANN)
    match what:
        case "suspend":
            await portal.store.accounts.suspend(ANN, actor=OPERATOR)
        case "reset":
            await portal.store.devices.reset(ANN, actor=OPERATOR)
        case "remove":
            await portal.store.accounts.remove(ANN, actor=OPERATOR)
        case "device":
            await portal.store.devices.remove(ANN, session.signed.device, actor=OPERATOR)
        case "session":
            await portal.store.portal_sessions.end(ANN, session.id, actor=OPERATOR)
    assert (await browser.get("/")).status == 303


async def test_without_a_factor_there_is_the_set_up_and_nothing_else(portal: Portal) -> None:
    await portal.account()
    browser = await portal.signed_in()
    assert (await browser.get("/security")).location == "/set-up"


async def test_where_a_code_is_needed_the_password_alone_opens_no_session(portal: Portal) -> None:
    portal.policy = Policy(two_factor=TwoFactor.ENFORCE)
    await portal.account()
    browser = portal.browser()
    page = await sign_in(browser)
    assert "enrolment code from your administrator" in page.text
    assert SESSION not in browser.cookies
    wrong = await sign_in(portal.browser(), password="wrong")
    nobody = await sign_in(portal.browser(), name="nobody@example.org")
    assert {(each.status, each.body) for each in (wrong, nobody)} == {(page.status, page.body)}
    assert (await portal.signed_in(await portal.code(CodeKind.ENROLMENT))).cookies[SESSION]


@pytest.mark.parametrize(
    ("address", "password", "wished", "leads"),
    [
        (ANN, "p" * 1500, "/", "/sign-in/second"),
        (ANN, "p" * 1500, "/" + "n" * 1023, "/sign-in"),
        ("ä" * 500, "p", "/", "/sign-in"),
        ("a", "p" * 20_000, "/", "/sign-in"),
    ],
)
async def test_no_cookie_is_longer_than_browsers_keep(
    portal: Portal, address: str, password: str, wished: str, leads: str
) -> None:
    """They drop it without a word, and the one of the sign-in before would be asked for its code."""
    page = await portal.browser().post("/sign-in", {"address": address, "password": password, "next": wished})
    assert page.location == leads
    assert all(len(said.partition(";")[0]) < 4096 for said in page.set_cookies)


async def test_a_spent_recovery_code_is_replaced_on_the_spot(portal: Portal) -> None:
    await portal.enrol()
    page = await sign_in(portal.browser(), await portal.recovery())
    assert "Your new recovery code" in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_a_throttled_name_reads_that_it_is_whoever_it_is(portal: Portal) -> None:
    await portal.enrol()
    pages = []
    for name in (ANN, "bob@example.org"):
        for number in range(30):
            page = await sign_in(portal.browser(), "000000", name=name, password=f"wrong {number}")
        pages.append(page)
    assert "Too many attempts" in pages[0].text
    assert pages[0].body == pages[1].body


async def test_a_store_that_is_down_burns_nothing(portal: Portal) -> None:
    await portal.enrol()
    portal.directory.down = True
    page = await sign_in(portal.browser(), portal.digits())
    assert (page.status, "Nothing is lost" in page.text) == (503, True)
    portal.directory.down = False
    assert (await sign_in(portal.browser(), portal.digits())).status == 200


async def test_it_leads_where_one_wanted_to_go_and_never_away(portal: Portal) -> None:
    await portal.enrol()
    browser = portal.browser()
    assert (await browser.get("/history")).status in (303, 404)
    for wished, leads in (
        ("/devices?x=1", "/devices?x=1"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
    ):
        browser = portal.browser()
        page = await browser.get(f"/sign-in?next={wished}")
        assert page.form("/sign-in")["next"] == leads
        values = {"address": ANN, "password": PASSWORD, "next": wished}
        await browser.follow(await browser.post("/sign-in", values))
        portal.hands.at += 30
        second = await browser.get("/sign-in/second")
        done = await browser.post("/sign-in/second", {**second.form("/sign-in/second"), "second": portal.digits()})
        assert done.location == leads


async def test_the_record_says_from_where_and_why(portal: Portal) -> None:
    await portal.enrol()
    await sign_in(portal.browser(address="198.51.100.7"), "000000")
    row = (await portal.store.audit.list())[-1].row
    assert (row.event, row.reason) == (Event.SIGN_IN_REFUSED, Reason.CODE_WRONG)
    assert row.origin is not None
    assert str(row.origin.address) == "198.51.100.7"
