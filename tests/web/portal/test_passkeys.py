"""Passkeys at the pages: a browser's answer, made in software, real from end to end."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Factor, Reason
from mailguard.auth.events import Event
from mailguard.auth.passkeys import NewPasskey
from mailguard.auth.standing import Standing
from mailguard.web import cookies
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.auth.test_signin import OPERATOR
from tests.support.passkeys import Authenticator
from tests.web.browser import Browser, Page
from tests.web.conftest import Portal, sign_in


def asked(page: Page) -> str:
    """The options that a page hands to the script."""
    found = re.search(r'data-options="([^"]*)"', page.text)
    assert found is not None, page.text
    return html.unescape(found[1])


async def hold(portal: Portal, by: Authenticator, name: AccountName = ANN) -> None:
    made = NewPasskey(by.credential, by.public_key, 0, by.credential)
    await portal.store.passkeys.add(name, "token", made, actor=OPERATOR)


async def second_page(browser: Browser, name: str = ANN, password: str = PASSWORD) -> Page:
    return await browser.fill("/sign-in", address=name, password=password)


async def by_passkey(browser: Browser, by: Authenticator, *, name: str = ANN, password: str = PASSWORD) -> Page:
    page = await second_page(browser, name, password)
    sent = {**page.form("/sign-in/second"), "passkey": by.get(asked(page))}
    return await browser.follow(await browser.post("/sign-in/second", sent))


async def test_with_password_and_passkey_one_is_in(portal: Portal) -> None:
    token, browser = Authenticator(), portal.browser()
    await portal.account()
    await hold(portal, token)
    page = await by_passkey(browser, token)
    assert "You are signed in as ann@example.org" in page.text
    (session,) = await portal.store.portal_sessions.list(ANN)
    (passkey,) = await portal.store.passkeys.list(ANN)
    assert (session.signed.standing, session.signed.factor, session.signed.device) == (
        Standing.FULL, Factor.PASSKEY, passkey.id,
    )  # fmt: skip
    # What was opened with it ends with it.
    await portal.store.passkeys.remove(ANN, passkey.id, actor=OPERATOR)
    assert (await browser.get("/")).location.startswith("/sign-in")


async def test_whoever_is_asked_the_page_says_the_same(portal: Portal) -> None:
    await portal.enrol()
    await hold(portal, Authenticator())
    seen = set()
    for name in (ANN, "nobody@example.org"):
        options = json.loads(asked(await second_page(portal.browser(), name)))
        assert options.pop("challenge")
        assert options.get("allowCredentials", []) == []
        seen.add(json.dumps(options))
    assert len(seen) == 1


async def test_every_refusal_reads_the_same(portal: Portal) -> None:
    token, bobs = Authenticator(), Authenticator()
    bob = AccountName("bob@example.org")
    await portal.account()
    await portal.store.accounts.add(bob, actor=OPERATOR)
    await hold(portal, token)
    await hold(portal, bobs, bob)
    pages = [
        await by_passkey(portal.browser("192.0.2.1"), token, password="wrong"),
        await by_passkey(portal.browser("192.0.2.2"), token, name="nobody@example.org"),
        await by_passkey(portal.browser("192.0.2.3"), bobs),
        await by_passkey(portal.browser("192.0.2.4"), replace(token, origin="https://mail.example.0rg")),
    ]
    assert {page.status for page in pages} == {403}
    assert len({page.body for page in pages}) == 1
    assert await portal.store.portal_sessions.list(ANN) == ()


async def test_an_answer_opens_one_session_wherever_it_is_sent_from(portal: Portal) -> None:
    """Somebody who reads along sends cookie and form once more, within the five minutes."""
    token, browser, thief = Authenticator(counts=False), portal.browser(), portal.browser("198.51.100.9")
    await portal.account()
    await hold(portal, token)
    page = await second_page(browser)
    thief.cookies = dict(browser.cookies)
    sent = {**page.form("/sign-in/second"), "passkey": token.get(asked(page))}
    assert cookies.SESSION in (await browser.post("/sign-in/second", sent)).set_cookies[-1]
    again = await thief.post("/sign-in/second", sent)
    assert again.status == 403
    assert (await portal.store.audit.list())[-1].row.reason == Reason.CODE_REUSED
    assert len(await portal.store.portal_sessions.list(ANN)) == 1


async def test_an_answer_to_another_page_is_none(portal: Portal) -> None:
    token, browser = Authenticator(), portal.browser()
    await portal.account()
    await hold(portal, token)
    answer = token.get(asked(await second_page(portal.browser())))
    page = await second_page(browser)
    assert (await browser.post("/sign-in/second", {**page.form("/sign-in/second"), "passkey": answer})).status == 403
    assert (await portal.events())[-1] is Event.SIGN_IN_REFUSED
    assert "Sign-in failed" in (await sign_in(portal.browser(), "")).text
