"""The set-up, from the first sign-in by password to the first device."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from mailguard.auth.accounts import CodeKind
from mailguard.auth.attempt import Factor
from mailguard.auth.policy import Policy
from mailguard.auth.standing import FRESH_SECONDS, Standing
from mailguard.config.choices import TwoFactor
from mailguard.store.portal_sessions import HALF_WAY_SECONDS
from mailguard.web import cookies, paths
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.web.browser import Browser, Page
from tests.web.conftest import Portal, sign_in

SESSION = cookies.SESSION


def seed_of(page: Page) -> str:
    """The seed that a page shows, from the link to tap."""
    found = re.search(r'href="(otpauth://[^"]+)"', page.text)
    assert found, page.text
    link = found[1].replace("&amp;", "&")
    return parse_qs(urlsplit(link).query)["secret"][0]


async def scan(browser: Browser, name: str = "My phone") -> Page:
    return await browser.fill(paths.SET_UP, paths.SET_UP_SCAN, name=name)


async def enrol(portal: Portal, browser: Browser, name: str = "My phone") -> Page:
    """Through the first two steps, with a phone that scans and shows a code; the page after that."""
    page = await scan(browser, name)
    code = pyotp.TOTP(seed_of(page)).at(int(portal.hands.at))
    sent = {**page.form(paths.SET_UP_CONFIRM), "code": code}
    return await browser.follow(await browser.post(paths.SET_UP_CONFIRM, sent))


def codes_of(page: Page) -> list[str]:
    return re.findall(r"<code>([a-z2-9]{5}-[a-z2-9]{5}-[a-z2-9]{5})</code>", page.text)


async def test_from_the_password_to_the_first_device(portal: Portal) -> None:
    await portal.account()
    browser = portal.browser()
    page = await sign_in(browser)
    assert "Set up the second step" in page.text
    assert 'aria-current="step">Name your phone' in page.text
    before = browser.cookies[SESSION]
    page = await enrol(portal, browser)
    assert 'aria-current="step">Recovery codes' in page.text
    assert browser.cookies[SESSION] != before, "what may do more has a new token"
    shown = await browser.post(paths.RECOVERY_CODES, page.form(paths.RECOVERY_CODES))
    assert len(codes_of(shown)) == 10
    assert shown.headers["cache-control"] == "no-store"
    kept = {**shown.form(paths.RECOVERY_KEPT), "kept": "yes"}
    page = await browser.follow(await browser.post(paths.RECOVERY_KEPT, kept))
    assert "72 hours" in page.text
    sent = {**page.form(paths.SET_UP_ADDRESS), "address": "ann@home.example"}
    page = await browser.follow(await browser.post(paths.SET_UP_ADDRESS, sent))
    assert "Connect your first device" in page.text
    assert f'href="{paths.ADD_DEVICE}"' in page.text
    assert [each.address for each in await portal.store.addresses.list(ANN)] == ["ann@home.example"]
    (code, *_) = codes_of(shown)
    assert (await sign_in(portal.browser(), code)).status == 200


async def test_a_page_loaded_again_makes_no_second_authenticator_and_shows_the_same(portal: Portal) -> None:
    await portal.account()
    browser = await portal.signed_in()
    first = await scan(browser)
    again = await scan(browser)  # by Back, and on
    reloaded = await browser.post(paths.SET_UP_SCAN, {**again.form(paths.SET_UP_CONFIRM), "name": "My phone"})
    assert seed_of(first) == seed_of(again) == seed_of(reloaded)
    assert len(await portal.store.devices.list(ANN)) == 1
    assert "You have begun with “My phone”" in (await browser.get(paths.SET_UP)).text
    assert (await browser.get(paths.SET_UP_SCAN)).location == paths.SET_UP


async def test_the_seed_shows_to_no_other_browser(portal: Portal) -> None:
    await portal.account()
    owner, thief = await portal.signed_in(), await portal.signed_in()
    hers = seed_of(await scan(owner))
    assert hers not in (await thief.get(paths.SET_UP)).text
    assert seed_of(await scan(thief)) != hers
    assert hers.encode() not in (await owner.get(paths.SET_UP)).body, "one page shows it, and that as an answer only"


async def test_whoever_has_the_password_alone_is_out_once_the_owner_has_a_factor(portal: Portal) -> None:
    await portal.account()
    owner, thief = await portal.signed_in(), await portal.signed_in()
    assert (await thief.get(paths.HISTORY)).status == 200
    await enrol(portal, owner)
    assert (await thief.get(paths.HISTORY)).location.startswith(paths.SIGN_IN)
    assert (await thief.get(paths.SET_UP)).location.startswith(paths.SIGN_IN)
    assert (await owner.get(paths.HISTORY)).status == 200


async def test_starting_again_makes_another_and_draws_no_session_out(portal: Portal) -> None:
    await portal.account()
    browser = await portal.signed_in()
    page = await scan(browser)
    old = seed_of(page)
    portal.hands.at += HALF_WAY_SECONDS / 2
    page = await browser.follow(await browser.post(paths.SET_UP_AGAIN, page.form(paths.SET_UP_AGAIN)))
    assert await portal.store.devices.list(ANN) == ()
    assert seed_of(await scan(browser)) != old
    (session,) = await portal.store.portal_sessions.list(ANN)
    assert session.ends_at == session.signed.at + HALF_WAY_SECONDS


async def test_a_wrong_code_changes_nothing_and_keeps_the_picture(portal: Portal) -> None:
    await portal.account()
    browser = await portal.signed_in()
    page = await scan(browser)
    wrong = await browser.post(paths.SET_UP_CONFIRM, {**page.form(paths.SET_UP_CONFIRM), "code": "000000"})
    assert (wrong.status, "does not fit" in wrong.text) == (400, True)
    assert seed_of(wrong) == seed_of(page)
    german = portal.browser(language="de")
    german.cookies = browser.cookies
    wrong = await german.post(paths.SET_UP_CONFIRM, {**page.form(paths.SET_UP_CONFIRM), "code": "000000"})
    assert "Dieser Code passt gerade nicht" in wrong.text
    assert "does not" not in wrong.text
    assert await portal.by_mail(PASSWORD) is Factor.PASSWORD


async def test_a_confirmation_without_a_beginning_begins(portal: Portal) -> None:
    await portal.account()
    browser = await portal.signed_in()
    page = await browser.get(paths.SET_UP)
    sent = {**page.form(paths.SET_UP_SCAN), "code": "123456"}
    assert (await browser.post(paths.SET_UP_CONFIRM, sent)).location == paths.SET_UP


async def test_the_name_of_a_phone_is_text(portal: Portal) -> None:
    await portal.account()
    browser = await portal.signed_in()
    page = await scan(browser, '<script>alert("1")</script>')
    assert "<script>alert" not in page.text
    page = await browser.get(paths.SET_UP)
    assert "&lt;script&gt;alert" in page.text
    assert "<script>alert" not in page.text


async def test_whoever_has_one_adds_another_after_a_fresh_sign_in(portal: Portal) -> None:
    browser = await portal.with_factor()
    portal.hands.at += FRESH_SECONDS
    page = await browser.get(paths.SET_UP)
    assert "Add an authenticator" in page.text
    sent = {**page.form(paths.SET_UP_SCAN), "name": "tablet"}
    led = await browser.post(paths.SET_UP_SCAN, sent, referer="https://mail.example.org/set-up")
    assert led.location == f"{paths.AGAIN}?next=%2Fset-up"
    assert len(await portal.store.devices.list(ANN)) == 1
    await browser.fill(led.location, paths.SIGN_IN, password=PASSWORD)
    page = await browser.fill(paths.SECOND, second=portal.digits())
    assert "Add an authenticator" in page.text
    page = await enrol(portal, browser, "tablet")
    assert "The authenticator counts from now on" in page.text
    assert [device.name for device in await portal.store.devices.list(ANN)] == ["phone", "tablet"]


async def test_a_slow_installation_of_the_app_costs_nothing(portal: Portal) -> None:
    browser = await portal.with_factor()
    page = await scan(browser, "tablet")
    portal.hands.at += 2 * FRESH_SECONDS
    assert seed_of(await scan(browser, "tablet")) == seed_of(page)
    page = await enrol(portal, browser, "tablet")
    assert "The authenticator counts from now on" in page.text


async def test_after_a_new_authenticator_other_browsers_can_be_signed_out(portal: Portal) -> None:
    browser = await portal.with_factor()
    portal.hands.at += 30
    other = await portal.signed_in(portal.digits())
    page = await enrol(portal, browser, "tablet")
    assert "Sign out elsewhere?" in page.text
    await browser.post(f"{paths.BROWSERS}/end-others", page.form(f"{paths.BROWSERS}/end-others"))
    assert (await browser.get(paths.HOME)).status == 200
    assert (await other.get(paths.HOME)).status == 303


async def test_a_form_from_nowhere_enrols_nothing(portal: Portal) -> None:
    await portal.account()
    browser = await portal.signed_in()
    assert (await browser.post(paths.SET_UP_SCAN, {"name": "thief's"})).status == 403
    assert await portal.store.devices.list(ANN) == ()


@pytest.mark.parametrize("mode", [TwoFactor.OPTIONAL, TwoFactor.OBSERVE, TwoFactor.WARN])
async def test_where_nothing_is_demanded_the_rest_can_be_looked_at(portal: Portal, mode: TwoFactor) -> None:
    portal.policy = Policy(two_factor=mode)
    await portal.account()
    browser = await portal.signed_in()
    assert (await browser.get(paths.HOME)).status == 200
    assert ("strongly advises" in (await browser.get(paths.HOME)).text) is (mode is TwoFactor.WARN)
    assert (await browser.get(paths.SECURITY)).location == paths.SET_UP


async def test_a_date_ahead_is_named(portal: Portal) -> None:
    portal.policy = Policy(two_factor=TwoFactor.ENFORCE, enforce_from=portal.hands.at + 86400)
    await portal.account()
    browser = await portal.signed_in()
    page = await browser.get(paths.HOME)
    assert f"From {portal.policy.enforced_on()} on" in page.text
    portal.hands.at += 600
    portal.policy = Policy(two_factor=TwoFactor.ENFORCE, enforce_from=portal.hands.at)
    demanding = portal.browser()
    demanding.cookies = browser.cookies
    assert (await demanding.get(paths.HOME)).location == paths.SET_UP


async def test_with_an_enrolment_code_there_is_nothing_but_the_flow(portal: Portal) -> None:
    portal.policy = Policy(two_factor=TwoFactor.ENFORCE)
    await portal.account()
    browser = await portal.signed_in(await portal.code(CodeKind.ENROLMENT, may_enrol=True))
    for path in (paths.HOME, paths.SECURITY, paths.SET_UP_ADDRESS, paths.RECOVERY_CODES):
        assert (await browser.get(path)).location == paths.SET_UP
    await enrol(portal, browser)
    (session,) = await portal.store.portal_sessions.list(ANN)
    assert session.signed.standing is Standing.FULL
    assert (await browser.get(paths.HOME)).status == 200


async def test_a_bypass_leads_into_no_set_up(portal: Portal) -> None:
    await portal.enrol()
    browser = await portal.signed_in(await portal.code(CodeKind.BYPASS))
    assert (await browser.get(paths.SET_UP)).location == paths.HOME
