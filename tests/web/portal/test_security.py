"""What one signs in with, where one is told, where one is signed in."""

from __future__ import annotations

import pytest

from mailguard.auth.accounts import AccountName
from mailguard.auth.policy import Policy
from mailguard.auth.standing import FRESH_SECONDS
from mailguard.config.choices import TwoFactor
from mailguard.store.portal_sessions import Browser as Held
from mailguard.web import paths
from tests.auth.test_authenticator import ANN, HOME
from tests.auth.test_signin import OPERATOR
from tests.web.browser import Browser, Page
from tests.web.conftest import Portal
from tests.web.portal.test_set_up import enrol

MARKUP = '<img src=x onerror="alert(1)">'


async def press(browser: Browser, page: str, action: str, **values: str) -> Page:
    opened = await browser.get(page)
    assert opened.status == 200, (opened.status, opened.location, opened.text)
    form = opened.form(action)
    return await browser.follow(await browser.post(action, {**form, **values}))


async def test_everything_stands_on_one_page(portal: Portal) -> None:
    browser = await portal.with_factor()
    page = await browser.get(paths.SECURITY)
    assert page.status == 200
    for word in ("phone", "Recovery codes", "Second addresses", "this one", "192.0.2.7"):
        assert word in page.text
    german = portal.browser(language="de")
    german.cookies = browser.cookies
    page = await german.get(paths.SECURITY)
    assert "Wo Sie hier angemeldet sind" in page.text


async def test_an_authenticator_is_renamed(portal: Portal) -> None:
    browser = await portal.with_factor()
    (device,) = await portal.store.devices.list(ANN)
    where = f"{paths.AUTHENTICATORS}/{device.id}"
    page = await press(browser, where, f"{where}/name", name=MARKUP)
    assert MARKUP not in page.text
    assert "&lt;img src=x" in page.text
    page = await press(browser, where, f"{where}/name", name="x" * 65)
    assert (page.status, "1 to 64 characters" in page.text) == (400, True)


async def test_an_authenticator_is_removed_and_the_session_by_it_ends(portal: Portal) -> None:
    browser = await portal.with_factor()
    await enrol(portal, browser, "tablet")
    second, first = sorted(await portal.store.devices.list(ANN), key=lambda device: device.name, reverse=True)
    where = f"{paths.AUTHENTICATORS}/{second.id}"
    page = await press(browser, where, f"{where}/remove")
    assert "The authenticator is removed" in page.text
    where = f"{paths.AUTHENTICATORS}/{first.id}"
    page = await press(browser, where, f"{where}/remove")
    assert "Sign in again with another one" in page.text
    assert (await browser.get(paths.SECURITY)).status == 303


async def test_nobody_reaches_anothers_authenticator(portal: Portal) -> None:
    browser = await portal.with_factor()
    bob = await portal.store.accounts.add(AccountName("bob@example.org"), actor=OPERATOR)
    (mine,) = await portal.store.devices.list(ANN)
    theirs = await portal.store.devices.enrol(bob.name, "bob's", mine.seed, actor=OPERATOR)
    form = (await browser.get(paths.SECURITY)).form(paths.SECOND_ADDRESSES)
    where = f"{paths.AUTHENTICATORS}/{theirs.id}"
    assert (await browser.get(where)).status == 404
    for act in ("name", "remove"):
        assert (await browser.post(f"{where}/{act}", {**form, "name": "mine"})).status == 404
        assert (await browser.get(f"{where}/{act}")).location == where
    assert [each.name for each in await portal.store.devices.list(bob.name)] == ["bob's"]


async def test_an_open_browser_removes_nothing(portal: Portal) -> None:
    browser = await portal.with_factor()
    await press(browser, paths.SECURITY, paths.SECOND_ADDRESSES, address="ann@home.example")
    (device,) = await portal.store.devices.list(ANN)
    portal.hands.at += FRESH_SECONDS
    form = (await browser.get(paths.SECURITY)).form(paths.SECOND_ADDRESSES)
    for where in (f"{paths.AUTHENTICATORS}/{device.id}/remove", f"{paths.SECOND_ADDRESSES}/remove"):
        sent = {**form, "address": "ann@home.example"}
        led = await browser.post(where, sent, referer="https://mail.example.org/security")
        assert led.location == f"{paths.AGAIN}?next=%2Fsecurity"
        led = await browser.post(where, sent, referer="https://evil.example/away")
        assert led.location == f"{paths.AGAIN}?next=%2Fsecurity"
    assert len(await portal.store.devices.list(ANN)) == len(await portal.store.addresses.list(ANN)) == 1


async def test_second_addresses_are_added_and_removed(portal: Portal) -> None:
    browser = await portal.with_factor()
    page = await press(browser, paths.SECURITY, paths.SECOND_ADDRESSES, address=" ann@home.example ")
    assert "The address is added" in page.text
    assert "active from" in page.text
    page = await press(browser, paths.SECURITY, f"{paths.SECOND_ADDRESSES}/remove")
    assert "The address is removed" in page.text
    assert await portal.store.addresses.list(ANN) == ()


@pytest.mark.parametrize("address", [ANN, "nonsense", MARKUP])
async def test_an_address_that_is_none_is_refused_in_the_visitors_language(portal: Portal, address: str) -> None:
    browser = await portal.with_factor()
    browser.language = "de"
    page = await press(browser, paths.SECURITY, paths.SECOND_ADDRESSES, address=address)
    assert (page.status, "lässt sich nicht nehmen" in page.text) == (400, True)
    assert MARKUP not in page.text
    page = await press(browser, paths.SET_UP_ADDRESS, paths.SET_UP_ADDRESS, address=address)
    assert (page.status, "lässt sich nicht nehmen" in page.text) == (400, True)


async def test_one_browser_is_signed_out(portal: Portal) -> None:
    browser = await portal.with_factor()
    portal.hands.at += 30
    other = await portal.signed_in(portal.digits())
    own, its = await portal.store.portal_sessions.list(ANN)
    page = await press(browser, paths.SECURITY, f"{paths.BROWSERS}/{its.id}/end")
    assert "That browser is signed out" in page.text
    assert (await other.get(paths.HOME)).status == 303
    assert (await browser.get(paths.BROWSERS)).location == paths.SECURITY
    assert [each.id for each in await portal.store.portal_sessions.list(ANN)] == [own.id]


async def test_what_a_browser_calls_itself_is_text(portal: Portal) -> None:
    browser = await portal.with_factor()
    (session,) = await portal.store.portal_sessions.list(ANN)
    await portal.store.portal_sessions.open(session.signed, Held(b"another", HOME, MARKUP))
    page = await browser.get(paths.SECURITY)
    assert MARKUP not in page.text
    assert "&lt;img src=x" in page.text


async def test_before_the_last_authenticator_goes_one_is_warned_or_stopped(portal: Portal) -> None:
    browser = await portal.with_factor()
    (device,) = await portal.store.devices.list(ANN)
    where = f"{paths.AUTHENTICATORS}/{device.id}"
    page = await browser.get(where)
    assert "your password alone opens your mail again" in page.text
    portal.policy = Policy(two_factor=TwoFactor.ENFORCE)
    demanding = portal.browser()
    demanding.cookies = browser.cookies
    page = await demanding.get(where)
    assert "Add another first" in page.text
    assert f"{where}/remove" not in page.text
    refused = await demanding.post(f"{where}/remove", page.form(f"{where}/name"))
    assert refused.status == 400
    assert len(await portal.store.devices.list(ANN)) == 1
