"""Claim links, opened in a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailguard.auth.accounts import AccountKind
from mailguard.auth.attempt import Factor, MailProtocol
from mailguard.web import cookies
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.auth.test_signin import OPERATOR
from tests.desk.test_app_passwords import BOB, DAY, DESK, claim
from tests.web.conftest import Portal
from tests.web.portal.test_add_device import secret_of

OVER = "This link opens nothing"


async def path(portal: Portal, **changes: object) -> str:
    token = await claim(portal, **changes)  # type: ignore[arg-type]  # passed on as it is
    return f"/claim/{token.reveal().decode()}"


async def test_from_the_click_by_the_sign_in_to_the_app_password(offering: Portal) -> None:
    await offering.enrol()
    link = await path(offering, label="<b>tablet</b>")
    browser = offering.browser()
    answer = await browser.get(link)
    assert answer.location == "/claim"
    answer = await browser.get(answer.location)
    assert answer.location == "/sign-in?next=%2Fclaim", "no page's address holds the token"
    await browser.fill(answer.location, "/sign-in", address=ANN, password=PASSWORD)
    page = await browser.fill("/sign-in/second", second=offering.digits())
    assert "&lt;b&gt;tablet&lt;/b&gt;" in page.text
    assert ANN in page.text
    assert await offering.store.app_passwords.list(ANN) == ()
    done = await browser.post("/claim", {**page.form("/claim"), "program": "android"})
    assert "Thunderbird for Android" in done.text
    assert done.headers["cache-control"] == "no-store"
    assert await offering.by_mail(secret_of(done)) is Factor.APP_PASSWORD
    assert cookies.CLAIM not in browser.cookies
    again = await browser.post("/claim", {**page.form("/claim"), "program": "android"})
    assert (again.status, OVER in again.text) == (404, True)
    assert OVER in (await browser.follow(await browser.get(link))).text
    assert len(await offering.store.app_passwords.list(ANN)) == 1


async def test_anothers_an_old_one_and_none_read_alike(offering: Portal) -> None:
    browser = await offering.with_factor()
    await offering.store.accounts.add(BOB, actor=OPERATOR)
    his = (await claim(offering, BOB)).reveal().decode()
    pages = []
    for link in (f"/claim/{his}", await path(offering, expires_at=offering.hands.at), "/claim/nonsense", "/claim"):
        pages.append(await browser.follow(await browser.get(link)))
        assert cookies.CLAIM not in browser.cookies
    assert {page.status for page in pages} == {404}
    assert {page.text for page in pages} == {pages[0].text}
    assert OVER in pages[0].text


async def test_the_password_is_asked_where_the_vault_needs_it(offering: Portal) -> None:
    browser = await offering.with_factor()
    offering.own = frozenset(MailProtocol)
    browser = replace(browser, app=offering.browser().app)
    page = await browser.follow(await browser.get(await path(offering)))
    form = {**page.form("/claim"), "program": "iphone"}
    wrong = await browser.post("/claim", {**form, "password": "not hers"})
    assert (wrong.status, "not your mail password" in wrong.text) == (403, True)
    done = await browser.post("/claim", {**form, "password": PASSWORD})
    assert done.status == 200
    (row,) = await offering.store.app_passwords.list(ANN)
    assert row.id in await offering.store.vault.entries(ANN)


async def test_a_shared_mailbox_is_named_and_asks_no_password(offering: Portal) -> None:
    browser = await offering.with_factor()
    offering.own = frozenset(MailProtocol)
    browser = replace(browser, app=offering.browser().app)
    await offering.store.accounts.add(DESK, actor=OPERATOR, kind=AccountKind.SHARED)
    await offering.store.members.add(DESK, ANN, actor=OPERATOR)
    ann = await offering.store.accounts.get(ANN)
    assert ann is not None
    token = await claim(offering, DESK, person_id=ann.id)
    page = await browser.follow(await browser.get(f"/claim/{token.reveal().decode()}"))
    assert DESK in page.text
    assert 'name="password"' not in page.text
    done = await browser.post("/claim", {**page.form("/claim"), "program": "thunderbird"})
    assert f"<code>{DESK}</code>" in done.text, "the user name is the mailbox's"
    assert DESK in (await browser.get("/devices")).text


@pytest.mark.parametrize("values", [{"program": "android"}, {"program": "nonsense"}, {}])
async def test_nothing_is_made_without_the_form_s_token(offering: Portal, values: dict[str, str]) -> None:
    browser = await offering.with_factor()
    await browser.get(await path(offering))
    assert (await browser.post("/claim", values)).status in (400, 403)
    assert await offering.store.app_passwords.list(ANN) == ()


async def test_a_day_later_it_is_over(offering: Portal) -> None:
    await offering.enrol()
    link = await path(offering)
    offering.hands.at += DAY
    browser = await offering.signed_in(offering.digits())
    assert OVER in (await browser.follow(await browser.get(link))).text
