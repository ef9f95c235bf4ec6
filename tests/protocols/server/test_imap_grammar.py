"""Names that clients give themselves, and the list of ID."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.protocols.events import ProtocolViolation
from mailguard.protocols.server.imap_grammar import NAME_MAX, Arguments, client_of, command


def named(text: bytes) -> str:
    arguments = Arguments()
    assert arguments.add(text) is None
    client = client_of(arguments.words)
    assert bool(client) is bool(str(client))
    return str(client)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b" NIL", ""),
        (b" nil", ""),
        (b" ()", ""),
        (b' ("name" "Thunderbird" "version" "140.0")', "Thunderbird 140.0"),
        (b' ("VERSION" "1" "Name" "x" "os" NIL)', "x 1"),
        (b' ("version" "1")', "1"),
        (b' ("name" nil "version" "1")', "1"),
        (b' ("name" "Br\xc3\xbccke")', "Brücke"),
        (b' ("name" "a\x07\x1b[31m\xff\xe2\x80\xaeb")', "a[31m\ufffdb"),
        (b' ("x-originating-ip" "192.0.2.1")', ""),
        (b' ("name" "' + b"x" * 100 + b'")', "x" * NAME_MAX),
    ],
)
def test_a_client_is_named_by_printable_characters(text: bytes, name: str) -> None:
    assert named(text) == name


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" x",
        b' "name"',
        b' ("name")',
        b' (name "x")',
        b' (NIL "x")',
        b' ("name" x)',
        b' ("name" "x") "y"',
        b' ("' + b"k" * 31 + b'" "x")',
        b' (("name" "x"))',
        b' ("name" ("x"))',
        b' ("name" "x"',
        b' "name")',
        b' ("name"  "x")',
        b' ("name" "x" )',
        b' ( "name" "x")',
        b'("name" "x")',
        b' ("name" "' + b"x" * 1025 + b'")',
        b" (" + b" ".join([b'"k" "v"'] * 31) + b")",
        b" (" + b"(" * 5000,
    ],
)
def test_anything_but_a_flat_list_of_few_pairs_is_refused(text: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        named(text)


def test_the_most_pairs() -> None:
    assert named(b" (" + b" ".join([b'"name" "v"'] * 30) + b")") == "v"


@given(
    st.lists(st.sampled_from([b" ", b"(", b")", b'"', b"\\", b"a", b"NIL", b"{1}", b"{1+}", b"\0", b"\xff", b'"x"']))
)
def test_no_text_raises_anything_but_a_violation(pieces: list[bytes]) -> None:
    with suppress(ProtocolViolation):
        said, text = command(b"a ID" + b"".join(pieces))
        while said.arguments.add(text) is not None:
            said.arguments.literal(b"x")
            text = b""
        assert str(client_of(said.arguments.words)).isprintable()
