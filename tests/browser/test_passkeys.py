"""Passkeys by clicking, in Chromium with an authenticator of its own: our script, our pages, its signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.auth.accounts import AccountName
from tests.browser.chromium import person
from tests.browser.looks import Looks

if TYPE_CHECKING:
    from playwright.async_api import Browser, CDPSession, Page

    from tests.browser.served import Served, Someone

PHONE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


async def authenticator(page: Page) -> tuple[CDPSession, str]:
    """One that is at hand, and shows itself at once."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": PHONE})
    return session, made["authenticatorId"]


async def add(page: Page, name: str) -> None:
    await page.goto("/security/passkeys/add")
    await page.get_by_label("Name of the device").fill(name)
    await page.get_by_role("button", name="Add a passkey").click()


async def to_second_page(page: Page, who: Someone) -> None:
    await page.goto("/sign-in")
    await page.get_by_label("Mail address").fill(who.name)
    await page.get_by_label("Password").fill(who.password)
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("button", name="Use a passkey").wait_for()


async def test_a_passkey_is_added_and_lets_in(chromium: Browser, served: Served) -> None:
    who, looks = await served.enrolled(), Looks()
    async with person(chromium, served.origin) as page:
        session, at_hand = await authenticator(page)
        await served.come_in(page, who)
        await page.goto("/security/passkeys/add")
        await page.get_by_text("Passkeys need JavaScript").wait_for(state="hidden")
        await looks.at(page, "passkey-add")
        await add(page, "Ann's laptop")
        await page.get_by_text("The passkey counts from now on").wait_for()
        await page.get_by_role("link", name="Passkeys").click()
        await page.get_by_role("heading", name="Ann's laptop").wait_for()
        await looks.at(page, "passkeys")
        await add(page, "once more")
        await page.get_by_text("holds a passkey for your account already").wait_for()
        await page.get_by_role("button", name="Sign out").click()
        await to_second_page(page, who)
        await looks.at(page, "second-with-passkey")
        await page.get_by_role("button", name="Use a passkey").click()
        await page.get_by_text(f"You are signed in as {who.name}").wait_for()
        (kept,) = await served.portal.store.passkeys.list(AccountName(who.name))
        assert (kept.name, kept.last_used_at) == ("Ann's laptop", served.portal.hands.at)
        # On another device there is none: it is said, and the code is still there to be typed.
        await page.get_by_role("button", name="Sign out").click()
        await session.send("WebAuthn.clearCredentials", {"authenticatorId": at_hand})
        await to_second_page(page, who)
        await page.get_by_role("button", name="Use a passkey").click()
        await page.get_by_text("The browser gave no passkey").wait_for()
        await page.get_by_label("Code").fill(served.code(who))
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_text(f"You are signed in as {who.name}").wait_for()
    looks.assert_none()


async def test_the_first_factor_may_be_a_passkey(chromium: Browser, served: Served) -> None:
    who = served.someone()
    async with person(chromium, served.origin) as page:
        await authenticator(page)
        await to_second_page(page, who)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_load_state("load")
        await page.get_by_role("link", name="Add a passkey instead").click()
        await page.get_by_label("Name of the device").fill("laptop")
        await page.get_by_role("button", name="Add a passkey").click()
        await page.get_by_role("heading", name="Recovery codes").wait_for()
        await page.get_by_role("button", name="Sign out").click()
        await to_second_page(page, who)
        await page.get_by_role("button", name="Use a passkey").click()
        await page.get_by_text(f"You are signed in as {who.name}").wait_for()


async def test_without_script_the_code_stays(chromium: Browser, served: Served) -> None:
    who = await served.enrolled()
    async with person(chromium, served.origin, script=False) as page:
        await served.come_in(page, who)
        await page.goto("/security/passkeys/add")
        assert await page.get_by_text("Passkeys need JavaScript").is_visible()
        assert not await page.get_by_role("button", name="Add a passkey").is_visible()
        await page.get_by_role("button", name="Sign out").click()
        await served.sign_in(page, who, served.code(who))
        await page.get_by_text(f"You are signed in as {who.name}").wait_for()
