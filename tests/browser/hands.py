"""How a person works a page: by mouse or finger, or by keyboard alone. What is named is what is read or heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

_STOPS = 80  # that Tab makes on a page before it comes round again
_RING = "each => getComputedStyle(each).outlineStyle"


class Hand(Protocol):
    """Works one page."""

    page: Page

    async def press(self, name: str) -> None:
        """A button."""

    async def follow(self, name: str) -> None:
        """A link."""

    async def fill(self, label: str, text: str) -> None:
        """A field."""

    async def tick(self, label: str) -> None:
        """A box."""


class Mouse:
    """Clicks and types."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def follow(self, name: str) -> None:
        await self.page.get_by_role("link", name=name, exact=True).click()

    async def fill(self, label: str, text: str) -> None:
        await self.page.get_by_label(label, exact=True).fill(text)

    async def tick(self, label: str) -> None:
        await self.page.get_by_label(label, exact=True).check()


class Keyboard:
    """Tab, Enter, Space and letters; sees where it is."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def press(self, name: str) -> None:
        await self._reach(self.page.get_by_role("button", name=name, exact=True))
        await self.page.keyboard.press("Enter")

    async def follow(self, name: str) -> None:
        await self._reach(self.page.get_by_role("link", name=name, exact=True))
        await self.page.keyboard.press("Enter")

    async def fill(self, label: str, text: str) -> None:
        await self._reach(self.page.get_by_label(label, exact=True))
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.type(text)

    async def tick(self, label: str) -> None:
        await self._reach(self.page.get_by_label(label, exact=True))
        await self.page.keyboard.press("Space")

    async def _reach(self, target: Locator) -> None:
        await target.wait_for()
        for _ in range(_STOPS):
            if await target.evaluate("each => each === document.activeElement"):
                assert await target.evaluate(_RING) != "none", f"nobody sees that {target} has the focus"
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {target}")
