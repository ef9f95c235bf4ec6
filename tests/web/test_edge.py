"""What every request goes through, and the headers of every answer."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from mailguard.auth.events import Event
from mailguard.config.settings import Portal as PortalSettings
from mailguard.web.app import application
from mailguard.web.edge import FORM_OCTETS, HEADERS
from mailguard.web.house import Held
from tests.auth.test_authenticator import ANN
from tests.web.browser import HOST
from tests.web.conftest import Portal, sign_in

if TYPE_CHECKING:
    from starlette.types import Message

    from mailguard.auth.ports import Identity


@pytest.mark.parametrize("path", ["/sign-in", "/", "/nothing", "/static/portal.css", "/static/../app.py"])
async def test_every_answer_carries_the_headers(portal: Portal, path: str) -> None:
    page = await portal.browser().get(path)
    assert {name: page.headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers.get("cache-control") == (None if path == "/static/portal.css" else "no-store")


@pytest.mark.parametrize("host", ["evil.example", "", "mail.example.org.evil.example", "mail.example.org@evil.example"])
async def test_another_host_name_is_refused(portal: Portal, host: str) -> None:
    assert (await portal.browser().get("/sign-in", host=host)).status == 421


@pytest.mark.parametrize("host", ["mail.example.org", "MAIL.example.org:8443"])
async def test_our_own_host_name_is_taken_however_it_is_written(portal: Portal, host: str) -> None:
    assert (await portal.browser().get("/sign-in", host=host)).status == 200


async def test_no_link_is_made_of_the_host_header(portal: Portal) -> None:
    page = await portal.browser().get("/", host="mail.example.org:4711")
    assert page.location == "/sign-in?next=%2F"
    assert "4711" not in (await portal.browser().get("/sign-in", host="mail.example.org:4711")).text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://mail.example.org"},
        {"origin": "", "sec_fetch_site": "cross-site"},
        {"origin": "", "sec_fetch_site": "same-site"},
        {"origin": "", "referer": "https://evil.example/mail.example.org"},
        {"origin": ""},
    ],
)
async def test_a_form_of_another_site_is_refused(portal: Portal, headers: dict[str, str]) -> None:
    browser = await portal.with_factor()
    token = (await browser.get("/")).form("/sign-out")["token"]
    assert (await browser.post("/sign-out", {"token": token}, **headers)).status == 403
    assert (await browser.get("/")).status == 200


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "", "sec_fetch_site": "same-origin"}, {"origin": "", "referer": f"https://{HOST}/"}]
)
async def test_a_form_of_ours_is_taken(portal: Portal, headers: dict[str, str]) -> None:
    browser = await portal.with_factor()
    token = (await browser.get("/")).form("/sign-out")["token"]
    assert (await browser.post("/sign-out", {"token": token}, **headers)).status == 303
    assert (await browser.get("/")).status == 303


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
async def test_a_form_without_its_token_changes_nothing(portal: Portal, token: str) -> None:
    browser = await portal.with_factor()
    page = await browser.post("/sign-out", {"token": token})
    assert (page.status, "out of date" in page.text) == (403, True)
    assert (await browser.get("/")).status == 200


async def test_another_sessions_token_is_none(portal: Portal) -> None:
    one = await portal.with_factor()
    portal.hands.at += 30
    other = await portal.signed_in(portal.digits())
    token = (await other.get("/")).form("/sign-out")["token"]
    assert (await one.post("/sign-out", {"token": token})).status == 403


@pytest.mark.parametrize(
    "written",
    [
        "",
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=x; charset=unicode_escape",
    ],
)
async def test_a_form_is_written_in_the_one_way(portal: Portal, written: str) -> None:
    """`unicode_escape` makes half a character of six: one that can be neither hashed nor kept."""
    part = b'--x\r\ncontent-disposition: form-data; name="%b"\r\n\r\n\\ud800\r\n'
    body = part % b"address" + part % b"password" + b"--x--\r\n"
    headers = {"origin": f"https://{HOST}", "content-type": written}
    assert (await portal.browser().send("POST", "/sign-in", body, headers)).status == 415


@pytest.mark.parametrize(
    ("said", "refused"), [("", False), ("; charset=unicode_escape", True), ("; Charset = x", True)]
)
async def test_files_come_in_the_other_way_and_as_utf_8(portal: Portal, said: str, refused: bool) -> None:
    browser = await portal.with_factor()
    headers = {"origin": f"https://{HOST}", "content-type": f"multipart/form-data; boundary=x{said}"}
    page = await browser.send("POST", "/admin/accounts/import", b"--x--\r\n", headers)
    assert (page.status == 415) is refused


async def test_a_body_too_long_is_refused_before_it_is_read(portal: Portal) -> None:
    page = await portal.browser().post("/sign-in", {"address": "a" * FORM_OCTETS, "password": "x"})
    assert page.status == 413


async def test_a_body_of_two_lengths_is_refused_and_nothing_behind_it_read(portal: Portal) -> None:
    page = await portal.browser().get("/sign-in", transfer_encoding="chunked", content_length="7")
    assert (page.status, page.headers["connection"]) == (400, "close")


async def test_what_is_not_understood_is_never_sent_back(portal: Portal) -> None:
    page = await portal.browser().post("/sign-in", {"password": "correct horse"})
    assert page.status == 400
    assert "correct horse" not in page.text


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/sign-out", 405)])
async def test_trouble_has_a_page(portal: Portal, path: str, status: int) -> None:
    page = await portal.browser(language="de").get(path)
    assert page.status == status
    assert '<html lang="de">' in page.text


async def test_records_that_are_away_are_said_to_be(portal: Portal) -> None:
    browser = await portal.with_factor()
    portal.store._path.rename(portal.store._path.with_suffix(".away"))
    await portal.store._database.close()
    page = await browser.get("/")
    assert (page.status, "Not available just now" in page.text) == (503, True)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("", "192.0.2.7"),
        ("198.51.100.9", "198.51.100.9"),
        ("203.0.113.5, 198.51.100.9", "198.51.100.9"),
        ("198.51.100.9, 192.0.2.8", "198.51.100.9"),
        ("nonsense", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
async def test_a_forwarder_is_believed_as_far_as_we_know_it(portal: Portal, forwarded: str, address: str) -> None:
    await portal.enrol()
    trusted = replace(portal.settings, portal=PortalSettings(proxy_from=(ip_network("192.0.2.0/24"),)))
    for settings, expected in ((portal.settings, "192.0.2.7"), (trusted, address)):
        portal.settings = settings
        browser = portal.browser()
        page = await browser.fill("/sign-in", address=ANN, password="wrong")
        await browser.post("/sign-in/second", page.form("/sign-in/second"), x_forwarded_for=forwarded)
        row = (await portal.store.audit.list())[-1].row
        assert row.event is Event.SIGN_IN_REFUSED
        assert row.origin is not None
        assert str(row.origin.address) == expected


async def test_a_language_is_chosen_once(portal: Portal) -> None:
    browser = portal.browser(language="fr, de-CH;q=0.8, en;q=0.7")
    assert "Mailadresse" in (await browser.get("/sign-in")).text
    page = await browser.follow(await browser.get("/language/en?next=/sign-in"))
    assert "Mail address" in page.text
    assert (await browser.get("/language/en?next=//evil.example")).location == "/"
    assert (await browser.get("/language/xx")).set_cookies == ()


SCOPE = {"type": "http", "http_version": "1.1", "scheme": "https", "query_string": b"", "client": ("192.0.2.7", 40001)}


async def test_names_that_people_give_are_no_markup(portal: Portal) -> None:
    page = await portal.browser().fill("/sign-in", address='<b onload="x">', password="x")
    assert "<b onload" not in page.text
    assert "&lt;b onload" in page.text
    assert (await sign_in(portal.browser(), name="<script>", password="x")).status == 403


async def test_a_fault_is_told_once_and_never_shown(portal: Portal, caplog: pytest.LogCaptureFixture) -> None:
    await portal.enrol()
    browser = portal.browser()
    await browser.fill("/sign-in", address=ANN, password="correct horse")
    browser.app = application(Held(replace(portal.house, asking=_broken)))
    page = await browser.fill("/sign-in/second", second="123456")
    assert (page.status, "Something went wrong here" in page.text) == (500, True)
    assert [record.getMessage() for record in caplog.records] == ["a page failed"]
    assert "correct horse" not in page.text + caplog.text
    browser.app = application(Held(replace(portal.house, texts={})))
    page = await browser.get("/sign-in")
    assert (page.status, page.text) == (500, "Something went wrong here.\n")


def _broken(_origin: object, _session: str) -> Identity:
    raise RuntimeError("broken")


async def test_a_client_that_leaves_in_the_middle_is_no_fault(portal: Portal, caplog: pytest.LogCaptureFixture) -> None:
    app, answered = application(Held(portal.house)), []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answered.append(message)

    headers = [
        (b"host", HOST.encode()),
        (b"origin", f"https://{HOST}".encode()),
        (b"content-type", b"application/x-www-form-urlencoded"),
    ]
    await app({**SCOPE, "method": "POST", "path": "/sign-out", "headers": headers}, receive, send)
    assert answered == []
    assert caplog.records == []
