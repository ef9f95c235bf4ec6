"""Administrators with a browser each, and the people they look after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyotp
import pytest

from mailguard.auth.accounts import Account, AccountName
from mailguard.auth.roles import Role, RoleLimit
from tests.auth.test_authenticator import PASSWORD, SEED
from tests.auth.test_signin import OPERATOR
from tests.web.conftest import Portal, sign_in

if TYPE_CHECKING:
    from tests.web.browser import Browser

CHIEF = AccountName("chief@example.org")
BOB = AccountName("bob@example.org")
AWAY = AccountName("away@example.net")


@dataclass
class Offices:
    """The portal, and whoever works at it."""

    portal: Portal

    async def account(self, name: AccountName, role: Role = Role.NONE, limit: str = "", group: str = "") -> Account:
        self.portal.directory.passwords[name] = PASSWORD
        return await self.portal.store.accounts.add(
            name, actor=OPERATOR, role=role, role_limit=RoleLimit.parse(limit), group=group
        )

    async def enrolled(self, name: AccountName) -> str:
        """Give somebody an authenticator; its id."""
        device = await self.portal.store.devices.enrol(name, "phone", SEED, actor=OPERATOR)
        await self.portal.store.devices.confirm(device.id, 1, actor=OPERATOR)
        return device.id

    async def administrator(self, role: Role = Role.OWNER, limit: str = "", name: AccountName = CHIEF) -> Browser:
        """The browser of an administrator who has just signed in with a code."""
        await self.account(name, role, limit)
        await self.enrolled(name)
        return await self.enter(name)

    async def enter(self, name: AccountName, second: str = "") -> Browser:
        browser = self.portal.browser()
        page = await sign_in(browser, second or self.digits(), name=name)
        assert "__Host-mailguard" in browser.cookies, page.text
        return browser

    def digits(self) -> str:
        """The code of everybody's authenticator."""
        return pyotp.TOTP(SEED.reveal().decode()).at(int(self.portal.hands.at))


@pytest.fixture
def offices(portal: Portal) -> Offices:
    return Offices(portal)
