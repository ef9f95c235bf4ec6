"""Any bytes, in any cut: the same events, nothing raised, little kept."""

import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.protocols.server.imap import AUTHENTICATE_LINE_MAX, INPUT_MAX, ImapDialogue
from tests.support.transcripts import SAY, Driver, cut

PIECES = st.one_of(
    st.sampled_from(
        [
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"a ",
            b"b NOOP\r\n",
            b"c CAPABILITY\r\n",
            b"LOGIN ",
            b"ann ",
            b"{3}\r\n",
            b"{4+}\r\n",
            b"{2000+}\r\n",
            b'"x\\"y" ',
            b"d LOGIN ann {2+}\r\npw\r\n",
            b"AUTHENTICATE PLAIN",
            b"e AUTHENTICATE LOGIN\r\nYW5u\r\ncHc=\r\n",
            b" AGFubgBwdw==",
            b"f AUTHENTICATE PLAIN\r\n*\r\n",
            b'ID ("name" "x")\r\n',
            b"ENABLE X\r\n",
            b"g LOGOUT\r\n",
            b"x" * 5000,
            b"\0",
            b"\x16",
        ]
    ),
    st.binary(max_size=8),
)
INPUT = st.lists(PIECES, max_size=40).map(b"".join)
ANSWERS = ["refused wrong-password +alert", "refused throttled"] * 40


def heard(data: bytes, step: int, *, tls: bool, admit_at: int) -> tuple[list[bytes | str], bytes]:
    """What is heard, and what is left over behind a login that passed."""
    answers = [*ANSWERS[:admit_at], "admitted OK [CAPABILITY IMAP4rev1] in"]
    dialogue = ImapDialogue(tls=tls, starttls=False, store_capabilities=frozenset({"IDLE"}), say=SAY)
    driver = Driver(dialogue, answers)
    unread = b""
    for piece in cut(data, step):
        if driver.admitted:
            unread += piece
        elif not driver.over:
            driver.send(piece)
    return driver.heard, dialogue.leftover() + unread if driver.admitted else b""


@settings(deadline=None, max_examples=300)
@given(INPUT, st.integers(1, 60), st.booleans(), st.integers(0, 12))
def test_any_cut_gives_the_same_events(data: bytes, step: int, tls: bool, admit_at: int) -> None:
    data = data[:INPUT_MAX]
    assert heard(data, step, tls=tls, admit_at=admit_at) == heard(data, INPUT_MAX, tls=tls, admit_at=admit_at)


@settings(deadline=None)
@given(st.lists(INPUT, max_size=8))
def test_little_is_kept(inputs: list[bytes]) -> None:
    dialogue = ImapDialogue(tls=True, starttls=False, store_capabilities=frozenset(), say=SAY)
    driver = Driver(dialogue, ANSWERS)
    for data in inputs:
        driver.send(data)
        assert kept(dialogue) <= AUTHENTICATE_LINE_MAX


def kept(dialogue: ImapDialogue) -> int:
    """Octets of input that are held unparsed."""
    return len(vars(dialogue)["_lines"])


def test_little_is_kept_of_a_command_in_pieces() -> None:
    """The worst: 30 pairs of ID in literals, all of it before the list ends."""
    dialogue = ImapDialogue(tls=True, starttls=False, store_capabilities=frozenset(), say=SAY)
    dialogue.receive(b"a ID (")
    for _ in range(60):
        assert dialogue.receive(b"{1024+}\r\n" + b"x" * 1024 + b" ") == []
    command = vars(dialogue)["_state"].command
    assert sum(sys.getsizeof(word.value) for word in command.arguments.words) < INPUT_MAX + 60 * 64
    assert kept(dialogue) <= AUTHENTICATE_LINE_MAX
