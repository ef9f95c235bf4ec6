"""What strangers post to Autodiscover."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.web.discovery.autodiscover import REQUEST, RESPONSE
from mailguard.web.discovery.pox import BODY_MAX, DEPTH_MAX, Question, Unreadable, read

OUTLOOK = (
    '<?xml version="1.0" encoding="utf-8"?>\n<Autodiscover xmlns="{request}"><Request>'
    "<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>{response}</AcceptableResponseSchema>"
    "</Request></Autodiscover>"
)


def asked(address: str = "ann@example.org", *, request: str = REQUEST, response: str = RESPONSE) -> bytes:
    """A body as Outlook posts it."""
    return OUTLOOK.format(address=address, request=request, response=response).encode()


def test_the_question_of_outlook_is_read() -> None:
    assert read(asked()) == Question(REQUEST, "ann@example.org", RESPONSE)


def test_a_prefix_a_mark_and_space_are_no_matter() -> None:
    body = (
        f'\ufeff<?xml version="1.0"?><x:Autodiscover xmlns:x="{REQUEST}"><x:Request><x:EMailAddress> a@b.example\n'
        f"</x:EMailAddress><x:AcceptableResponseSchema>{RESPONSE}</x:AcceptableResponseSchema><x:LegacyDN/>"
        "</x:Request></x:Autodiscover>"
    )
    assert read(body.encode()) == Question(REQUEST, "a@b.example", RESPONSE)


def test_an_address_stays_out_of_logs() -> None:
    assert "ann" not in repr(read(asked()))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"a=b&c=d", id="a form"),
        pytest.param(asked()[:-1], id="cut off"),
        pytest.param(asked() + b"<more/>", id="two documents"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', id="an entity of its own"),
        pytest.param(b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', id="a type from elsewhere"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY % b SYSTEM "http://x.example/">%b;]><a/>', id="a parameter entity"),
        pytest.param(b"<!DOCTYPE a><a/>", id="a bare type"),
        pytest.param(b'<?xml-stylesheet href="x"?><a/>', id="an instruction"),
        pytest.param(b"<a><?php x ?></a>", id="an instruction inside"),
        pytest.param(b"<a>&nbsp;</a>", id="an entity nobody declared"),
        pytest.param("<?xml version='1.0' encoding='iso-8859-1'?><a>ä</a>".encode("latin-1"), id="another encoding"),
        pytest.param(b"<a>\xff</a>", id="not UTF-8"),
        pytest.param(b"<a>\0</a>", id="a NUL"),
        pytest.param(b"<a>" * (DEPTH_MAX + 1) + b"</a>" * (DEPTH_MAX + 1), id="deep"),
        pytest.param(b"<a>" + b" " * BODY_MAX + b"</a>", id="long"),
        pytest.param(asked("a</EMailAddress><EMailAddress>b"), id="two addresses"),
        pytest.param(b"<a:b/>", id="a prefix of nothing"),
    ],
)
def test_what_no_program_sends_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body)


def test_the_depth_and_the_length_allowed_are_read() -> None:
    body = b"<a>" * DEPTH_MAX + b"</a>" * DEPTH_MAX
    assert read(body + b" " * (BODY_MAX - len(body))) == Question("", "", "")


def test_a_named_encoding_chooses_no_codec() -> None:
    body = asked("björn@example.org").replace(b'encoding="utf-8"', b'encoding="idna"')
    assert read(body).address == "björn@example.org"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            asked().replace(b"<EMailAddress>", b'<EMailAddress xmlns="urn:x">'), id="an address of another space"
        ),
        pytest.param(asked().replace(b"Request>", b"Requests>"), id="elsewhere"),
        pytest.param(asked("<b>ann@example.org</b>"), id="inside another element"),
    ],
)
def test_an_address_counts_in_its_place_alone(body: bytes) -> None:
    assert read(body).address == ""


def test_another_document_asks_nothing() -> None:
    for body in (b"<a/>", b"<Autodiscover/>", b'<html xmlns="http://www.w3.org/1999/xhtml"><EMailAddress/></html>'):
        assert read(body) == Question("", "", "")


@given(st.binary(max_size=200), st.integers(0, len(asked())), st.integers(0, 40))
def test_a_damaged_body_is_read_or_refused(damage: bytes, at: int, lost: int) -> None:
    whole = asked()
    try:
        question = read(whole[:at] + damage + whole[at + lost :])
    except Unreadable:
        return
    assert isinstance(question, Question)


@given(st.text())
def test_what_is_escaped_comes_back(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    try:
        question = read(asked(escaped))
    except (Unreadable, UnicodeEncodeError):  # XML has no form at all for some characters
        return
    assert question.address == text.replace("\r\n", "\n").replace("\r", "\n").strip()
