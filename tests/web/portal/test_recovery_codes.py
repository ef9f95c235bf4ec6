"""Recovery codes are shown once, and never lost by a page that is loaded again."""

from __future__ import annotations

import pytest

from mailguard.auth.standing import FRESH_SECONDS
from mailguard.desk import recovery_codes
from mailguard.web import paths
from tests.auth.test_authenticator import ANN
from tests.web.browser import Browser, Page
from tests.web.conftest import Portal, sign_in
from tests.web.portal.test_set_up import codes_of


async def made(browser: Browser) -> Page:
    page = await browser.get(paths.RECOVERY_CODES)
    return await browser.post(paths.RECOVERY_CODES, page.form(paths.RECOVERY_CODES))


async def test_a_form_sent_twice_ends_no_codes_that_were_just_written_down(portal: Portal) -> None:
    browser = await portal.with_factor()
    page = await browser.get(paths.RECOVERY_CODES)
    sent = page.form(paths.RECOVERY_CODES)
    codes = codes_of(await browser.post(paths.RECOVERY_CODES, sent))
    again = await browser.post(paths.RECOVERY_CODES, sent)
    assert again.location == f"{paths.RECOVERY_CODES}?done=codes-shown"
    assert "were shown once already" in (await browser.get(again.location)).text
    assert (await sign_in(portal.browser(), codes[0])).status == 200


async def test_new_codes_end_the_old_ones(portal: Portal) -> None:
    browser = await portal.with_factor()
    old, new = codes_of(await made(browser)), codes_of(await made(browser))
    assert len({*old, *new}) == 20
    assert (await sign_in(portal.browser(), old[0])).status == 403
    assert (await sign_in(portal.browser(), new[0])).status == 200


async def test_codes_take_a_fresh_sign_in(portal: Portal) -> None:
    browser = await portal.with_factor()
    portal.hands.at += FRESH_SECONDS
    page = await made(browser)
    assert page.location.startswith(paths.AGAIN)
    assert await portal.store.codes.list(ANN) == ()


async def test_the_file_holds_what_the_page_showed(portal: Portal) -> None:
    browser = await portal.with_factor()
    page = await made(browser)
    file = await browser.post(paths.RECOVERY_FILE, page.form(paths.RECOVERY_FILE))
    assert file.headers["content-disposition"] == 'attachment; filename="recovery-codes-mail.example.org.txt"'
    assert file.headers["cache-control"] == "no-store"
    assert file.headers["content-type"].startswith("text/plain")
    assert "\n".join(codes_of(page)) in file.text


@pytest.mark.parametrize("codes", ["", "<script>", "abcde-abcde-abcde\nhello", "abcde-abcde-abcde\n" * 11])
async def test_the_file_holds_nothing_else(portal: Portal, codes: str) -> None:
    browser = await portal.with_factor()
    page = await made(browser)
    file = await browser.post(paths.RECOVERY_FILE, {**page.form(paths.RECOVERY_FILE), "codes": codes})
    assert file.status in (400, 422)
    assert "content-disposition" not in file.headers


async def test_whoever_does_not_say_that_they_keep_them_is_reminded(portal: Portal) -> None:
    browser = await portal.with_factor()
    page = await made(browser)
    form = page.form(paths.RECOVERY_KEPT)
    await browser.post(paths.RECOVERY_KEPT, form)
    assert "have not said yet that you keep them" in (await browser.get(paths.SECURITY)).text
    await browser.post(paths.RECOVERY_KEPT, {**form, "kept": "yes"})
    assert "have not said yet that you keep them" not in (await browser.get(paths.SECURITY)).text
    await made(browser)
    assert "have not said yet that you keep them" in (await browser.get(paths.SECURITY)).text


async def test_how_many_are_left_is_counted(portal: Portal) -> None:
    browser = await portal.with_factor()
    codes = codes_of(await made(browser))
    (session,) = await portal.store.portal_sessions.list(ANN)
    assert (await recovery_codes.left(portal.desk, session.signed)).count == 10
    await sign_in(portal.browser(), codes[0])
    left = await recovery_codes.left(portal.desk, session.signed)
    assert (left.count, left.few) == (10, False), "the one that was used has been replaced"
