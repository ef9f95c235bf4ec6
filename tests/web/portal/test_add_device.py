"""A new device, from the choice of its program to the app password that opens mail."""

from __future__ import annotations

import asyncio
import plistlib
import re
from dataclasses import replace

import pytest

from mailguard.auth import vault
from mailguard.auth.accounts import CodeKind
from mailguard.auth.attempt import Factor, MailProtocol, Reason
from mailguard.auth.events import Event
from mailguard.secret import Secret
from mailguard.web.page import iso
from mailguard.web.portal.guides import Program
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.web.browser import Browser, Page
from tests.web.conftest import Portal

SECRET = re.compile(r'<code id="app-password">([a-z0-9-]+)</code>')


def secret_of(page: Page) -> str:
    found = SECRET.search(page.text)
    assert found is not None, page.text
    return found.group(1)


async def add(browser: Browser, program: Program = Program.THUNDERBIRD, **typed: str) -> Page:
    return await browser.fill(f"/devices/add/{program}", f"/devices/add/{program}", **typed)


@pytest.mark.parametrize("program", Program)
async def test_it_is_chosen_named_and_opens_mail(offering: Portal, program: Program) -> None:
    browser = await offering.with_factor()
    assert f"/devices/add/{program.value}" in (await browser.get("/devices/add")).text
    page = await add(browser, program, label="Ann's <b>own</b>")
    assert page.status == 200
    assert page.headers["cache-control"] == "no-store"
    for shown in ("mail.example.org", ">993<", ">465<", "SSL/TLS", ">587<", "STARTTLS", ANN, "Ann&#39;s &lt;b&gt;own"):
        assert shown in page.text
    assert page.text.count("<li>") >= 2, "the steps of that program"
    assert await offering.by_mail(secret_of(page)) is Factor.APP_PASSWORD
    assert ('<div class="qr"' in page.text) == (program is Program.ANDROID)
    (row,) = await offering.store.app_passwords.list(ANN)
    assert (row.label, row.protocols) == ("Ann's <b>own</b>", frozenset(MailProtocol))
    assert row.first_use_by == row.created_at + 86_400
    assert secret_of(page) not in (await browser.get("/devices")).text


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (Program.OUTLOOK, "Microsoft&#39;s cloud"),
        (Program.ANDROID_OTHER, "their own servers"),
    ],
)
async def test_who_hands_passwords_on_is_named(offering: Portal, program: Program, words: str) -> None:
    browser = await offering.with_factor()
    assert words in (await browser.get(f"/devices/add/{program}")).text
    assert words in (await add(browser, program)).text


async def test_the_same_form_twice_makes_one_and_says_so(offering: Portal) -> None:
    browser = await offering.with_factor()
    at = "/devices/add/thunderbird"
    form = (await browser.get(at)).form(at)
    both = await asyncio.gather(browser.post(at, form), browser.post(at, form))
    assert sorted(page.status for page in both) == [200, 409]
    again = await browser.post(at, form)
    assert again.status == 409
    assert "made already" in again.text
    assert len(await offering.store.app_passwords.list(ANN)) == 1
    assert "made already" not in (await add(browser)).text, "a new form makes another"


async def test_what_a_scanner_needs(offering: Portal) -> None:
    browser = await offering.with_factor()
    page = await add(
        browser, Program.OTHER, label="scanner", scope="send", networks="192.0.2.0/24, 2001:db8::/64", days="30"
    )
    (row,) = await offering.store.app_passwords.list(ANN)
    assert row.protocols == {MailProtocol.SUBMISSION}
    assert [str(network) for network in row.networks] == ["192.0.2.0/24", "2001:db8::/64"]
    assert row.expires_at == row.created_at + 30 * 86_400
    assert ">993<" not in page.text
    assert await offering.by_mail(secret_of(page)) is Reason.APP_PASSWORD_SCOPE


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"label": ""}, "Give the device a name"),
        ({"label": "x" * 61}, "Give the device a name"),
        ({"label": "a\u202eb"}, "Give the device a name"),
        ({"days": "99999999"}, "Choose an end"),
        ({"networks": "<script>"}, "Networks are written like"),
    ],
)
async def test_what_cannot_be_taken_is_said_and_kept(offering: Portal, typed: dict[str, str], words: str) -> None:
    browser = await offering.with_factor()
    page = await add(browser, Program.OTHER, **typed)
    assert page.status == 400
    assert words in page.text
    assert "<script>" not in page.text
    assert await offering.store.app_passwords.list(ANN) == ()


