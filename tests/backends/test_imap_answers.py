import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.backends.failure import FailureKind
from mailguard.backends.imap_answers import (
    Status,
    Word,
    meaning_of_no,
    names,
    status,
    untagged_capabilities,
    untagged_status,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"OK Logged in", Status(Word.OK, b"", b"", b"Logged in")),
        (b"ok", Status(Word.OK, b"", b"", b"")),
        (b"No [alert] look here", Status(Word.NO, b"ALERT", b"", b"look here")),
        (b"OK [CAPABILITY IMAP4rev1 IDLE] hello", Status(Word.OK, b"CAPABILITY", b"IMAP4rev1 IDLE", b"hello")),
        (b"NO [UNAVAILABLE]", Status(Word.NO, b"UNAVAILABLE", b"", b"")),
        (b"BAD [unfinished text", Status(Word.BAD, b"", b"", b"[unfinished text")),
        (b"OK text [CAPABILITY X]", Status(Word.OK, b"", b"", b"text [CAPABILITY X]")),
        (b"OK [] empty", Status(Word.OK, b"", b"", b"[] empty")),
    ],
)
def test_status_lines(line: bytes, expected: Status) -> None:
    assert status(line) == expected
    assert untagged_status(b"* " + line) == expected


@pytest.mark.parametrize("line", [b"", b"OKAY", b"OKAY then", b" OK", b"NOPE", b"CAPABILITY X", b"OK\tgo"])
def test_lines_that_are_none(line: bytes) -> None:
    assert status(line) is None


def test_capability_lists() -> None:
    assert untagged_capabilities(b"* capability IMAP4rev1 Auth=PLAIN") == b"IMAP4rev1 Auth=PLAIN"
    assert untagged_capabilities(b"* CAPABILITY ") is None
    assert untagged_capabilities(b"* CAPABILITYX IDLE") is None
    assert names(b"IMAP4rev1  Auth=PLAIN unauthenticate") == {"IMAP4REV1", "AUTH=PLAIN", "UNAUTHENTICATE"}
    said = status(b"OK [CAPABILITY  ] x")
    assert said is not None
    assert said.capabilities is None


@pytest.mark.parametrize("code", [b"", b"AUTHENTICATIONFAILED", b"AUTHORIZATIONFAILED", b"EXPIRED", b"ALERT"])
def test_a_no_about_the_credential(code: bytes) -> None:
    assert meaning_of_no(code) is FailureKind.REFUSED


@pytest.mark.parametrize(
    "code", [b"UNAVAILABLE", b"INUSE", b"LIMIT", b"SERVERBUG", b"CONTACTADMIN", b"REFERRAL", b"X-NEVER-SEEN"]
)
def test_a_no_about_the_store(code: bytes) -> None:
    assert meaning_of_no(code) is FailureKind.TEMPORARY


@given(st.binary())
def test_any_line_can_be_read(line: bytes) -> None:
    status(line)
    untagged_status(line)
    untagged_capabilities(line)
