"""API keys at the page: made by owners, shown once, revoked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mailguard.admin import keys
from mailguard.auth.events import Event
from mailguard.auth.roles import Role
from mailguard.secret import Secret
from tests.auth.test_authenticator import HOME
from tests.web.admin.conftest import Offices

if TYPE_CHECKING:
    from tests.web.browser import Browser, Page

NASTY = "<i>backup</i>"


async def made(browser: Browser, **values: str) -> Page:
    """A key for reading, or what these values make of it."""
    form = {"label": NASTY, "days": "30", "role": "auditor", "limit": "", "scopes": "read", **values}
    return await browser.fill("/admin/keys/add", **form)


async def test_a_key_is_made_shown_once_and_revoked(offices: Offices) -> None:
    browser = await offices.administrator()
    page = await made(browser)
    found = re.search(r'<code id="secret">(mgk_[^<]+)</code>', page.text)
    assert found is not None
    bureau = offices.portal.house.bureau
    acting = await keys.recognise(bureau, Secret(found[1].encode()), HOME)
    assert acting is not None
    assert acting.role is Role.AUDITOR
    listed = await browser.get("/admin/keys")
    assert found[1] not in listed.text
    assert NASTY not in listed.text
    assert "&lt;i&gt;backup" in listed.text
    done = await browser.fill(f"/admin/keys/{acting.key}/revoke")
    assert "The API key is revoked." in done.text
    assert await keys.recognise(bureau, Secret(found[1].encode()), HOME) is None


async def test_a_form_that_comes_twice_makes_one(offices: Offices) -> None:
    browser = await offices.administrator()
    values = {"label": "backup", "days": "30", "role": "auditor", "scopes": "read"}
    form = {**(await browser.get("/admin/keys/add")).form("/admin/keys/add"), **values}
    assert [(await browser.post("/admin/keys/add", form)).status for _ in range(2)] == [200, 409]
    assert len(await offices.portal.store.api_keys.list()) == 1


@pytest.mark.parametrize(
    "wrong", [{"days": "0"}, {"days": "366"}, {"days": "nan"}, {"scopes": ""}, {"role": ""}, {"limit": "planet:mars"}]
)
async def test_a_key_that_cannot_be_is_refused(offices: Offices, wrong: dict[str, str]) -> None:
    browser = await offices.administrator()
    assert (await made(browser, **wrong)).status == 400
    assert Event.API_KEY_ISSUED not in await offices.portal.events()


async def test_a_limited_owner_gives_no_key_that_reaches_further(offices: Offices) -> None:
    browser = await offices.administrator(Role.OWNER, "domain:example.org")
    assert (await made(browser, limit="domain:example.net")).status == 403
    page = await made(browser)
    assert page.status == 200
    assert "domain:example.org" in (await browser.get("/admin/keys")).text


async def test_an_auditor_sees_keys_and_makes_none(offices: Offices) -> None:
    browser = await offices.administrator(Role.AUDITOR)
    page = await browser.get("/admin/keys")
    assert page.status == 200
    assert "/admin/keys/add" not in page.text
    assert (await browser.get("/admin/keys/add")).status == 403
