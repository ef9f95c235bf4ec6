"""The first page of administrators: who sees it, and what it counts."""

from __future__ import annotations

import re

import pytest

from mailguard.auth.accounts import CodeKind
from mailguard.auth.roles import Role
from tests.auth.test_authenticator import ANN
from tests.web.admin.conftest import AWAY, BOB, CHIEF, Offices
from tests.web.conftest import sign_in


def figure(text: str, word: str) -> int:
    found = re.search(rf"<b>(\d+)</b> (?:<a [^>]*>)?{word}", text)
    assert found is not None, text
    return int(found[1])


async def test_who_is_no_administrator_finds_no_such_page(offices: Offices) -> None:
    browser = await offices.portal.with_factor()
    page = await browser.get("/admin")
    assert page.status == 404
    assert "There is no such page" in page.text
    assert "Numbers" not in page.text


async def test_who_is_not_signed_in_is_led_to_sign_in(offices: Offices) -> None:
    page = await offices.portal.browser().get("/admin")
    assert (page.status, page.location) == (303, "/sign-in?next=%2Fadmin")


async def test_a_bypass_lets_no_administrator_in_here(offices: Offices) -> None:
    await offices.account(ANN, Role.OWNER)
    await offices.enrolled(ANN)
    browser = await offices.enter(ANN, await offices.portal.code(CodeKind.BYPASS, may_enrol=True))
    page = await browser.get("/admin")
    assert page.status == 400
    assert "an administrator signs in with a second factor" in page.text


async def test_the_numbers_are_those_of_the_records(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    assert (await sign_in(offices.portal.browser(), name=BOB, password="wrong")).status == 403
    page = await browser.get("/admin")
    assert page.status == 200
    assert figure(page.text, "people") == 2
    assert figure(page.text, "with a second factor") == 1
    assert figure(page.text, "accounts turned away") == 1
    assert figure(page.text, "live sessions") == 1
    assert page.text.count('role="img"') == 4
    assert "wrong-password" in page.text
    assert 'style="' not in page.text


@pytest.mark.parametrize(("limit", "people", "refusals"), [("", 3, True), ("domain:example.org", 2, False)])
async def test_a_limit_holds_for_the_numbers(offices: Offices, limit: str, people: int, refusals: bool) -> None:
    browser = await offices.administrator(Role.AUDITOR, limit)
    await offices.account(BOB)
    await offices.account(AWAY)
    await sign_in(offices.portal.browser(), name=AWAY, password="wrong")
    page = await browser.get("/admin")
    assert figure(page.text, "people") == people
    assert ("wrong-password" in page.text) is refusals


async def test_it_speaks_german(offices: Offices) -> None:
    await offices.administrator()
    browser = offices.portal.browser(language="de")
    offices.portal.hands.at += 30
    await sign_in(browser, offices.digits(), name=CHIEF)
    page = await browser.get("/admin")
    assert "Wie es steht" in page.text
    assert "Anmeldungen nach Faktor" in page.text


async def test_where_nothing_happened_the_plots_say_so(offices: Offices) -> None:
    browser = await offices.administrator()
    assert (await browser.get("/admin")).text.count("Nothing to show yet.") == 1  # nobody was refused
