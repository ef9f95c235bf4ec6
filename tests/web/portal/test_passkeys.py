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
from mailguard.auth.standing import FRESH_SECONDS, Standing
from mailguard.web import cookies
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.auth.test_signin import OPERATOR
from tests.support.passkeys import ORIGIN, Authenticator
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


async def add(browser: Browser, by: Authenticator, name: str = "laptop", **changed: str) -> Page:
    page = await browser.get("/security/passkeys/add")
    assert page.status == 200, page.text
    sent = {**page.form("/security/passkeys/add"), "name": name, "passkey": by.create(asked(page)), **changed}
    return await browser.follow(await browser.post("/security/passkeys/add", sent))


async def test_a_passkey_is_added_and_lets_in(portal: Portal) -> None:
    browser, token = await portal.with_factor(), Authenticator()
    page = await add(browser, token, "Ann's <b>laptop</b>")
    assert "counts from now on" in page.text
    assert "Ann&#39;s &lt;b&gt;laptop&lt;/b&gt;" in (await browser.get("/security/passkeys")).text
    page = await by_passkey(portal.browser(), token)
    assert "You are signed in as ann@example.org" in page.text


async def test_the_first_factor_may_be_a_passkey(portal: Portal) -> None:
    browser, token = await portal.signed_in(), Authenticator()
    before = browser.cookies[cookies.SESSION]
    assert "/security/passkeys/add" in (await browser.get("/set-up")).text
    page = await add(browser, token)
    assert "Recovery codes" in page.text
    assert browser.cookies[cookies.SESSION] != before, "other rights, another token"
    (session,) = await portal.store.portal_sessions.list(ANN)
    assert (session.signed.standing, session.signed.factor) == (Standing.FULL, Factor.PASSKEY)
    assert await portal.by_mail(PASSWORD) is Reason.PASSKEY_ONLY


async def test_a_browser_that_was_left_open_signs_in_again_and_comes_back(portal: Portal) -> None:
    browser, token = await portal.with_factor(), Authenticator()
    await hold(portal, token)
    (kept,) = await portal.store.passkeys.list(ANN)
    await browser.get("/security/passkeys")
    page = await browser.get("/security/passkeys/add")
    sent = {**page.form("/security/passkeys/add"), "name": "x", "passkey": Authenticator().create(asked(page))}
    portal.hands.at += FRESH_SECONDS
    assert (await browser.get("/security/passkeys/add")).location == "/sign-in/again?next=%2Fsecurity%2Fpasskeys%2Fadd"
    removed = await browser.post(f"/security/passkeys/{kept.id}/remove", sent, referer=f"{ORIGIN}/security/passkeys")
    assert removed.location == "/sign-in/again?next=%2Fsecurity%2Fpasskeys"
    await browser.post("/security/passkeys/add", sent)
    assert await portal.store.passkeys.list(ANN) == (kept,)


async def test_without_script_it_is_said_plainly(portal: Portal) -> None:
    browser = await portal.with_factor()
    page = await browser.get("/security/passkeys/add")
    assert re.search(r"<p [^>]*data-without-passkeys>Passkeys need JavaScript", page.text)
    assert re.search(r"<form [^>]*data-passkey=[^>]* hidden>", page.text)
    sent = {**page.form("/security/passkeys/add"), "name": "laptop"}
    back = await browser.follow(await browser.post("/security/passkeys/add", sent))
    assert "No passkey came back" in back.text


async def test_what_is_no_new_passkey_is_not_kept(portal: Portal) -> None:
    browser, token = await portal.with_factor(), Authenticator()
    for wrong in (
        await add(browser, replace(token, origin="https://mail.example.0rg")),
        await add(browser, replace(token, host="example.0rg")),
        await add(browser, token, passkey="nonsense"),
        await add(browser, token, challenge="nonsense"),
    ):
        assert "No passkey came back" in wrong.text
    portal.hands.at += 30
    other = await portal.signed_in(portal.digits())
    theirs = (await other.get("/security/passkeys/add")).form("/security/passkeys/add")["challenge"]
    assert "No passkey came back" in (await add(browser, token, challenge=theirs)).text
    page = await browser.get("/security/passkeys/add")
    late = {**page.form("/security/passkeys/add"), "name": "laptop", "passkey": token.create(asked(page))}
    portal.hands.at += 300
    assert (
        await browser.post("/security/passkeys/add", late)
    ).location == "/security/passkeys/add?done=passkey-not-made"
    assert await portal.store.passkeys.list(ANN) == ()


async def test_a_form_sent_twice_adds_one(portal: Portal) -> None:
    browser, token = await portal.with_factor(), Authenticator()
    page = await browser.get("/security/passkeys/add")
    sent = {**page.form("/security/passkeys/add"), "name": "laptop", "passkey": token.create(asked(page))}
    assert (await browser.post("/security/passkeys/add", sent)).status == 303
    assert (await browser.post("/security/passkeys/add", sent)).status == 400
    (kept,) = await portal.store.passkeys.list(ANN)
    # Nor does the form bring back one that was removed.
    await portal.store.passkeys.remove(ANN, kept.id, actor=OPERATOR)
    assert (await browser.post("/security/passkeys/add", sent)).status == 400
    assert await portal.store.passkeys.list(ANN) == ()


async def test_it_is_named_anew_and_removed(portal: Portal) -> None:
    browser, token = await portal.with_factor(), Authenticator()
    page = await add(browser, token)
    (kept,) = await portal.store.passkeys.list(ANN)
    where = f"/security/passkeys/{kept.id}"
    page = await browser.fill("/security/passkeys", f"{where}/name", name="desk")
    assert "desk" in page.text
    assert (await portal.store.passkeys.list(ANN))[0].name == "desk"
    page = await browser.fill("/security/passkeys", f"{where}/remove")
    assert "It opens nothing any more" in page.text
    assert await portal.store.passkeys.list(ANN) == ()
    assert (await browser.get("/")).status == 200, "this browser came in by a code"


async def test_removing_the_one_that_one_came_with_signs_out(portal: Portal) -> None:
    token = Authenticator()
    await portal.enrol()
    await hold(portal, token)
    browser = portal.browser()
    await by_passkey(browser, token)
    (kept,) = await portal.store.passkeys.list(ANN)
    page = await browser.fill("/security/passkeys", f"/security/passkeys/{kept.id}/remove")
    assert "It opens nothing any more" in page.text
    assert (await browser.get("/security/passkeys")).location.startswith("/sign-in")


async def test_no_form_is_taken_without_its_token(portal: Portal) -> None:
    browser, token = await portal.with_factor(), Authenticator()
    await hold(portal, token)
    (kept,) = await portal.store.passkeys.list(ANN)
    page = await browser.get("/security/passkeys/add")
    sent = {
        **page.form("/security/passkeys/add"),
        "name": "x",
        "passkey": Authenticator().create(asked(page)),
        "token": "",
    }
    for path, values in (
        ("/security/passkeys/add", sent),
        (f"/security/passkeys/{kept.id}/name", {"name": "x"}),
        (f"/security/passkeys/{kept.id}/remove", {}),
    ):
        assert (await browser.post(path, values)).status == 403, path
    assert await portal.store.passkeys.list(ANN) == (kept,)
