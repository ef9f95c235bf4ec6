"""Conversations as text, replayed against a dialogue in any cut of the bytes.

    tls: yes                    "yes", or "starttls" for a clear-text port that offers it
    store: LITERAL+ IDLE        what the store is known to have
    C: 1 NOOP                   the client sends this line and CRLF; \\x00, \\\\ and the like are escapes
    C| octets                   the same without CRLF
    S: 1 OK Nothing done        the server sends this line and CRLF, the greeting included
    ! login 'ann' 'pw' PLAIN    an event: login, starttls, close, close (abuse)
    > refused wrong-password    what the driver does with the login before it: refused REASON [+alert], admitted LINE,
    > untagged * LINE           and what of the store's untagged lines it hands in with the latter

Empty lines and lines that begin with `#` are for the reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mailguard.auth.attempt import LoginAttempt, Reason
from mailguard.protocols.codes import Say
from mailguard.protocols.events import Close, Event, Reply, StartTls
from mailguard.protocols.server.imap import ImapDialogue

FOLDER = Path(__file__).parent.parent / "transcripts"
SAY = Say("https://mail.example.org/security")


@dataclass(frozen=True, slots=True)
class Transcript:
    """One conversation: what is sent and decided, and what must be heard."""

    tls: bool
    store: frozenset[str]
    sent: tuple[bytes, ...]  # by stretch: a new one begins where TLS does
    answers: tuple[str, ...]  # the driver's, in order
    heard: tuple[bytes | str, ...]  # what the server sends, and events between


def read(path: Path) -> Transcript:
    """Take a file apart; a line of no known kind is an error in the file."""
    tls, store = True, frozenset[str]()
    sent, answers, heard = [b""], list[str](), list[bytes | str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        kind, text = line[:2], line[2:].removeprefix(" ")
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("tls: "):
            tls = line == "tls: yes"
        elif line.startswith("store: "):
            store = frozenset(line.split()[1:])
        elif kind in ("C:", "C|"):
            sent[-1] += text.encode().decode("unicode_escape").encode("latin-1") + (b"\r\n" if kind == "C:" else b"")
        elif kind == "S:":
            _hear(heard, text.encode() + b"\r\n")
        elif kind == "! ":
            heard.append(text)
            if text == "starttls":
                sent.append(b"")
        elif kind == "> ":
            answers.append(text)
        else:
            raise ValueError(f"{path.name}:{number}: {line}")
    return Transcript(tls, store, tuple(sent), tuple(answers), tuple(heard))


class Driver:
    """Does with a dialogue what a front does, but in memory: what it heard is there to be compared."""

    def __init__(self, dialogue: ImapDialogue, answers: Iterable[str] = ()) -> None:
        self.dialogue = dialogue
        self.heard: list[bytes | str] = []
        self.over = False
        self.admitted = False
        self._answers = iter(answers)
        _hear(self.heard, dialogue.greeting())

    def send(self, data: bytes) -> None:
        """Let the client's bytes in."""
        self._take(self.dialogue.receive(data))

    def _take(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Reply(data):
                    _hear(self.heard, data)
                case StartTls():
                    self.heard.append("starttls")
                    self.dialogue.tls_started()
                case Close(_, abuse):
                    self.heard.append("close (abuse)" if abuse else "close")
                    self.over = True
                case LoginAttempt(username, secret, mechanism):
                    self.heard.append(f"login {username!r} {secret.reveal()!r} {mechanism}".replace(" b'", " '"))
                    self._answer()

    def _answer(self) -> None:
        untagged: list[bytes] = []
        for answer in self._answers:
            match answer.split(" ", 1):
                case ["untagged", line]:
                    untagged.append(line.encode() + b"\r\n")
                case ["admitted", line]:
                    _hear(self.heard, self.dialogue.admitted(line.encode(), untagged))
                    self.over = self.admitted = True
                    return
                case ["refused", said]:
                    reason = Reason(said.removesuffix(" +alert"))
                    self._take(self.dialogue.refused(reason, alert=said.endswith(" +alert")))
                    return
                case _:
                    raise ValueError(answer)


def replay(transcript: Transcript, step: int, trailing: bytes = b"") -> tuple[list[bytes | str], bytes]:
    """What is heard when the client's bytes come `step` at a time, and what is left over behind the login.

    `trailing` bytes follow the last ones without a pause.
    """
    dialogue = ImapDialogue(
        tls=transcript.tls, starttls=not transcript.tls, store_capabilities=transcript.store, say=SAY
    )
    driver = Driver(dialogue, transcript.answers)
    unread = b""
    for stretch in (*transcript.sent[:-1], transcript.sent[-1] + trailing):
        for piece in cut(stretch, step):
            if driver.admitted:
                unread += piece
            else:
                driver.send(piece)
    return driver.heard, dialogue.leftover() + unread


def cut(data: bytes, step: int) -> Iterator[bytes]:
    """Pieces of `step` octets."""
    return (data[at : at + step] for at in range(0, len(data), step))


def _hear(heard: list[bytes | str], data: bytes) -> None:
    """Join what is sent without an event between: packets are no part of the protocol."""
    if heard and isinstance(heard[-1], bytes):
        heard[-1] += data
    else:
        heard.append(data)
