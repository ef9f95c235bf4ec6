import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.protocols.client.smtp_replies import SmtpReplies, SmtpReply
from mailguard.protocols.events import ProtocolViolation


def replies(*chunks: bytes) -> list[SmtpReply]:
    reader = SmtpReplies()
    taken: list[SmtpReply] = []
    for chunk in chunks:
        reader.feed(chunk)
        while (reply := reader.take()) is not None:
            taken.append(reply)
    return taken


def test_a_reply_keeps_its_lines_and_its_bytes() -> None:
    raw = b"250-store greets\r\n250-SIZE 1000\r\n250 DSN\r\n"
    assert replies(raw) == [SmtpReply(250, (b"store greets", b"SIZE 1000", b"DSN"), raw)]


def test_a_code_alone_is_a_reply() -> None:
    assert replies(b"250\r\n334 \r\n") == [SmtpReply(250, (b"",), b"250\r\n"), SmtpReply(334, (b"",), b"334 \r\n")]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"* OK IMAP\r\n", id="another protocol"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x28\r\n", id="TLS"),
        pytest.param(b"199 too low\r\n", id="code too low"),
        pytest.param(b"600 too high\r\n", id="code too high"),
        pytest.param("２２０ fullwidth\r\n".encode(), id="digits of another script"),
        pytest.param(b"2200 four digits\r\n", id="four digits"),
        pytest.param(b"250-one\r\n251 other\r\n", id="two codes in a reply"),
        pytest.param(b"220 ready\n", id="bare LF"),
        pytest.param(b"220 rea\rdy\r\n", id="bare CR"),
        pytest.param(b"220 rea\x00dy\r\n", id="NUL"),
        pytest.param(b"\r\n", id="empty line"),
        pytest.param(b"220 " + b"x" * 2048 + b"\r\n", id="overlong line"),
        pytest.param(b"220 " + b"x" * 2048, id="overlong line without an end"),
        pytest.param(b"250-x\r\n" * 200, id="reply without an end"),
    ],
)
def test_what_is_no_reply_is_refused(sent: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        replies(sent)
    with pytest.raises(ProtocolViolation):
        replies(*(sent[at : at + 1] for at in range(len(sent))))


def test_the_longest_line_and_reply_pass() -> None:
    assert len(replies(b"250-x\r\n" * 127 + b"250 " + b"x" * 2042 + b"\r\n")[0].lines) == 128


@given(st.lists(st.binary(max_size=50)))
def test_no_input_does_more_than_break_the_rules(chunks: list[bytes]) -> None:
    with contextlib.suppress(ProtocolViolation):
        replies(*chunks)


@given(st.lists(st.integers(0, 60), max_size=6))
def test_any_cut_gives_the_same_replies(cuts: list[int]) -> None:
    raw = b"220 ready\r\n250-store\r\n250-AUTH PLAIN\r\n250 DSN\r\n235 ok\r\n"
    at = [0, *sorted(cuts), len(raw)]
    assert replies(*(raw[start:end] for start, end in itertools.pairwise(at))) == replies(raw)
