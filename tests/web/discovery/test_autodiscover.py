"""What Outlook is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from mailguard.web.discovery import autodiscover
from mailguard.web.discovery.autodiscover import REQUEST, RESPONSE
from mailguard.web.discovery.offer import Offer
from mailguard.web.discovery.pox import Question
from tests.web.discovery.conftest import IMAP, IMAPS, SUBMISSION, Written

NOW = datetime(2027, 1, 2, 3, 4, 5, 678900, UTC)
OUTER = "{http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006}"
INNER = f"{{{RESPONSE}}}"


def ask(offer: Offer, address: str, *, schema: str = REQUEST, wanted: str = RESPONSE) -> bytes:
    return autodiscover.answer(offer, Question(schema, address, wanted), NOW)


def protocols(document: bytes) -> list[dict[str, str]]:
    """The settings, as Outlook finds them: both spaces right, all under the one account."""
    root = ElementTree.fromstring(document)
    assert root.tag == f"{OUTER}Autodiscover"
    (account,) = root.findall(f"{INNER}Response/{INNER}Account")
    assert [account.findtext(f"{INNER}{tag}") for tag in ("AccountType", "Action")] == ["email", "settings"]
    return [
        {child.tag.removeprefix(INNER): child.text or "" for child in protocol}
        for protocol in account.findall(f"{INNER}Protocol")
    ]


def test_both_directions_with_tls_from_the_first_byte(everything: Offer) -> None:
    both = {"Server": "mail.example.org", "LoginName": "ann@example.org", "DomainRequired": "off", "SPA": "off"}
    both |= {"SSL": "on", "Encryption": "SSL", "AuthRequired": "on"}
    assert protocols(ask(everything, "Ann@Example.org")) == [
        {"Type": "IMAP", "Port": "993"} | both,
        {"Type": "SMTP", "Port": "465", "UsePOPAuth": "on", "SMTPLast": "off"} | both,
    ]


def test_no_prefix_is_written(everything: Offer) -> None:
    document = ask(everything, "ann@example.org").decode()
    assert f'<Response xmlns="{RESPONSE}"><Account>' in document
    assert "ns0" not in document


def test_an_address_is_escaped(everything: Offer) -> None:
    (imap, _) = protocols(ask(everything, "o'ann&co@example.org"))
    assert imap["LoginName"] == "o'ann&co@example.org"


def test_a_domain_outside_ascii_has_one_form(written: Written) -> None:
    offer = written.offered(IMAPS, portal='domains = ["xn--exmple-cua.org"]')
    (imap,) = protocols(ask(offer, "Jörg@Exämple.org"))
    assert imap["LoginName"] == "jörg@xn--exmple-cua.org"


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(Question(REQUEST, "ann@elsewhere.example", RESPONSE), id="another domain"),
        pytest.param(Question(REQUEST, "ann", RESPONSE), id="no domain"),
        pytest.param(Question(REQUEST, "", RESPONSE), id="no address"),
        pytest.param(Question(REQUEST, "a b@example.org", RESPONSE), id="no address either"),
        pytest.param(Question("", "ann@example.org", RESPONSE), id="no schema"),
        pytest.param(
            Question(
                "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006",
                "ann@example.org",
                "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006",
            ),
            id="a phone that wants ActiveSync",
        ),
        pytest.param(Question(REQUEST, "ann@example.org", ""), id="no schema wanted"),
    ],
)
def test_every_other_question_hears_the_same(everything: Offer, question: Question) -> None:
    document = autodiscover.answer(everything, question, NOW)
    assert document == ask(everything, "x@elsewhere.example")
    error = ElementTree.fromstring(document).find(f"{OUTER}Response/{OUTER}Error")
    assert error is not None
    assert error.get("Time") == "03:04:05.6789000"
    assert error.findtext(f"{OUTER}ErrorCode") == "600"


def test_starttls_is_not_told(written: Written) -> None:
    assert [each["Type"] for each in protocols(ask(written.offered(IMAPS, SUBMISSION), "a@example.org"))] == ["IMAP"]
    offer = written.offered(IMAP, SUBMISSION)
    assert ask(offer, "a@example.org") == ask(offer, "a@elsewhere.example")
