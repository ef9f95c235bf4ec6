from hypothesis import given
from hypothesis import strategies as st

from mailguard.protocols.client.foreign import foreign


def test_strange_octets_are_escaped() -> None:
    assert foreign(b"no\r\n\x1b[31m \xff \xc3\xa9") == r"no\r\n\x1b[31m \xff é"


def test_long_words_are_cut() -> None:
    assert foreign(b"x" * 10_000) == "x" * 160 + "…"


def test_a_line_that_repeats_the_credential_is_withheld() -> None:
    withheld = "(withheld: it repeats the credential)"
    assert foreign(b"unknown command: AUTHENTICATE PLAIN AGFUBABLZQBZZWNY", [b"agfubablzqbzzwnyZXQ="]) == withheld
    assert foreign(b"bad: LOGIN ann pa55", [b"pa55"]) == withheld
    assert foreign(b"Authentication failed", [b"another secret", b""]) == "Authentication failed"


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=40), st.binary(max_size=100))
def test_no_eight_octets_of_a_secret_are_told(before: bytes, secret: bytes, after: bytes) -> None:
    told = foreign(before + secret + after, [secret])
    assert told == "(withheld: it repeats the credential)"


@given(st.binary())
def test_whatever_is_said_becomes_one_short_printable_line(text: bytes) -> None:
    told = foreign(text)
    assert told.isprintable()
    assert len(told) <= 160 * 4 + 1
