"""What other sites, and whoever sits down at the same machine, try with a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest_asyncio
from playwright.async_api import Browser, Page

from mailguard.web.cookies import SESSION
from tests.browser.chromium import person
from tests.browser.hands import Mouse
from tests.browser.served import Served, another_site, fill_in, plant, seed_shown
from tests.support.certs import Issued


@dataclass(frozen=True, slots=True)
class Victim:
    """Somebody who is signed in, in a browser that goes to other sites too."""

    name: str
    page: Page

    async def is_in(self, served: Served) -> bool:
        await self.page.goto(served.origin)
        return await self.page.get_by_text(f"You are signed in as {self.name}").is_visible()


@pytest_asyncio.fixture(loop_scope="session")
async def victim(chromium: Browser, served: Served) -> AsyncIterator[Victim]:
    who = await served.enrolled()
    async with person(chromium, served.origin, attacked=True) as page:
        await served.come_in(page, who)
        yield Victim(who.name, page)


async def test_no_page_is_shown_in_a_frame_of_another_site(victim: Victim, served: Served, localhost: Issued) -> None:
    frame = f'<iframe src="{served.origin}/"></iframe>'
    async with another_site(localhost, {"/": frame}) as attacker:
        await victim.page.goto(attacker)
        framed = victim.page.frames[1]
        await framed.wait_for_load_state()
        assert framed.url == "chrome-error://chromewebdata/"
    assert await victim.is_in(served)


async def test_a_form_of_another_site_does_nothing(victim: Victim, served: Served, localhost: Issued) -> None:
    (token,) = {
        await each.get_attribute("value") for each in await victim.page.locator("form.out [name=token]").all()
    }  # as if the attacker had got hold of it
    form = f'<form method="post" action="{served.origin}/sign-out"><input name="token" value="{token}"><button>'
    async with another_site(localhost, {"/": form}) as attacker:
        await victim.page.goto(attacker)
        async with victim.page.expect_navigation() as sent:
            await victim.page.get_by_role("button").click()
        answer = await sent.value
        assert answer is not None
        assert answer.status == 403
    assert await victim.is_in(served)


async def test_nobody_is_signed_in_by_another_site(chromium: Browser, served: Served, localhost: Issued) -> None:
    who = await served.enrolled()
    fields = f'<input name="address" value="{who.name}"><input name="password" value="{who.password}">'
    form = f'<form method="post" action="{served.origin}/sign-in">{fields}<button>'
    async with another_site(localhost, {"/": form}) as attacker, person(chromium, attacker, attacked=True) as page:
        await page.goto(attacker)
        async with page.expect_navigation() as sent:
            await page.get_by_role("button").click()
        answer = await sent.value
        assert answer is not None
        assert answer.status == 403
        assert await page.context.cookies(served.origin) == []


async def test_another_site_reads_nothing(victim: Victim, served: Served, localhost: Issued) -> None:
    async with another_site(localhost, {"/": "<p>hello"}) as attacker:
        await victim.page.goto(attacker)
        for mode in ("cors", "no-cors"):
            read = await victim.page.evaluate(
                "([url, mode]) => fetch(url, {mode, credentials: 'include'}).then(r => r.text(), e => 'failed')",
                [f"{served.origin}/", mode],
            )
            assert read == "failed", mode


ELSEWHERE = ("https://attacker.example/", "//attacker.example/", "/\\attacker.example/", "/\t/attacker.example/")


async def test_signing_in_leads_to_our_own_pages_alone(chromium: Browser, served: Served) -> None:
    who = await served.enrolled()
    async with person(chromium, served.origin) as page:
        for wished in map(quote, ELSEWHERE):
            await page.goto(f"/sign-in?next={wished}")
            await fill_in(page, who, served.code(who))
            await page.get_by_text(f"You are signed in as {who.name}").wait_for()
            await page.goto(f"/language/en?next={wished}")
            assert page.url == f"{served.origin}/"
            await page.context.clear_cookies()


async def test_back_shows_nothing_after_signing_out(victim: Victim, served: Served) -> None:
    await victim.page.get_by_role("button", name="Sign out").click()
    await victim.page.get_by_role("status").wait_for()
    await victim.page.go_back()
    await victim.page.get_by_role("heading", name="Sign in").wait_for()
    assert victim.name not in await victim.page.content()


async def test_a_session_planted_beforehand_is_none(chromium: Browser, served: Served) -> None:
    who = await served.enrolled()
    async with person(chromium, served.origin) as page:
        await plant(page, served.origin, "planted")
        await served.sign_in(page, who, served.code(who))
        await page.get_by_role("button", name="Sign out").wait_for()
        (cookie,) = [each for each in await page.context.cookies() if each["name"] == SESSION]
        assert cookie["value"] != "planted"
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
        assert await page.evaluate("document.cookie") == ""


MARKUP = "\"'><img src=/x onerror=alert(1)>{{7*7}}"


async def test_what_people_and_programs_call_themselves_is_text(chromium: Browser, served: Served) -> None:
    """The names of an authenticator, a device, a mail program (by IMAP ID) and a browser, on every page."""
    who, dialogs = served.someone(), list[str]()
    async with person(chromium, served.origin) as page:
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await page.set_extra_http_headers({"user-agent": MARKUP})
        hand = Mouse(page)
        await served.sign_in(page, who, "")
        await hand.fill("What to call this phone", MARKUP)
        await hand.press("Continue")
        await hand.fill("Code that the app shows now", served.code(await seed_shown(page, who)))
        await hand.press("Confirm")
        await page.get_by_role("button", name="Show my recovery codes").wait_for()
        await page.goto("/devices/add/thunderbird")
        await hand.fill("Name of the device", MARKUP)
        await hand.press("Make the app password")
        await page.locator("#app-password").wait_for()
        await served.connected(who, MARKUP)
        for path, times in {"/": 0, "/security": 2, "/devices": 2, "/devices/revoke-all": 1, "/history": 0}.items():
            await page.goto(path)
            assert await page.locator("img").count() == 0
            assert (await page.locator("main").inner_text()).count(MARKUP) >= times, path
    assert dialogs == []
