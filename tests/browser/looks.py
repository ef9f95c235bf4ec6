"""Looking at a page: on a phone and on a desk, light and dark, with axe-core; and a picture of each if asked for.

`make pictures` has them in build/screenshots/.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axe_playwright_python.async_playwright import Axe

from tests.browser.chromium import HEIGHTS, SCHEMES, WIDTHS, Scheme

if TYPE_CHECKING:
    from playwright.async_api import Page

PICTURES = os.environ.get("MAILGUARD_PICTURES", "")  # a folder; empty: no pictures
_AXE = Axe().axe_script
_LOOK = "async asked => (await axe.run(document, asked)).violations"
GRAVE = ("serious", "critical")
# Of the page, or of a table that would have to be pushed to and fro.
_WIDER = """Math.max(document.scrollingElement.scrollWidth - window.innerWidth,
  ...[...document.querySelectorAll(".wide")].map(each => each.scrollWidth - each.clientWidth))"""


@dataclass
class Looks:
    """Looks at one page after the other, and tells of everything at the end."""

    variant: str = ""
    axe: bool = True
    faults: list[str] = field(default_factory=list)

    async def at(self, page: Page, name: str) -> None:
        """In every way in which it will be looked at."""
        await page.wait_for_load_state("load")
        for device, width in WIDTHS.items():
            await page.set_viewport_size({"width": width, "height": HEIGHTS[device]})
            if (wider := await page.evaluate(_WIDER)) > 0:
                self.faults.append(f"{name}: {wider} pixels too wide for {width}")
            for scheme in SCHEMES:
                await page.emulate_media(color_scheme=scheme)
                await self._picture(page, f"{name}{self.variant}-{device}-{scheme}")
                if self.axe and device == "phone":
                    self.faults += [f"{name}, {scheme}: {found}" for found in await grave(page, scheme)]

    def assert_none(self) -> None:
        """Nothing was found."""
        assert not self.faults, "\n".join(self.faults)

    async def _picture(self, page: Page, name: str) -> None:
        if PICTURES:
            await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


async def grave(page: Page, scheme: Scheme = "light") -> list[str]:
    """What axe-core calls serious or critical in the page as it is shown. In the dark, colours alone are new."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_AXE)
    asked: dict[str, Any] = {"resultTypes": ["violations"]}
    if scheme == "dark":
        asked["runOnly"] = ["color-contrast"]
    found: list[dict[str, Any]] = await page.evaluate(
        "async asked => (await axe.run(document, asked)).violations", asked
    )
    return [
        f"{each['id']}: {node['html']} {node['failureSummary']}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]
