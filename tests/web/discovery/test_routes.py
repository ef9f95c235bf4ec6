"""What Thunderbird, Outlook and an iPhone hear of the application."""

from __future__ import annotations

import plistlib
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import HTTPException
from starlette.requests import Request
from starlette.types import Message

from mailguard import config
from mailguard.auth.accounts import AccountName
from mailguard.config import LogFormat
from mailguard.config.connections import Tls
from mailguard.web import paths
from mailguard.web.app import application
from mailguard.web.discovery import autoconfig
from mailguard.web.discovery.offer import discovery_hosts
from mailguard.web.discovery.pox import BODY_MAX
from mailguard.web.discovery.routes import APPLE, outlook
from mailguard.web.house import Held
from tests.support.certs import Authority, Issued
from tests.support.log import Started
from tests.web.browser import HOST, Browser, Page
from tests.web.conftest import Portal
from tests.web.discovery.conftest import ALL, IMAPS, Written
from tests.web.discovery.test_apple import mail, verified
from tests.web.discovery.test_autoconfig import read
from tests.web.discovery.test_autodiscover import protocols
from tests.web.discovery.test_pox import asked

ANN = AccountName("ann@example.org")
THUNDERBIRD = {
    "host": "autoconfig.example.org",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.4.0",
    "accept": "*/*",
    "accept-language": "de,en-US;q=0.7,en;q=0.3",
    "accept-encoding": "gzip, deflate, br, zstd",
    "connection": "keep-alive",
    "sec-fetch-dest": "empty",
    "sec-fetch-mode": "cors",
    "sec-fetch-site": "cross-site",
    "priority": "u=4",
}
OUTLOOK = {
    "host": "autodiscover.example.org",
    "user-agent": "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)",
    "x-user-identity": "ann@example.org",
    "x-ms-cookieuri-requested": "t",
    "x-featureversion": "1",
    "x-clientcanhandle": "Negotiate,ExHttpInfo,ExDataServiceUrls",
    "x-mapihttpcapability": "1",
    "content-type": "text/xml",
}
AUTODISCOVER = "/autodiscover/autodiscover.xml"


def program(portal: Portal, settings: config.Settings) -> Browser:
    """Somebody's mail program, at a portal with these settings."""
    return Browser(
        application(Held(replace(portal.house, settings=settings, discovery_hosts=discovery_hosts(settings))))
    )


@pytest.fixture
def client(portal: Portal, written: Written) -> Browser:
    """At a portal that offers everything."""
    return program(portal, written(*ALL))


async def post(client: Browser, body: bytes, path: str = AUTODISCOVER, **headers: str) -> Page:
    return await client.send("POST", path, body, {**OUTLOOK, **headers})


@pytest.mark.parametrize("path", autoconfig.PATHS)
async def test_thunderbird_finds_its_settings(client: Browser, path: str) -> None:
    page = await client.send("GET", f"{path}?emailaddress=ann%40example.org", headers=THUNDERBIRD)
    assert page.status == 200
    assert page.headers["content-type"] == "text/xml; charset=utf-8"
    assert page.headers["cache-control"] == "public, max-age=3600"
    domains, incoming, outgoing = read(page.body)
    assert (domains, incoming[0][1], outgoing[0][1]) == (["example.org"], "993", "465")
    assert "set-cookie" not in page.headers
    head = await client.send("HEAD", path, headers=THUNDERBIRD)
    assert (head.status, head.headers["content-length"]) == (200, str(len(page.body)))


@pytest.mark.parametrize("host", ["example.org", "autodiscover.example.org", HOST, "AUTOCONFIG.example.org:443"])
async def test_every_host_of_ours_says_the_same(client: Browser, host: str) -> None:
    told = [await client.send("GET", path, headers={"host": host}) for path in autoconfig.PATHS]
    assert [page.status for page in told] == [200, 200]
    assert told[0].body == told[1].body


async def test_no_address_hears_anything_of_its_own(portal: Portal, client: Browser, started: Started) -> None:
    await portal.enrol()  # ann has an account, a factor and all
    logged = started(LogFormat.TEXT)
    addresses = ("ann@example.org", "nobody@example.org", "ann@elsewhere.example", "a%00%ff<&>", "")
    pages = {
        (await client.send("GET", f"{path}?emailaddress={address}", headers=THUNDERBIRD)).body
        for path in autoconfig.PATHS
        for address in addresses
    }
    assert len(pages) == 1
    answers = {(await post(client, asked(name))).body.replace(name.encode(), b"*") for name in addresses[:2]}
    assert len(answers) == 1
    assert logged.getvalue() == ""


