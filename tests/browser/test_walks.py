"""People at the running guard, before a real mail store: what they click is what then opens their mail."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from mailguard.auth.attempt import MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.roles import Role
from tests.browser import ways
from tests.browser.chromium import person
from tests.browser.hands import Hand, Keyboard, Mouse
from tests.browser.test_passkeys import authenticator
from tests.e2e.clients import Login, smtplib_send
from tests.e2e.guard import Guard
from tests.e2e.letters import compose
from tests.e2e.programs import entered, until

PATIENCE = 30.0
WITHIN = 1.0  # seconds from the commit

WAYS: dict[str, tuple[Callable[[Page], Hand], dict[str, Any]]] = {
    "by mouse": (Mouse, {}),
    "by finger, without JavaScript, at night": (Mouse, {"script": False, "width": "phone", "scheme": "dark"}),
    "by keyboard": (Keyboard, {}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_from_a_bare_password_to_mail(chromium: Browser, guard: Guard, tmp_path: Path, way: str) -> None:
    hands, how = WAYS[way]
    user = guard.stack.user()
    async with person(chromium, guard.portal_url, **how) as page:
        hand = hands(page)
        _, codes = await ways.set_up(hand, user)
        assert len(codes) == 10
        secret = await ways.add_device(hand, user, "Thunderbird", "Laptop")
        await expect(page.get_by_role("cell").filter(has_text=str(guard.imap_port))).to_be_visible()
        login = Login(user.name, secret)
        with closing(await entered(guard, MailProtocol.IMAP, login)):
            letter = compose(user.name, user.name)
            await asyncio.to_thread(smtplib_send, guard.submission(), login, letter, tmp_path)
            await asyncio.to_thread(guard.stack.delivered, user.name)
            await until(lambda: guard.cli("session", "list", user.name, "--json").count('"imap"') == 1)
            await hand.follow("Done")
            device = page.get_by_role("region", name="Laptop")
            await expect(device.get_by_text("reading mail, from 127.0.0.1")).to_be_visible()


async def test_a_lost_phone(chromium: Browser, guard: Guard) -> None:
    """A recovery code lets in, the lost authenticator is removed, and a new one takes its place."""
    who = await guard.enrolled()
    async with person(chromium, guard.portal_url) as page:
        hand = Mouse(page)
        await ways.come_in(hand, who)
        await page.goto("/recovery-codes")
        codes = await ways.recovery_codes(hand)
        await hand.press("Sign out")
        await ways.sign_in(hand, who.user, codes[0])
        await expect(page.locator(".secret code")).to_have_text(re.compile(r"^[a-z0-9]{5}(-[a-z0-9]{5}){2}$"))
        await hand.follow("Continue")
        await hand.follow("Change “test”")
        await hand.press("Remove")
        await expect(page.get_by_role("status")).to_be_visible()
        await hand.press("Sign out")
        await ways.sign_in(hand, who.user, codes[0])
        await expect(page.get_by_role("alert")).to_contain_text("Sign-in failed")
        await ways.bind(hand, who.user)
        await expect(page.get_by_text("Recovery codes that are left: 0.")).to_be_visible()


async def test_revoking_a_device_cuts_it_off(chromium: Browser, guard: Guard) -> None:
    who = await guard.enrolled()
    login = Login(who.user.name, await guard.issued(who.user, sealed=True))
    async with person(chromium, guard.portal_url) as page, AsyncExitStack() as programs:
        there = [programs.enter_context(closing(await entered(guard, each, login))) for each in MailProtocol]
        hand = Mouse(page)
        await ways.come_in(hand, who)
        await page.goto("/devices")
        device = page.get_by_role("region", name="test")
        await device.locator("summary").filter(has_text="Revoke").click()
        ends = asyncio.gather(*(program.end() for program in there))
        await device.get_by_role("button", name="Revoke").click()
        await expect(page.get_by_role("status")).to_contain_text("The app password is revoked")
        await cut_off(guard, who.user.name, await asyncio.wait_for(ends, PATIENCE))


async def test_an_administrator_hands_out_and_revokes(chromium: Browser, guard: Guard) -> None:
    """A claim link, redeemed in its owner's own browser, opens mail until it is revoked."""
    chief, who = await guard.enrolled(role=Role.OWNER), await guard.enrolled()
    async with person(chromium, guard.portal_url) as page, AsyncExitStack() as programs:
        hand = Mouse(page)
        await ways.come_in(hand, chief)
        await hand.follow("Administration")
        await hand.follow("Accounts")
        await hand.fill("Part of the address", who.user.name)
        await hand.press("Search")
        await hand.follow(who.user.name)
        await hand.follow("Make claim link")
        await hand.fill("What it is for", "Tablet")
        await hand.press("Make claim link")
        link = await page.locator("#secret").inner_text()
        async with person(chromium, guard.portal_url) as theirs:
            login = Login(who.user.name, await ways.claimed(Mouse(theirs), who, link))
        there = [programs.enter_context(closing(await entered(guard, each, login))) for each in MailProtocol]
        await hand.follow("Back to the account")
        await hand.follow("Revoke app password Tablet")
        ends = asyncio.gather(*(program.end() for program in there))
        await hand.press("Revoke app password")
        await expect(page.get_by_role("status")).to_contain_text("The app password is revoked")
        await cut_off(guard, who.user.name, await asyncio.wait_for(ends, PATIENCE))


async def test_a_passkey_lets_in(chromium: Browser, guard: Guard) -> None:
    who = await guard.enrolled()
    async with person(chromium, guard.portal_url) as page:
        await authenticator(page)
        hand = Mouse(page)
        await ways.come_in(hand, who)
        await page.goto("/security/passkeys/add")
        await hand.fill("Name of the device", "My laptop")
        await hand.press("Add a passkey")
        await expect(page.get_by_role("status")).to_contain_text("The passkey counts from now on")
        await hand.press("Sign out")
        await ways.first_page(hand, who.user)
        await hand.press("Use a passkey")
        await expect(page.get_by_text(f"You are signed in as {who.user.name}")).to_be_visible()


async def cut_off(guard: Guard, name: str, ends: Sequence[float]) -> None:
    """Each session ended within a second after the revocation was in the record."""
    async with guard.records() as records:
        rows = [entry.row for entry in await records.audit.list(name)]
    (committed,) = [row.at for row in rows if row.event is Event.APP_PASSWORD_REVOKED]
    after = [end - committed for end in ends]
    assert all(0 <= seconds < WITHIN for seconds in after), after