async def test_the_password_is_asked_where_the_vault_needs_it(offering: Portal) -> None:
    browser = await offering.with_factor()
    assert 'name="password"' not in (await browser.get("/devices/add/thunderbird")).text
    offering.own = frozenset(MailProtocol)
    browser = replace(browser, app=offering.browser().app)
    assert 'name="password"' in (await browser.get("/devices/add/thunderbird")).text
    wrong = await add(browser, password="not hers")
    assert wrong.status == 403
    assert "not your mail password" in wrong.text
    assert "not hers" not in wrong.text
    assert await offering.store.app_passwords.list(ANN) == ()
    assert Event.SIGN_IN_REFUSED in await offering.events()
    page = await add(browser, password=PASSWORD)
    (row,) = await offering.store.app_passwords.list(ANN)
    entry = (await offering.store.vault.entries(ANN))[row.id]
    typed = Secret(secret_of(page).replace("-", "").encode())
    assert vault.unseal(typed, row.id, row.account_id, entry.sealed) == Secret(PASSWORD.encode())
    assert PASSWORD not in page.text


async def test_on_the_apple_device_itself_a_profile_brings_everything(offering: Portal) -> None:
    browser = await offering.with_factor()
    at = "/devices/add/iphone"
    page = await browser.get(at)
    assert f'formaction="{at}/profile"' in page.text
    form = page.form(at)
    answer = await browser.post(f"{at}/profile", {**form, "label": "Ann's iPhone"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/x-apple-aspen-config"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["cache-control"] == "no-store"
    profile = plistlib.loads(answer.body)
    (mail,) = profile["PayloadContent"]
    assert await offering.by_mail(mail["IncomingPassword"]) is Factor.APP_PASSWORD
    assert (await browser.post(f"{at}/profile", form)).status == 409
    assert len(await offering.store.app_passwords.list(ANN)) == 1


@pytest.mark.parametrize("path", ["/devices/add/thunderbird/profile", "/devices/add/nonsense", "/devices/add/iphone/x"])
async def test_what_there_is_not(offering: Portal, path: str) -> None:
    browser = await offering.with_factor()
    form = (await browser.get("/devices/add/iphone")).form("/devices/add/iphone")
    assert (await browser.post(path, form)).status in (400, 404)
    assert await offering.store.app_passwords.list(ANN) == ()


async def test_without_the_form_s_token_or_number_nothing_is_made(offering: Portal) -> None:
    browser = await offering.with_factor()
    at = "/devices/add/thunderbird"
    form = (await browser.get(at)).form(at)
    assert (await browser.post(at, {**form, "token": "x"})).status == 403
    assert (await browser.post(at, {"token": form["token"], "label": "x"})).status == 400
    assert await offering.store.app_passwords.list(ANN) == ()


async def test_without_both_directions_no_profile_is_made(offering: Portal) -> None:
    """Nor an app password that nobody would see."""
    offering.settings = replace(offering.settings, listen=offering.settings.listen[:1])
    browser = await offering.with_factor()
    at = "/devices/add/iphone"
    page = await browser.get(at)
    assert "/profile" not in page.text
    for way in ("profile", "link"):
        assert (await browser.post(f"{at}/{way}", page.form(at))).status == 404
    assert await offering.store.app_passwords.list(ANN) == ()
    assert ">465<" not in (await add(browser, Program.IPHONE)).text


async def test_under_a_bypass_it_says_when_it_ends(offering: Portal) -> None:
    await offering.enrol()
    browser = await offering.signed_in(await offering.code(CodeKind.BYPASS))
    page = await add(browser)
    (row,) = await offering.store.app_passwords.list(ANN)
    assert row.expires_at == offering.hands.at + 3600
    assert f'It ends on <time datetime="{iso(row.expires_at)}"' in page.text


async def test_the_password_is_no_way_to_guess(offering: Portal) -> None:
    """Whoever sits at a browser that was left open."""
    browser = await offering.with_factor()
    offering.own = frozenset(MailProtocol)
    browser = replace(browser, app=offering.browser().app)
    pages = [await add(browser, password=f"guess {number}") for number in range(40)]
    assert "Too many attempts" in pages[-1].text
    asked = len(offering.directory.asked)
    assert "Too many attempts" in (await add(browser, password=PASSWORD)).text
    assert len(offering.directory.asked) == asked
    assert await offering.store.app_passwords.list(ANN) == ()


async def test_where_the_store_cannot_be_asked_it_says_so(offering: Portal) -> None:
    browser = await offering.with_factor()
    offering.own = frozenset(MailProtocol)
    browser = replace(browser, app=offering.browser().app)
    offering.directory.down = True
    page = await add(browser, password=PASSWORD)
    assert page.status == 503
    assert "cannot be asked just now" in page.text
    offering.directory.down = False
    assert (await add(browser, password=PASSWORD)).status == 200
