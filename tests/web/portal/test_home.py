"""The first page: how it stands, and what is worth doing."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.auth import recovery
from mailguard.auth.accounts import CodeKind
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.standing import Proven
from mailguard.desk import app_passwords, recovery_codes
from mailguard.secret import Secret
from mailguard.web import paths, texts
from mailguard.web.portal.glance import Glance
from mailguard.web.texts import LANGUAGES
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.auth.test_signin import OPERATOR
from tests.desk.test_app_passwords import WISH
from tests.web.conftest import Portal

NOTHING = Glance(0, 0, 0, 0, recovery_codes.Left(0, kept=False, newest=""), stale=True, last=None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_advice_has_its_words(language: str) -> None:
    unkept = replace(NOTHING, left=recovery_codes.Left(10, kept=False, newest="a"))
    few = replace(NOTHING, left=recovery_codes.Left(3, kept=True, newest="a"))
    keys = {advice.key for glance in (NOTHING, unkept, few) for advice in glance.advice}
    assert len(keys) == 6
    known = texts.read(language)
    assert {key for key in keys if f"home.{key}" not in known or f"home.{key}_do" not in known} == set()


async def test_with_a_new_authenticator_there_is_much_to_do(portal: Portal) -> None:
    browser = await portal.with_factor()
    page = await browser.get(paths.HOME)
    for words in ("You have no recovery codes", "You have no second address", "No phone or mail program"):
        assert words in page.text
    assert "Authenticators: 1. Passkeys: 0" in page.text
    browser.language = "de"
    assert "Was sich lohnt" in (await browser.get(paths.HOME)).text


async def test_when_all_is_done_nothing_is_asked_for(portal: Portal) -> None:
    browser = await portal.with_factor()
    (session,) = await portal.store.portal_sessions.list(ANN)
    await recovery_codes.issue(portal.desk, session.signed)
    assert "have not said that you keep them" in (await browser.get(paths.HOME)).text
    await recovery_codes.keep(portal.desk, session.signed)
    await portal.store.addresses.add(ANN, "ann@home.example", actor=OPERATOR)
    await app_passwords.issue(portal.desk, session.signed, WISH)
    page = await browser.get(paths.HOME)
    assert "Worth doing" not in page.text
    assert "Devices: 1" in page.text


async def test_few_codes_are_said(portal: Portal) -> None:
    browser = await portal.with_factor()
    await portal.store.codes.issue(ANN, CodeKind.RECOVERY, recovery.make(3), actor=OPERATOR)
    assert "Few recovery codes are left: 3." in (await browser.get(paths.HOME)).text


async def test_a_device_whose_password_is_stale_is_said(portal: Portal, tmp_path: Path) -> None:
    portal.own = frozenset({MailProtocol.IMAP})
    browser = await portal.with_factor()
    (session,) = await portal.store.portal_sessions.list(ANN)
    proven = Proven(session.account.id, Secret(PASSWORD.encode()))
    await app_passwords.issue(portal.desk, session.signed, WISH, proven)
    assert "Your mail password has changed" not in (await browser.get(paths.HOME)).text
    with sqlite3.connect(tmp_path / "mailguard.db") as connection:  # as at the store's NO
        connection.execute("UPDATE vault SET refused_at = ?", (portal.hands.at,))
    assert "Your mail password has changed" in (await browser.get(paths.HOME)).text


async def test_the_sign_in_before_this_one_is_named(portal: Portal) -> None:
    await portal.with_factor()
    portal.hands.at += 3600
    browser = await portal.signed_in(portal.digits())
    page = await browser.get(paths.HOME)
    assert "Your sign-in before this one:" in page.text
    assert "192.0.2.7" in page.text


async def test_a_bypass_is_told_nothing_that_it_cannot_do(portal: Portal) -> None:
    await portal.enrol()
    browser = await portal.signed_in(await portal.code(CodeKind.BYPASS))
    page = await browser.get(paths.HOME)
    assert page.status == 200
    assert "Worth doing" not in page.text
