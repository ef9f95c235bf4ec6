"""The pages of administrators, looked at and clicked through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.auth.attempt import Factor, Origin, Reason
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.auth.roles import Role
from tests.browser.chromium import person
from tests.browser.hands import Mouse
from tests.browser.looks import Looks

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.browser.served import Served

DAY = 86_400.0
PASSED = (Factor.CODE, Factor.RECOVERY_CODE, *[Factor.APP_PASSWORD] * 5, *[Factor.CODE] * 2, Factor.APP_PASSWORD)
TURNED_AWAY = (*[Reason.WRONG_PASSWORD] * 3, Reason.CODE_MISSING, Reason.THROTTLED, Reason.CODE_MISSING, Reason.REPLAY)
MARKUP = "\"'><img src=/x onerror=alert(1)>"


async def a_week_of(served: Served, name: str) -> None:
    """Sign-ins and refusals, a few more each day."""
    now, origin = served.portal.hands.at, Origin.of("203.0.113.9", 40001)
    for day in range(7):
        at = now - (6 - day) * DAY
        passed = [AuditRow(Event.LOGIN_GRANTED, at, name, origin=origin, factor=each) for each in PASSED]
        failed = [AuditRow(Event.LOGIN_REFUSED, at, name, origin=origin, reason=each) for each in TURNED_AWAY]
        for row in [*passed[: 4 + day], *failed[: 1 + day]]:
            await served.portal.store.audit.refused(row)


async def test_every_page(chromium: Browser, served: Served) -> None:
    looks = Looks()
    chief, ann = await served.enrolled("carla", role=Role.OWNER), await served.enrolled("dora")
    await a_week_of(served, ann.name)
    async with person(chromium, served.origin) as page:
        hand = Mouse(page)
        async with person(chromium, served.origin) as hers:
            await served.come_in(hers, ann)
            await hers.goto("/devices/add/thunderbird")
            await Mouse(hers).fill("Name of the device", MARKUP)
            await Mouse(hers).press("Make the app password")
            await hers.locator("#app-password").wait_for()
        await served.connected(ann, MARKUP)
        await served.come_in(page, chief)
        await hand.follow("Administration")
        await looks.at(page, "admin-overview")
        for name, path in {
            "accounts": "accounts",
            "account": f"accounts/{ann.name}",
            "claim-link": f"accounts/{ann.name}/claim-link",
            "bypass": f"accounts/{ann.name}/bypass",
            "change": f"accounts/{ann.name}/change",
            "suspend": f"accounts/{ann.name}/suspend",
            "add": "accounts/add",
            "import": "accounts/import",
            "sessions": "sessions",
            "record": "audit?reason=replay",
            "readiness": "readiness",
            "policy": "policy",
            "keys": "keys",
            "key-add": "keys/add",
        }.items():
            await page.goto(f"/admin/{path}")
            await page.locator("h1").wait_for()
            assert await page.locator("img").count() == 0, "a name is markup"
            await looks.at(page, f"admin-{name}")
        await page.goto(f"/admin/accounts/{ann.name}/claim-link")
        await hand.fill("What it is for", "Tablet")
        await hand.press("Make claim link")
        await page.locator("#secret").wait_for()
        await looks.at(page, "admin-handed")
        await page.goto(f"/admin/accounts/{chief.name}/suspend")
        await looks.at(page, "admin-refused")
    looks.assert_none()