async def test_a_host_of_nobody_is_refused(client: Browser) -> None:
    for host in ("autoconfig.elsewhere.example", "elsewhere.example", ""):
        for path in (*autoconfig.PATHS, AUTODISCOVER):
            assert (await client.send("GET", path, headers={"host": host})).status == 421


async def test_the_hosts_of_mail_programs_lead_to_no_page(client: Browser) -> None:
    for path in (paths.HOME, paths.SIGN_IN, APPLE, "/mail/", "/autodiscover/autodiscover.json"):
        assert (await client.send("GET", path, headers={"host": "autoconfig.example.org"})).status == 421


@pytest.mark.parametrize("path", [AUTODISCOVER, "/Autodiscover/Autodiscover.xml", "/AUTODISCOVER/AutoDiscover.XML"])
async def test_outlook_finds_its_settings_however_it_spells(client: Browser, path: str) -> None:
    page = await post(client, asked(), path)
    assert page.status == 200
    assert page.headers["content-type"] == "text/xml; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert [each["Port"] for each in protocols(page.body)] == ["993", "465"]


async def test_a_password_that_comes_along_changes_nothing(client: Browser, started: Started) -> None:
    logged = started(LogFormat.TEXT)
    basic = "Basic YW5uQGV4YW1wbGUub3JnOmh1bnRlcjI="  # Thunderbird sends the typed password beside its question
    page = await post(client, asked(), authorization=basic)
    assert page.body == (await post(client, asked())).body
    assert "www-authenticate" not in page.headers
    assert logged.getvalue() == ""


async def test_another_domain_hears_a_refusal_in_a_document(client: Browser) -> None:
    page = await post(client, asked("ann@elsewhere.example"))
    assert page.status == 200
    assert b"<ErrorCode>600</ErrorCode>" in page.body
    assert b"elsewhere" not in page.body


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 400, id="an entity"),
        pytest.param(asked() + b" " * BODY_MAX, 413, id="too long"),
    ],
)
async def test_what_no_program_sends_is_refused(client: Browser, body: bytes, status: int) -> None:
    page = await post(client, body)
    assert page.status == status
    assert "www-authenticate" not in page.headers


async def test_a_program_that_hangs_up_is_no_fault_of_ours() -> None:
    arriving: list[Message] = [
        {"type": "http.request", "body": asked()[:40], "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return arriving.pop(0)

    with pytest.raises(HTTPException) as caught:
        await outlook(Request({"type": "http", "method": "POST", "path": AUTODISCOVER, "headers": []}, receive))
    assert caught.value.status_code == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PROPFIND"])
async def test_only_a_question_is_answered(client: Browser, method: str) -> None:
    page = await client.send(method, AUTODISCOVER, headers=OUTLOOK)
    assert (page.status, page.headers["allow"]) == (405, "POST")


async def test_a_session_is_not_looked_at(portal: Portal, client: Browser) -> None:
    client.cookies |= (await portal.signed_in()).cookies
    before = dict(client.cookies)
    assert (await post(client, asked())).status == 200
    assert client.cookies == before


async def test_without_a_domain_or_with_half_a_guard_nothing_is_told(portal: Portal, written: Written) -> None:
    for settings in (written(*ALL, domain=""), written(IMAPS)):
        client = program(portal, settings)
        for path in (*autoconfig.PATHS, APPLE):
            assert (await client.get(path)).status == 404


async def test_an_iphone_takes_a_profile_without_a_password(
    portal: Portal, written: Written, localhost: Issued, authority: Authority, tmp_path: Path
) -> None:
    settings = replace(written(*ALL), tls=Tls(certificate=localhost.certificate, private_key=localhost.key))
    page = await program(portal, settings).get(APPLE)
    assert page.status == 200
    assert page.headers["content-type"] == "application/x-apple-aspen-config"
    assert page.headers["content-disposition"] == 'attachment; filename="example.org.mobileconfig"'
    assert page.headers["cache-control"] == "no-store"
    result = verified(page.body, authority.ca, tmp_path)
    assert result.returncode == 0, result.stderr
    assert mail(plistlib.loads(result.stdout))["IncomingMailServerPortNumber"] == 993


async def test_a_profile_that_cannot_be_signed_is_given_as_it_is(client: Browser) -> None:
    page = await client.get(APPLE)
    assert page.status == 200
    assert mail(plistlib.loads(page.body))["OutgoingMailServerPortNumber"] == 465
