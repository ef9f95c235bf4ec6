"""The pages of devices, clicked through: added, looked at, ended; another device set up by a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailguard.auth.accounts import AccountName, Claim
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.passwords import digest_claim, generate_app_password
from mailguard.store import new_id
from mailguard.web.portal.guides import Program
from tests.auth.test_signin import OPERATOR
from tests.browser.chromium import person
from tests.browser.looks import Looks

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.browser.served import Served

LONG = "The very long name of a <b>device</b> that somebody gave it, whole"[:60]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
async def test_a_device_is_added_and_ended(chromium: Browser, served: Served, *, script: bool) -> None:
    looks, who = Looks(axe=script, variant="" if script else "-plain"), await served.enrolled()
    async with person(chromium, served.origin, script=script) as page:
        await served.come_in(page, who)
        await page.get_by_role("navigation").get_by_role("link", name="Devices").click()
        await looks.at(page, "devices-none")
        await page.get_by_role("link", name="Add a device").click()
        await looks.at(page, "devices-choose")
        await page.get_by_role("link", name="Thunderbird for Android, K-9").click()
        await looks.at(page, "devices-name")
        await page.get_by_label("Name of the device").fill(LONG)
        await page.get_by_role("button", name="Make the app password").click()
        await page.get_by_role("heading", name="Your new app password").wait_for()
        await looks.at(page, "devices-made")
        await page.get_by_role("link", name="Done").click()
        await looks.at(page, "devices")
        await page.get_by_role("group").filter(has_text="Revoke").get_by_text("Revoke").first.click()
        await looks.at(page, "devices-open")
        await page.get_by_role("button", name="Revoke").click()
        await page.get_by_role("status").wait_for()
        await page.get_by_text("Ended: 1").click()
        await looks.at(page, "devices-ended")
    looks.assert_none()


async def test_another_device_and_a_link_of_an_administrator(chromium: Browser, served: Served) -> None:
    looks, who = Looks(), await served.enrolled()
    async with person(chromium, served.origin) as page:
        await served.come_in(page, who)
        await page.goto("/devices/add/iphone")
        await looks.at(page, "devices-apple")
        await page.get_by_role("button", name="Show a code for another device").click()
        await page.get_by_role("img").first.wait_for()
        await looks.at(page, "handout-made")
        link = await page.locator("#link").inner_text()
        async with person(chromium, served.origin) as phone:
            await phone.goto(link)
            await looks.at(phone, "handout")
            async with phone.expect_download() as coming:
                await phone.get_by_role("button", name="Set up this device").click()
            assert (await coming.value).suggested_filename == "example.org.mobileconfig"
            await phone.goto(link)
            await looks.at(phone, "handout-over")
        await page.goto(await claim_of(served, who.name))
        await page.get_by_role("heading", name="An app password for you").wait_for()
        await looks.at(page, "claim")
        await page.get_by_label("Where do you put it?").select_option("outlook")
        await page.get_by_role("button", name="Make the app password").click()
        await page.get_by_role("heading", name="Outlook (classic)").wait_for()
        await looks.at(page, "claim-made")
        await page.goto("/claim")
        await looks.at(page, "claim-over")
        await page.goto("/devices/revoke-all")
        await looks.at(page, "devices-revoke-all")
    looks.assert_none()


async def claim_of(served: Served, name: str) -> str:
    """The path of a link that an administrator made."""
    store, token = served.portal.store, generate_app_password()
    account = await store.accounts.get(AccountName(name))
    assert account is not None
    now = served.portal.hands.at
    made = Claim(new_id(), account.id, "tablet", frozenset({MailProtocol.IMAP}), now, now + 86_400, issued_by=OPERATOR)
    await store.claims.issue(AccountName(name), made, digest_claim(served.portal.ring, token), actor=OPERATOR)
    return f"/claim/{token.reveal().decode()}"


async def test_in_german_on_a_phone(chromium: Browser, served: Served) -> None:
    looks, who = Looks("-de"), await served.enrolled()
    async with person(chromium, served.origin, language="de-DE") as page:
        await served.come_in(page, who)
        for program in Program:
            await page.goto(f"/devices/add/{program}")
            await looks.at(page, f"devices-name-{program}")
            await page.get_by_role("main").get_by_role("button").last.click()
            await page.get_by_role("heading", name="Ihr neues App-Passwort").wait_for()
            await looks.at(page, f"devices-made-{program}")
        await page.goto("/devices")
        await looks.at(page, "devices-all")
    looks.assert_none()
