"""The page of devices: what stands there, and what its buttons do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailguard.auth.accounts import AppPassword
from mailguard.auth.attempt import Client, Factor, MailProtocol, Reason
from mailguard.auth.events import Event
from mailguard.auth.passwords import grouped
from mailguard.desk import app_passwords
from mailguard.desk.app_passwords import Issued, Wish
from mailguard.store.revocations import Kind
from mailguard.store.sessions import SessionRow
from tests.auth.test_authenticator import ANN, PASSWORD
from tests.web.browser import Browser
from tests.web.conftest import Portal

MARKUP = """<script>alert(1)</script>"'&"""


async def connected(portal: Portal, row: AppPassword, session: str = "mg-1", client: str = "") -> None:
    now = portal.hands.at
    opened = SessionRow(
        id=session,
        account=ANN,
        protocol=MailProtocol.IMAP,
        address="203.0.113.9",
        port=40001,
        pid=1,
        factor=Factor.APP_PASSWORD,
        credential=row.id,
        device="",
        grant="",
        client="",
        started_at=now,
        seen_at=now,
    )
    await portal.store.sessions.opened([opened])
    if client:
        await portal.store.sessions.named(session, Client(client))


async def one(portal: Portal, label: str = "Ann's phone") -> tuple[Browser, Issued]:
    """A browser signed in, and an app password."""
    browser = await portal.with_factor()
    portal.hands.at += 30
    signed = await portal.signed(portal.digits())
    return browser, await app_passwords.issue(portal.desk, signed, Wish(label, frozenset(MailProtocol)))


async def test_without_a_device_the_page_says_so(portal: Portal) -> None:
    browser = await portal.with_factor()
    page = await browser.get("/devices")
    assert page.status == 200
    assert "There is no device yet" in page.text


async def test_a_device_its_last_use_and_its_sessions_stand_there(portal: Portal) -> None:
    browser, issued = await one(portal)
    assert "Not used yet" in (await browser.get("/devices")).text
    assert await portal.by_mail(grouped(issued.secret)) is Factor.APP_PASSWORD
    await connected(portal, issued.row, client="K-9 Mail")
    page = await browser.get("/devices")
    for shown in ("Ann&#39;s phone", "from 203.0.113.9", "reading mail, from 203.0.113.9", "K-9 Mail"):
        assert shown in page.text
    assert "Not used yet" not in page.text
    assert grouped(issued.secret) not in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_what_strangers_wrote_is_text(portal: Portal) -> None:
    """A label of an administrator's, and the name that a client gives itself."""
    browser, issued = await one(portal, MARKUP)
    await portal.by_mail(grouped(issued.secret))
    await connected(portal, issued.row, client=MARKUP)
    page = await browser.get("/devices")
    assert "<script>alert" not in page.text
    assert page.text.count("&lt;script&gt;alert") >= 3
    assert "<script>alert" not in (await browser.get("/devices/revoke-all")).text


async def test_a_live_session_is_ended(portal: Portal) -> None:
    browser, issued = await one(portal)
    await connected(portal, issued.row)
    before = await portal.store.revocations.newest()
    page = await browser.fill("/devices", "/devices/sessions/mg-1/end")
    assert "being ended" in page.text
    ended = await portal.store.revocations.after(before)
    assert [(each.kind, each.target) for each in ended] == [(Kind.SESSION, "mg-1")]


async def test_one_is_renamed_and_revoked(portal: Portal) -> None:
    browser, issued = await one(portal)
    at = f"/devices/{issued.row.id}"
    page = await browser.fill("/devices", f"{at}/rename", label="Old <phone>")
    assert "Old &lt;phone&gt;" in page.text
    page = await browser.fill("/devices", f"{at}/revoke")
    assert "The app password is revoked" in page.text
    assert "Ended: 1" in page.text
    assert await portal.by_mail(grouped(issued.secret)) is Reason.APP_PASSWORD_REVOKED


async def test_all_are_revoked_after_a_question(portal: Portal) -> None:
    browser, first = await one(portal)
    portal.hands.at += 30
    signed = await portal.signed(portal.digits())
    second = await app_passwords.issue(portal.desk, signed, Wish("tablet", frozenset(MailProtocol)))
    assert "/devices/revoke-all" in (await browser.get("/devices")).text
    page = await browser.fill("/devices/revoke-all")
    assert "All app passwords are revoked" in page.text
    for issued in (first, second):
        assert await portal.by_mail(grouped(issued.secret)) is Reason.APP_PASSWORD_REVOKED


async def test_one_that_was_never_used_lapses_and_says_so(portal: Portal) -> None:
    _, issued = await one(portal)
    portal.hands.at += app_passwords.FIRST_USE_SECONDS
    browser = await portal.signed_in(portal.digits())
    page = await browser.get("/devices")
    assert "lapsed: not used in time" in page.text
    assert await portal.by_mail(grouped(issued.secret)) is Reason.APP_PASSWORD_EXPIRED


async def test_a_code_that_opens_more_is_seen_and_ended(portal: Portal) -> None:
    browser = await portal.with_factor()
    portal.hands.at += 30
    string = PASSWORD + portal.digits()
    assert await portal.by_mail(string) is Factor.CODE
    (grant,) = await portal.store.grants.list(ANN)
    page = await browser.fill("/devices", f"/devices/grants/{grant.grant.id}/end")
    assert "being ended" in page.text
    assert await portal.store.grants.list(ANN) == ()


@pytest.mark.parametrize(
    "path",
    [
        "/devices/x/rename",
        "/devices/x/revoke",
        "/devices/revoke-all",
        "/devices/sessions/x/end",
        "/devices/grants/x/end",
    ],
)
async def test_nothing_is_done_without_the_form_s_token(portal: Portal, path: str) -> None:
    browser, issued = await one(portal)
    page = await browser.post(path.replace("/x/", f"/{issued.row.id}/"), {"label": "x"})
    assert page.status == 403
    assert Event.APP_PASSWORD_REVOKED not in await portal.events()


async def test_anothers_is_not_touched(portal: Portal) -> None:
    browser, _ = await one(portal)
    token = (await browser.get("/devices")).form("/sign-out")["token"]
    page = await browser.post("/devices/m9ra3fghtz8c/revoke", {"token": token})
    assert page.status == 400
    assert "no such app password of yours" in page.text


async def test_whoever_has_no_factor_is_led_to_the_set_up(portal: Portal) -> None:
    browser = await portal.signed_in("")
    assert (await browser.get("/devices")).location == "/set-up"
    assert (await portal.browser().get("/devices")).location == "/sign-in?next=%2Fdevices"


async def test_in_german(portal: Portal) -> None:
    browser, _ = await one(portal)
    german = replace(browser, language="de")
    page = await german.get("/devices")
    assert "Zuletzt benutzt" in page.text
