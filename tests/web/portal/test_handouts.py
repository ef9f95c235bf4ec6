"""Another device, set up by a link that stood on this screen as a code."""

from __future__ import annotations

import asyncio
import plistlib
import re
from dataclasses import replace

import pytest

from mailguard.auth import vault
from mailguard.auth.attempt import Factor, MailProtocol
from mailguard.auth.passwords import normalise_app_password
from mailguard.secret import Secret
from mailguard.store.handouts import HANDOUT_SECONDS
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.web.browser import Browser, Page
from tests.web.conftest import Portal

LINK = re.compile(r'<code id="link">https://mail\.example\.org(/set-up-device/[a-z0-9]{28})</code>')
AT = "/devices/add/iphone"


def link_on(page: Page) -> str:
    found = LINK.search(page.text)
    assert found is not None, page.text
    return found.group(1)


async def linked(browser: Browser, **typed: str) -> str:
    form = (await browser.get(AT)).form(AT)
    page = await browser.post(f"{AT}/link", {**form, "label": "Ann's <iPad>", **typed})
    assert '<div class="qr"' in page.text
    assert page.headers["cache-control"] == "no-store"
    return link_on(page)


def app_password_in(page: Page) -> str:
    assert page.headers["content-type"] == "application/x-apple-aspen-config", page.text
    (mail,) = plistlib.loads(page.body)["PayloadContent"]
    return str(mail["IncomingPassword"])


async def test_the_other_device_gets_its_profile_once(offering: Portal) -> None:
    path = await linked(await offering.with_factor())
    phone = offering.browser("203.0.113.9")
    for _ in range(3):  # whatever looks at links on the way
        page = await phone.get(path)
        assert page.status == 200
        assert "Ann&#39;s &lt;iPad&gt;" in page.text
        assert page.headers["cache-control"] == "no-store"
    assert await offering.store.app_passwords.list(ANN) == ()
    done = await asyncio.gather(phone.post(path, {}), phone.post(path, {}))
    assert sorted(page.status for page in done) == [200, 404]
    (profile,) = (page for page in done if page.status == 200)
    assert await offering.by_mail(app_password_in(profile)) is Factor.APP_PASSWORD
    (row,) = await offering.store.app_passwords.list(ANN)
    assert row.label == "Ann's <iPad>"
    over = await phone.get(path)
    assert over.status == 404
    assert "This link opens nothing" in over.text


@pytest.mark.parametrize("ending", ["ten minutes", "sign-out"])
async def test_it_ends(offering: Portal, ending: str) -> None:
    browser = await offering.with_factor()
    path = await linked(browser)
    if ending == "sign-out":
        await browser.fill("/devices", "/sign-out")
    else:
        offering.hands.at += HANDOUT_SECONDS
    phone = offering.browser()
    assert (await phone.get(path)).status == (await phone.post(path, {})).status == 404
    assert await offering.store.app_passwords.list(ANN) == ()


async def test_the_store_password_travels_sealed(offering: Portal) -> None:
    browser = await offering.with_factor()
    offering.own = frozenset(MailProtocol)
    browser = replace(browser, app=offering.browser().app)
    form = (await browser.get(AT)).form(AT)
    assert (await browser.post(f"{AT}/link", {**form, "password": "not hers"})).status == 403
    path = await linked(browser, password=PASSWORD)
    typed = normalise_app_password(app_password_in(await offering.browser().post(path, {})).encode())
    assert typed is not None
    (row,) = await offering.store.app_passwords.list(ANN)
    entry = (await offering.store.vault.entries(ANN))[row.id]
    assert vault.unseal(Secret(typed), row.id, row.account_id, entry.sealed) == Secret(PASSWORD.encode())


async def test_the_same_form_twice_makes_one_link(offering: Portal) -> None:
    browser = await offering.with_factor()
    form = (await browser.get(AT)).form(AT)
    assert (await browser.post(f"{AT}/link", form)).status == 200
    assert (await browser.post(f"{AT}/link", form)).status == 409


async def test_programs_without_a_profile_have_no_link(offering: Portal) -> None:
    browser = await offering.with_factor()
    at = "/devices/add/thunderbird"
    assert (await browser.post(f"{at}/link", (await browser.get(at)).form(at))).status == 404
    assert (await browser.post(f"{AT}/link", {"once": "x", "label": "x"})).status == 403


@pytest.mark.parametrize("token", ["nonsense", "a" * 28, "%3Cscript%3E", "a" * 2000])
async def test_what_is_no_link_opens_nothing(offering: Portal, token: str) -> None:
    page = await offering.browser().get(f"/set-up-device/{token}")
    assert page.status == 404
    assert "<script>" not in page.text


async def test_another_site_cannot_press_the_button(offering: Portal) -> None:
    path = await linked(await offering.with_factor())
    page = await offering.browser().post(path, {}, origin="https://evil.example")
    assert page.status == 403
    assert await offering.store.app_passwords.list(ANN) == ()
