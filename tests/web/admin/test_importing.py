"""A list of accounts at the page: looked at first, then made; all of it or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailguard.auth.events import Event
from mailguard.auth.roles import Role
from mailguard.config import Policy
from tests.web.admin.conftest import AWAY, BOB, Offices
from tests.web.browser import HOST

if TYPE_CHECKING:
    from tests.web.browser import Browser, Page

PATH = "/admin/accounts/import"


async def sent(browser: Browser, values: dict[str, str], file: bytes | None = None) -> Page:
    """The form, as a browser sends one with a file in it."""
    token = (await browser.get(PATH)).form(PATH)["token"]
    parts = [
        f'--xx\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in {"token": token, **values}.items()
    ]
    if file is not None:
        head = (
            b'--xx\r\ncontent-disposition: form-data; name="file"; filename="l.csv"\r\ncontent-type: text/csv\r\n\r\n'
        )
        parts.append(head + file + b"\r\n")
    headers = {"origin": f"https://{HOST}", "content-type": "multipart/form-data; boundary=xx"}
    return await browser.send("POST", PATH, b"".join((*parts, b"--xx--\r\n")), headers)


@pytest.mark.parametrize("as_file", [True, False])
async def test_a_list_is_looked_at_and_then_made(offices: Offices, as_file: bool) -> None:
    offices.portal.settings = replace(offices.portal.settings, policy=Policy(group={"staff": Policy()}))
    browser = await offices.administrator()
    await offices.account(AWAY)
    lines = f"# people\n{BOB},staff\n{AWAY}\n"
    page = await (sent(browser, {}, lines.encode("utf-8-sig")) if as_file else sent(browser, {"lines": lines}))
    assert "Would be made: 1" in page.text
    assert "There already, and left as they are: 1" in page.text
    assert await offices.portal.store.accounts.get(BOB) is None
    page = await sent(browser, {"lines": lines, "sure": "1"})
    assert "Accounts made: 1" in page.text
    account = await offices.portal.store.accounts.get(BOB)
    assert account is not None
    assert account.group == "staff"


async def test_every_line_that_cannot_be_is_named_and_nothing_is_made(offices: Offices) -> None:
    browser = await offices.administrator()
    lines = f"{BOB}\nno at\n<b>x</b>@example.org,nowhere\na@example.org,b,c\n"
    for sure in ("", "1"):
        page = await sent(browser, {"lines": lines, "sure": sure})
        assert page.status == 400
        assert all(f"line {number}:" in page.text for number in (2, 3, 4))
        assert "line 1:" not in page.text
        assert "<b>x" not in page.text
    assert await offices.portal.store.accounts.get(BOB) is None


async def test_whoever_is_limited_brings_no_list_that_reaches_further(offices: Offices) -> None:
    browser = await offices.administrator(Role.OWNER, "domain:example.org")
    for sure in ("", "1"):
        assert (await sent(browser, {"lines": f"{BOB}\n{AWAY}\n", "sure": sure})).status == 403
    assert await offices.portal.store.accounts.get(BOB) is None
    assert (await sent(browser, {"lines": f"{BOB}\n", "sure": "1"})).status == 200


async def test_what_is_no_text_is_said(offices: Offices) -> None:
    browser = await offices.administrator()
    page = await sent(browser, {}, b"\xff\xfe\x00")
    assert page.status == 400
    assert "no text in UTF-8" in page.text


async def test_a_list_beyond_all_measure_is_not_read(offices: Offices) -> None:
    browser = await offices.administrator()
    page = await sent(browser, {}, b"x" * (4 * 1024 * 1024))
    assert page.status == 413
    assert Event.ACCOUNT_ADDED not in (await offices.portal.events())[2:]
