"""Framing: whole lines, counted octets, caps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.protocols.lines import BareNewline, Lines, LineTooLong


def fed(data: bytes) -> Lines:
    lines = Lines()
    lines.feed(data)
    return lines


def test_lines_come_out_one_by_one_without_their_ends() -> None:
    lines = fed(b"one\r\n\r\nthr")
    assert [lines.line(9), lines.line(9), lines.line(9)] == [b"one", b"", None]
    lines.feed(b"ee\r")
    assert lines.line(9) is None
    lines.feed(b"\n")
    assert lines.line(9) == b"three"
    assert len(lines) == 0


def test_octets_are_counted_whatever_they_are() -> None:
    lines = fed(b"\r\n\x00ab")
    assert lines.peek(2) == b"\r\n"
    assert lines.octets(6) is None
    assert lines.octets(0) == b""
    assert lines.octets(4) == b"\r\n\x00a"
    assert lines.leftover() == b"b"
    assert lines.leftover() == b""


@pytest.mark.parametrize("data", [b"a\n", b"a\rb", b"\n", b"a\r\r\n", b"ok\n\r\n"])
def test_a_bare_newline_is_refused(data: bytes) -> None:
    with pytest.raises(BareNewline):
        fed(data).line(99)


@pytest.mark.parametrize("end", [b"", b"\r", b"\r\n"])
def test_a_line_may_have_the_limit_and_no_octet_more(end: bytes) -> None:
    assert fed(b"x" * 8 + end).line(8) == (b"x" * 8 if end == b"\r\n" else None)
    with pytest.raises(LineTooLong):
        fed(b"x" * 9 + end).line(8)


def harvest(pieces: list[bytes]) -> list[bytes | str]:
    """What comes out as the pieces go in, to the first violation."""
    lines, out = Lines(), list[bytes | str]()
    for piece in pieces:
        lines.feed(piece)
        try:
            while (line := lines.line(6)) is not None:
                out.append(line)
        except (LineTooLong, BareNewline) as violation:
            return [*out, type(violation).__name__]
    return out


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"abc", b""]), max_size=30))
def test_any_cut_gives_the_same_lines(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert harvest(pieces) == harvest([whole]) == harvest([bytes([octet]) for octet in whole])
