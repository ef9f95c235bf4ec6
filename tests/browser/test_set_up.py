"""What only a browser shows of the set-up: reload, Back, and a file that is saved; with script and without."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyotp
import pytest
from playwright.async_api import expect

from mailguard.auth.accounts import AccountName
from mailguard.auth.policy import Policy
from mailguard.config.choices import TwoFactor
from tests.browser.chromium import person

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.browser.served import Served

CODE = re.compile(r"[a-z2-9]{5}-[a-z2-9]{5}-[a-z2-9]{5}")


async def confirm(page: Page, served: Served) -> None:
    """Read the key that the page shows, as an app would, and type the code."""
    link = await page.get_by_role("link", name="Open the app").get_attribute("href")
    assert link is not None
    shown = pyotp.parse_uri(link)
    assert isinstance(shown, pyotp.TOTP)
    await page.get_by_label("Code that the app shows now").fill(shown.at(int(served.portal.hands.at)))
    await page.get_by_role("button", name="Confirm").click()


@pytest.mark.parametrize("script", [True, False])
async def test_the_set_up_from_end_to_end(chromium: Browser, served: Served, *, script: bool) -> None:
    who = served.someone()
    await served.portal.store.accounts.add(AccountName(who.name), actor="operator:root")
    async with person(chromium, served.origin, script=script) as page:
        with served.under(Policy(two_factor=TwoFactor.WARN)):
            await served.sign_in(page, who, "")
            await page.get_by_role("link", name="Later").click()
            await expect(page.get_by_text("strongly advises a second step")).to_be_visible()
            await page.get_by_role("link", name="Set it up now").click()
            await page.get_by_label("What to call this phone").fill("Ann's phone")
            await page.get_by_role("button", name="Continue").click()
            picture = page.get_by_role("img", name="QR code")
            await expect(picture).to_be_visible()
            await page.get_by_label("Code that the app shows now").fill("000000")
            await page.get_by_role("button", name="Confirm").click()
            await expect(page.get_by_role("alert")).to_be_visible()
            await confirm(page, served)
            await page.get_by_role("button", name="Show my recovery codes").click()
            await expect(page.get_by_text("shown this once")).to_be_visible()
            codes = CODE.findall(await page.locator("#codes").inner_text())
            assert len(codes) == 10
            for _ in range(2):  # a download does not use the form up
                async with page.expect_download() as saved:
                    await page.get_by_role("button", name="Save as a file").click()
                file = await saved.value
                assert file.suggested_filename == "recovery-codes-mail.example.org.txt"
                assert codes[0] not in file.url
                assert CODE.findall((await file.path()).read_text()) == codes
            await page.get_by_role("checkbox").check()
            await page.get_by_role("button", name="Continue").click()
            await page.get_by_label("Mail address elsewhere").fill("ann@home.example")
            await page.get_by_role("button", name="Add and continue").click()
            await expect(page.get_by_role("heading", name="Connect your first device")).to_be_visible()
            await page.get_by_role("link", name="Later: to the overview").click()
            await expect(page.get_by_text("Recovery codes: 10")).to_be_visible()


async def test_back_and_reload_lose_no_secret(chromium: Browser, served: Served) -> None:
    who = served.someone()
    await served.portal.store.accounts.add(AccountName(who.name), actor="operator:root")
    async with person(chromium, served.origin) as page:
        await served.sign_in(page, who, "")
        await page.get_by_role("button", name="Continue").click()
        link = page.get_by_role("link", name="Open the app")
        first = await link.get_attribute("href")
        await page.reload()
        assert await link.get_attribute("href") == first
        await page.go_back()
        await page.reload()
        await page.get_by_role("button", name="Go on").click()
        assert await link.get_attribute("href") == first
        await page.get_by_role("button", name="Start again").click()
        await page.get_by_role("button", name="Continue").click()
        assert await link.get_attribute("href") != first
