"""What the programs send, octet for octet, over TLS to the running portal; each answer read as HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import h11
import pytest

from mailguard.net.listener import Lobby
from mailguard.net.stream import connect
from mailguard.web.app import application
from mailguard.web.discovery.offer import discovery_hosts
from mailguard.web.house import Held
from mailguard.web.server import HttpServer
from tests.support.streams import Tls, listening
from tests.web.discovery.conftest import ALL, Written
from tests.web.discovery.test_autoconfig import read
from tests.web.discovery.test_autodiscover import protocols
from tests.web.discovery.test_pox import asked

if TYPE_CHECKING:
    from tests.support.certs import Authority, Issued
    from tests.web.conftest import Portal

# Thunderbird 140, FetchHTTP: the query is an address that somebody typed.
THUNDERBIRD = b"""\
GET /mail/config-v1.1.xml?emailaddress=ann%40example.org HTTP/1.1
Host: autoconfig.example.org
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.4.0
Accept: */*
Accept-Language: de,en-US;q=0.7,en;q=0.3
Accept-Encoding: gzip, deflate, br, zstd
Connection: keep-alive
Sec-Fetch-Dest: empty
Sec-Fetch-Mode: cors
Sec-Fetch-Site: cross-site
Priority: u=4

"""
# Thunderbird 140, ExchangeAutoDiscover, with the typed password.
THUNDERBIRD_ASKS_OUTLOOKS_WAY = b"""\
POST /autodiscover/autodiscover.xml HTTP/1.1
Host: autodiscover.example.org
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.4.0
Accept: */*
Content-Type: text/xml; charset=utf-8
Authorization: Basic YW5uQGV4YW1wbGUub3JnOmh1bnRlcjI=
Content-Length: %d
Connection: keep-alive

"""
OUTLOOK = b"""\
POST /Autodiscover/Autodiscover.xml HTTP/1.1
Connection: Keep-Alive
Content-Type: text/xml
User-Agent: Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)
X-MS-CookieUri-Requested: t
X-FeatureVersion: 1
Client-Request-Id: {6A2B4C5D-0000-4000-8000-1234567890AB}
X-User-Identity: ann@example.org
X-MapiHttpCapability: 1
X-ClientCanHandle: Negotiate,ExHttpInfo,ExDataServiceUrls
Content-Length: %d
Host: autodiscover.example.org

"""


@dataclass(frozen=True)
class Site:
    """A running portal."""

    address: tuple[str, int]
    tls: Tls

    async def ask(self, *pieces: bytes) -> tuple[h11.Response, bytes]:
        """Send these pieces one by one, and read one answer."""
        stream = await connect(*self.address, context=self.tls.client, server_hostname="localhost", timeout=20)
        for piece in pieces:
            stream.write(piece)
            await stream.drain()
        reading = h11.Connection(h11.CLIENT)
        reading.send(h11.Request(method=pieces[0].split()[0], target="/", headers=[("host", "x")]))
        reading.send(h11.EndOfMessage())
        response, body = None, b""
        while not isinstance(event := reading.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                reading.receive_data(await stream.read())
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
        await stream.close()
        assert response is not None
        return response, body


def head(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


@pytest.fixture
async def site(portal: Portal, written: Written, authority: Authority, localhost: Issued) -> AsyncIterator[Site]:
    settings, tls = written(*ALL), Tls.of(authority, localhost)
    house = replace(portal.house, settings=settings, discovery_hosts=discovery_hosts(settings))
    sock = listening()
    server = HttpServer(
        sock,
        application(Held(house)),
        context=lambda: tls.server,
        network=lambda peer: peer[0],
        lobby=Lobby(overall=100, per_network=100),
    )
    server.start()
    yield Site(sock.getsockname(), tls)
    await server.stop(0)


async def test_thunderbird_is_told(site: Site) -> None:
    response, body = await site.ask(head(THUNDERBIRD))
    assert response.status_code == 200
    assert dict(response.headers)[b"content-type"] == b"text/xml; charset=utf-8"
    assert read(body)[0] == ["example.org"]


async def test_thunderbird_may_ask_what_there_is_alone(site: Site) -> None:
    response, body = await site.ask(head(THUNDERBIRD.replace(b"GET", b"HEAD")))
    assert (response.status_code, body) == (200, b"")
    assert int(dict(response.headers)[b"content-length"]) > 500


@pytest.mark.parametrize("request_head", [OUTLOOK, THUNDERBIRD_ASKS_OUTLOOKS_WAY])
async def test_outlook_is_told_however_its_question_is_cut(site: Site, request_head: bytes) -> None:
    body = asked()
    whole = await site.ask(head(request_head % len(body)) + body)
    assert whole[0].status_code == 200
    assert [each["Type"] for each in protocols(whole[1])] == ["IMAP", "SMTP"]
    pieces = [body[at : at + 50] for at in range(0, len(body), 50)]
    assert (await site.ask(head(request_head % len(body)), *pieces))[1] == whole[1]


async def test_a_question_of_unknown_length_ends_at_its_bound(site: Site) -> None:
    chunked = head(OUTLOOK.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked"))
    body = asked()
    response, told = await site.ask(chunked, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert response.status_code == 200
    assert protocols(told)
    response, told = await site.ask(chunked, b"%x\r\n%b\r\n" % (20_000, b" " * 20_000))
    assert response.status_code == 413
