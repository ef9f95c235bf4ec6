"""Every page as people see it. What a page must not do in any of them is in `looks` and `chromium.Watch`."""

from __future__ import annotations

from dataclasses import replace

from playwright.async_api import Browser, expect

from mailguard.auth.roles import Role
from tests.browser.chromium import person
from tests.browser.hands import Mouse
from tests.browser.looks import Looks
from tests.browser.served import Served, fill_in, seed_shown


async def test_the_way_in(chromium: Browser, served: Served) -> None:
    looks, who = Looks(), served.someone()
    async with person(chromium, served.origin) as page:
        await page.goto("/sign-in")
        await looks.at(page, "sign-in")
        await fill_in(page, replace(who, password="wrong"), "")
        await page.get_by_role("alert").wait_for()
        await looks.at(page, "refused")
        await page.goto("/no-such-page")
        await looks.at(page, "trouble")
    looks.assert_none()


async def test_the_first_page_and_a_lost_phone(chromium: Browser, served: Served) -> None:
    looks, who = Looks(), await served.enrolled()
    async with person(chromium, served.origin) as page:
        await served.come_in(page, who)
        await looks.at(page, "overview")
        await page.goto("/sign-in/again")
        await looks.at(page, "sign-in-again")
        await page.get_by_label("Password", exact=True).fill(who.password)
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_label("Code", exact=True).wait_for()
        await looks.at(page, "second")
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("status").wait_for()
        await looks.at(page, "signed-out")
        await served.sign_in(page, who, await served.recovery_code(who))
        await page.get_by_role("heading", name="Your new recovery code").wait_for()
        await looks.at(page, "recovered")
    looks.assert_none()


async def test_the_set_up_and_what_is_looked_after_later(chromium: Browser, served: Served) -> None:
    looks, who = Looks(), served.someone("ben")
    async with person(chromium, served.origin) as page:
        hand = Mouse(page)
        await served.sign_in(page, who, "")
        await page.get_by_role("heading", name="Set up the second step").wait_for()
        await looks.at(page, "set-up-1-why")
        await page.goto("/")
        await looks.at(page, "overview-before")
        await page.goto("/set-up")
        await hand.press("Continue")
        await page.get_by_text("The picture cannot be scanned").click()
        await looks.at(page, "set-up-2-scan")
        await hand.fill("Code that the app shows now", "000000")
        await hand.press("Confirm")
        await page.get_by_role("alert").wait_for()
        await looks.at(page, "set-up-2-wrong")
        await hand.fill("Code that the app shows now", served.code(await seed_shown(page, who)))
        await hand.press("Confirm")
        await page.get_by_role("button", name="Show my recovery codes").wait_for()
        await looks.at(page, "set-up-3-recovery")
        await hand.press("Show my recovery codes")
        await page.locator("#codes").wait_for()
        await looks.at(page, "set-up-3-codes")
        await hand.tick("I have written down, printed or saved these codes.")
        await hand.press("Continue")
        await page.get_by_label("Mail address elsewhere").wait_for()
        await looks.at(page, "set-up-4-address")
        await hand.fill("Mail address elsewhere", "ann.with.a.rather.long.name@subdomain.of.home.example")
        await hand.press("Add and continue")
        await page.get_by_role("link", name="Add a device").wait_for()
        await looks.at(page, "set-up-5-device")
        await page.goto("/security")
        await looks.at(page, "security")
        await page.get_by_role("link", name="Change “My phone”").click()
        await page.get_by_role("heading", name="My phone", exact=True).wait_for()
        await looks.at(page, "security-authenticator")
        await page.goto("/recovery-codes")
        await looks.at(page, "recovery-codes")
        await page.goto("/set-up")
        await looks.at(page, "authenticator-add")
    looks.assert_none()


async def test_programs_and_what_they_did(chromium: Browser, served: Served) -> None:
    looks, who = Looks(), await served.enrolled("ann")
    async with person(chromium, served.origin) as page:
        hand = Mouse(page)
        await served.come_in(page, who)
        await page.goto("/devices/add/other")
        await looks.at(page, "device-other")
        for program in ("outlook", "thunderbird"):
            await page.goto(f"/devices/add/{program}")
            await hand.press("Make the app password")
            await page.locator("#app-password").wait_for()
            await looks.at(page, f"device-made-{program}")
        await served.connected(who, "Thunderbird 140.5.0esr on a machine with a long name")
        await page.goto("/devices")
        await looks.at(page, "devices-live")
        async with person(chromium, served.origin) as stranger:
            await served.sign_in(stranger, who, "000000")
            await stranger.get_by_role("alert").wait_for()
        await page.goto("/history")
        await looks.at(page, "history")
        await page.get_by_text("This was not me").first.click()
        await hand.press("Cut everything off")
        await page.get_by_role("heading", name="Recovery codes").wait_for()
        await looks.at(page, "not-me")
        await page.goto("/")
        await looks.at(page, "overview-in-use")
    looks.assert_none()


PAGES = (
    "",
    "devices",
    "devices/add",
    "devices/add/iphone",
    "security",
    "security/passkeys",
    "recovery-codes",
    "history",
)
ADMIN_PAGES = (
    "",
    "/accounts",
    "/accounts/add",
    "/accounts/import",
    "/sessions",
    "/audit",
    "/readiness",
    "/policy",
    "/keys",
)


async def test_german_words_fit_too(chromium: Browser, served: Served) -> None:
    looks, who = Looks(variant="-de", axe=False), await served.enrolled(role=Role.OWNER)
    async with person(chromium, served.origin, language="de") as page:
        await page.goto("/sign-in")
        await expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()
        await served.come_in(page, who)
        for path in (*PAGES, *(f"admin{each}" for each in ADMIN_PAGES), f"admin/accounts/{who.name}"):
            answer = await page.goto(f"/{path}")
            assert answer is not None
            assert answer.ok, path
            await looks.at(page, path.replace("/", "-").replace(who.name, "one") or "overview")
    looks.assert_none()
