"""Every page as people see it. What a page must not do in any of them is in `looks` and `chromium.Watch`."""

from __future__ import annotations

from dataclasses import replace

from playwright.async_api import Browser

from mailguard.auth.policy import Policy
from mailguard.config.choices import TwoFactor
from tests.browser.chromium import person
from tests.browser.looks import Looks
from tests.browser.served import Served, fill_in


async def test_the_way_in(chromium: Browser, served: Served) -> None:
    looks, who = Looks(), served.someone()
    async with person(chromium, served.origin) as page:
        await page.goto("/sign-in")
        await looks.at(page, "sign-in")
        await fill_in(page, replace(who, password="wrong"), "")
        await page.get_by_role("alert").wait_for()
        await looks.at(page, "refused")
        with served.under(Policy(two_factor=TwoFactor.ENFORCE)):
            await served.sign_in(page, who, "")
            await page.get_by_role("heading", name="You need an enrolment code").wait_for()
        await looks.at(page, "needs-code")
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
