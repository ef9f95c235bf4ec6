"""The code that Thunderbird for Android scans, read by the rules of its reader."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import pytest
import segno

from mailguard.auth.accounts import AccountName
from mailguard.config import ProtocolName, TlsMode
from mailguard.secret import Secret
from mailguard.web.discovery import android
from mailguard.web.discovery.offer import NotOffered, Offer, Server
from tests.web.discovery.conftest import IMAP, IMAPS, SUBMISSION, Written

ANN = AccountName("ann@example.org")
PASSWORD = "k7mq-2xwd-aaaa-bbbb-cccc-dddd-eeee"
CAPACITY = 2953  # octets of the largest code with the least correction (ISO/IEC 18004, version 40-L)
HOSTNAME = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")


@dataclass(frozen=True)
class Way:
    """One direction, in words."""

    host: str
    port: int
    security: str
    authentication: str
    user: str
    password: str


def way(fields: list[Any]) -> Way:
    host, port, security, authentication, user, password = fields
    assert HOSTNAME.fullmatch(host)
    assert 1 <= port <= 65535
    assert "\n" not in user + password
    return Way(
        host,
        port,
        {0: "plain", 2: "starttls", 3: "tls"}[security],
        {0: "none", 1: "cleartext", 2: "encrypted", 3: "gssapi", 4: "ntlm", 5: "certificate", 6: "oauth2"}[
            authentication
        ],
        user,
        password,
    )


def scanned(text: str) -> tuple[str, Way, Way, tuple[str, str]]:
    """The account's name, both directions and the identity, as QrCodePayloadAdapter and its validator read them."""
    version, (number, end), incoming, groups = json.loads(text)
    assert (version, number, end) == (1, 1, 1)
    protocol, *rest = incoming
    name = rest.pop(5)
    assert protocol == 0
    ((outgoing, identity),) = groups
    assert outgoing[0] == 0
    address, display_name = identity
    assert address.isascii()
    return name or address, way(rest), way(outgoing[1:]), (address, display_name)


def test_the_reader_finds_everything(everything: Offer) -> None:
    text = android.payload(everything, ANN, Secret(PASSWORD.encode()))
    login = ("mail.example.org", "tls", "cleartext", ANN, PASSWORD)
    host, *rest = login
    assert scanned(text) == (ANN, Way(host, 993, *rest), Way(host, 465, *rest), (ANN, ""))


def test_starttls_has_its_own_number(written: Written) -> None:
    _, incoming, outgoing, _ = scanned(android.payload(written.offered(IMAP, SUBMISSION), ANN, Secret(b"x")))
    assert (incoming.security, incoming.port) == (outgoing.security, 143) == ("starttls", 143)
    assert outgoing.port == 587


def test_what_the_format_has_no_form_for_is_not_made(everything: Offer, written: Written) -> None:
    with pytest.raises(NotOffered, match="outside ASCII"):
        android.payload(everything, AccountName("jörg@example.org"), Secret(b"x"))
    with pytest.raises(NotOffered, match="submission"):
        android.payload(written.offered(IMAPS), ANN, Secret(b"x"))


def test_the_longest_names_fit_into_a_code() -> None:
    host = ".".join(["a" * 63] * 4)[:253]
    account = AccountName(f"{'a' * 64}@{host[:189]}")
    assert len(account) == 254
    servers = (
        Server(ProtocolName.IMAP, host, 65535, TlsMode.IMPLICIT),
        Server(ProtocolName.SUBMISSION, host, 65535, TlsMode.IMPLICIT),
    )
    text = android.payload(Offer(servers, (), "", ""), account, Secret(PASSWORD.encode()))
    assert scanned(text)[3] == (account, "")
    assert len(text.encode()) <= CAPACITY // 2
    assert android.drawing(text)


def test_an_ordinary_code_is_as_small_as_thunderbirds_own(everything: Offer) -> None:
    assert len(android.payload(everything, ANN, Secret(PASSWORD.encode()))) <= 800


def test_the_drawing_holds_the_code_and_no_style(everything: Offer) -> None:
    text = android.payload(everything, ANN, Secret(PASSWORD.encode()))
    drawn = android.drawing(text)
    root = ElementTree.fromstring(drawn)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "path"}
    assert {name for element in root.iter() for name in element.attrib} == {"viewBox", "class", "fill", "stroke", "d"}
    matrix = [[bool(module) for module in row] for row in segno.make(text, error="l", boost_error=False).matrix]
    assert modules(root) == matrix


def modules(root: ElementTree.Element) -> list[list[bool]]:
    """The squares of a drawing, its quiet zone of four apart."""
    size = int((root.get("viewBox") or "").split()[2])
    grid = [[False] * size for _ in range(size)]
    (path,) = (each for each in root if each.get("stroke") == "#000")
    x, y = 0.0, 0.0
    for letter, numbers in re.findall(r"([Mmh])([-\d. ]+)", path.get("d") or ""):
        values = [float(number) for number in re.findall(r"-?(?:\d+\.\d+|\.\d+|\d+)", numbers)]
        match letter:
            case "M":
                x, y = values
            case "m":
                x, y = x + values[0], y + values[1]
            case _:
                for column in range(int(x), int(x + values[0])):
                    grid[int(y)][column] = True
                x += values[0]
    return [row[4:-4] for row in grid[4:-4]]
