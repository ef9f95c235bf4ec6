"""Sessions, the record, policy and readiness, as administrators see them: within their limit, and only to look at."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from mailguard.auth.attempt import Factor, MailProtocol
from mailguard.auth.events import Event
from mailguard.auth.roles import Role
from mailguard.config import Policy
from mailguard.config.choices import TwoFactor
from mailguard.store import new_id
from mailguard.store.sessions import SessionRow
from tests.store.words import granted
from tests.web.admin.conftest import AWAY, BOB, CHIEF, Offices
from tests.web.conftest import sign_in

NASTY = "<img src=x onerror=alert(1)>"


async def connected(offices: Offices, account: str, client: str = "") -> str:
    """A mail program of this account is connected; the session's id."""
    at = offices.portal.hands.at
    row = SessionRow(
        new_id(), account, MailProtocol.IMAP, "192.0.2.9", 4711, 1, Factor.PASSWORD, "", "", "", client, at, at
    )
    await offices.portal.store.sessions.opened([row])
    return row.id


async def test_live_sessions_of_mail_and_portal_are_listed_and_ended(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    session = await connected(offices, BOB, NASTY)
    page = await browser.get("/admin/sessions")
    assert "Connected now: 2" in page.text
    assert NASTY not in page.text
    assert CHIEF in page.text
    path = f"/admin/accounts/{BOB}/session/{session}"
    assert path in page.text.replace("%40", "@")
    done = await browser.fill(path)
    assert "The session is being ended." in done.text
    assert Event.SESSION_END_ASKED in await offices.portal.events()


async def test_a_session_ends_by_its_own_accounts_page_alone(offices: Offices) -> None:
    browser = await offices.administrator(Role.HELPDESK, "domain:example.org")
    await offices.account(BOB)
    await offices.account(AWAY)
    session = await connected(offices, AWAY)
    token = (await browser.get("/admin")).form()["token"]
    assert (await browser.post(f"/admin/accounts/{BOB}/session/{session}", {"token": token})).status == 404
    assert (await browser.post(f"/admin/accounts/{AWAY}/session/{session}", {"token": token})).status == 404
    assert AWAY not in (await browser.get("/admin/sessions")).text


async def test_everybody_is_cut_off_after_a_question(offices: Offices) -> None:
    browser = await offices.administrator()
    page = await browser.fill("/admin/sessions/end-all")
    assert Event.SESSION_END_ASKED in await offices.portal.events()
    assert page.status == 200


@pytest.mark.parametrize(
    ("asked", "events"),
    [
        ("account=bob@example.org&event=sign-in-refused", ["sign-in-refused"]),
        ("event=sign-in-granted", ["sign-in-granted"]),
        ("reason=wrong-password", ["sign-in-refused"]),
        ("reason=nothing", []),
        ("address=192.0.2.7&event=sign-in-refused", ["sign-in-refused"]),
        ("address=192.0.2.8", []),
        ("actor=nobody", []),
        ("since=2999-01-01", []),
        ("until=1999-01-01", []),
    ],
)
async def test_the_record_is_searched_and_exported(offices: Offices, asked: str, events: list[str]) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    await sign_in(offices.portal.browser(), name=BOB, password="wrong")
    page = await browser.get(f"/admin/audit?{asked}")
    assert page.status == 200
    assert re.findall(r"<code>([a-z-]+)</code>", page.text) == events
    export = await browser.get(f"/admin/audit/export?{asked}")
    assert export.headers["content-disposition"].startswith("attachment;")
    assert export.headers["cache-control"] == "no-store"
    assert [json.loads(line)["event"] for line in export.text.splitlines()] == events


@pytest.mark.parametrize("asked", ["since=yesterday", "until=2026-13-01", "before=x", "before=0", "before=-1"])
async def test_what_is_no_day_and_no_row_is_said(offices: Offices, asked: str) -> None:
    browser = await offices.administrator()
    assert (await browser.get(f"/admin/audit?{asked}")).status == 400


async def test_the_record_goes_on_page_by_page(offices: Offices) -> None:
    browser = await offices.administrator()
    await offices.account(BOB)
    for _ in range(120):
        await offices.portal.store.accounts.suspend(BOB, actor="operator:root")
        await offices.portal.store.accounts.resume(BOB, actor="operator:root")
    first = await browser.get("/admin/audit?event=account-suspended")
    onward = re.search(r'href="(/admin/audit\?[^"]*before=\d+)"', first.text)
    assert onward is not None
    second = await browser.get(onward[1].replace("&amp;", "&"))
    assert (first.text.count("<code>account-suspended"), second.text.count("<code>account-suspended")) == (100, 20)


async def test_a_limit_holds_for_the_record_and_its_export(offices: Offices) -> None:
    browser = await offices.administrator(Role.AUDITOR, "domain:example.org")
    await offices.account(BOB)
    await offices.account(AWAY)
    for asked in ("", "?account=away@example.net"):
        assert AWAY not in re.sub(r'value="[^"]*"', "", (await browser.get(f"/admin/audit{asked}")).text)
        assert AWAY not in (await browser.get(f"/admin/audit/export{asked}")).text
    assert BOB in (await browser.get("/admin/audit")).text


async def test_policy_is_shown_and_said_to_stand_elsewhere(offices: Offices) -> None:
    staff = Policy(two_factor=TwoFactor.ENFORCE, app_password_expires=30 * 24 * 3600.0)
    offices.portal.settings = replace(offices.portal.settings, policy=Policy(group={"staff": staff}))
    browser = await offices.administrator(Role.AUDITOR)
    page = await browser.get("/admin/policy")
    assert "config.toml" in page.text
    assert "<h2>staff</h2>" in page.text
    assert "demanded" in page.text
    assert "end after 30.0 days" in page.text
    assert (page.text.count("with the password"), page.text.count("with an enrolment code")) == (1, 1), (
        "of everybody, of staff"
    )
    assert "<form" not in page.text.partition("<main")[2]


async def test_readiness_says_by_which_program(offices: Offices) -> None:
    browser = await offices.administrator(Role.AUDITOR)
    page = await browser.get("/admin/readiness")
    assert "Nobody would be locked out" in page.text
    assert (await browser.get("/admin/readiness?group=none-such")).status == 404
    await offices.account(BOB)
    await offices.account(AWAY)
    for name, client in ((BOB, NASTY), (AWAY, "")):
        await offices.portal.store.audit.refused(granted(name, factor=Factor.PASSWORD, client=client))
    page = await browser.get("/admin/readiness")
    assert "Accounts that would be locked out: 2" in page.text
    assert page.text.count("192.0.2.7, imap") == 2
    assert NASTY not in page.text


async def test_a_limit_holds_for_readiness(offices: Offices) -> None:
    browser = await offices.administrator(Role.AUDITOR, "domain:example.org")
    await offices.account(AWAY)
    await offices.portal.store.audit.refused(granted(AWAY, factor=Factor.PASSWORD))
    assert AWAY not in (await browser.get("/admin/readiness")).text


async def test_a_limited_owner_ends_not_everybody(offices: Offices) -> None:
    browser = await offices.administrator(Role.OWNER, "domain:example.org")
    assert "end-all" not in (await browser.get("/admin/sessions")).text
    token = (await browser.get("/admin")).form()["token"]
    assert (await browser.post("/admin/sessions/end-all", {"token": token})).status == 403
    assert Event.SESSION_END_ASKED not in await offices.portal.events()
