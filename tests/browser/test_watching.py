"""The looks themselves: each must find what it is there for."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.browser.chromium import Watch, person
from tests.browser.looks import Looks, grave
from tests.browser.served import Served

BREAKING = {
    "document.body.innerHTML = '<p style=\"color: red\">x</p>'": "Applying inline style violates",
    "document.head.append(Object.assign(document.createElement('script'), {text: 'alert(1)'}))": "inline script",
    "setTimeout(() => { throw new Error('broken') })": "broken",
}


async def visited(chromium: Browser, served: Served, act: str = "", watch: Watch | None = None) -> None:
    async with person(chromium, served.origin, watch=watch) as page:
        await page.goto("/sign-in")
        await page.evaluate(f"() => {{ {act} }}")
        await page.goto("/sign-in")


async def test_what_the_policy_refuses_and_what_breaks_is_seen(chromium: Browser, served: Served) -> None:
    for act, complaint in BREAKING.items():
        with pytest.raises(AssertionError, match=complaint):
            await visited(chromium, served, act)


async def test_a_request_to_elsewhere_is_seen(chromium: Browser, served: Served) -> None:
    with pytest.raises(AssertionError, match="static"):
        await visited(chromium, served, watch=Watch("https://another.example"))


async def test_a_page_too_wide_and_a_page_too_pale_are_seen(chromium: Browser) -> None:
    looks = Looks()
    async with person(chromium, "null") as page:
        await page.set_content("<html lang=en><title>t</title><main><pre>" + "x" * 200 + "</pre><img src='data:,'>")
        await looks.at(page, "bad")
        assert any("image-alt" in found for found in await grave(page))
    assert any("too wide for 360" in fault for fault in looks.faults)
    with pytest.raises(AssertionError):
        looks.assert_none()
