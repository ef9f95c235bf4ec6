"""The little of IMAP's grammar that is needed before login: tag, command, arguments, literals, the list of ID.

Every function is total: sound input gives a value, anything else raises ProtocolViolation with a text fit for a BAD.
(RFC 9051 §9; RFC 3501 §9; RFC 7888; RFC 2971)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, unique

from mailguard.auth.attempt import Client
from mailguard.protocols.events import ProtocolViolation

TAG_MAX = 64
VERB_MAX = 32
STRING_MAX = 1024  # octets of a quoted string, decoded, or of a literal
NUMBER_DIGITS_MAX = 10
PAIRS_MAX = 30  # of ID
KEY_MAX = 30
NAME_MAX = 64  # characters of a client's name, and of its version, that are kept

_WORDS_MAX = 2 * PAIRS_MAX + 2  # the longest command that can be sound: ID with its parentheses
_ATOM = rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]"
_ASTRING = rb"[^\x00-\x20\x7f-\xff(){%*\"\\]"
_TAG = rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]"
_HEAD = re.compile(rb"(%b{1,%d})(?: (%b{1,%d}))?(?= |\Z)" % (_TAG, TAG_MAX, _ATOM, VERB_MAX))
_WORD = re.compile(
    rb"\"(?P<quoted>(?:[^\"\\\x00]|\\[\"\\])*)\""
    rb"|\{(?P<size>[0-9]+)(?P<blind>\+?)\}\Z"
    rb"|(?P<open>\()"
    # No astring holds a backslash, yet Python's imaplib sends the user name DOMAIN\user as it is.
    rb"|(?P<atom>%b(?:%b|\\)*)" % (_ASTRING, _ASTRING)
)
_AUTHENTICATE = re.compile(rb"%b{1,%d} AUTHENTICATE " % (_TAG, TAG_MAX), re.IGNORECASE)
_LITERAL_END = re.compile(rb"\{(?P<size>[0-9]+)(?P<blind>\+?)\}\Z")


@unique
class Kind(Enum):
    """What a word of a command is."""

    ATOM = "atom"
    STRING = "string"  # quoted or literal
    OPEN = "("
    CLOSE = ")"


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the arguments; it may be a password, so its value is not shown."""

    kind: Kind
    value: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """An announced literal. `sync`: the client waits for our `+` before it sends the octets."""

    size: int
    sync: bool

    @property
    def too_large(self) -> bool:
        """Beyond what any argument before login may have."""
        return self.size > STRING_MAX


def begins_authenticate(octets: bytes) -> bool:
    """Is this the begin of a line that may hold an initial response?"""
    return _AUTHENTICATE.match(octets) is not None


def literal_at_end(line: bytes) -> Literal | None:
    """The literal that the end of a line announces, in a command whose grammar we do not read. (RFC 7888 §4)"""
    found = _LITERAL_END.search(line)
    return None if found is None else _literal(found)


class Arguments:
    """The arguments of one command, grown line by line as its literals come in."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.inside_list = False

    def add(self, text: bytes) -> Literal | None:
        """Read the next stretch of text, up to the line's end; a literal that it announces comes next."""
        at = 0
        while at < len(text):
            if len(self.words) == _WORDS_MAX:
                raise ProtocolViolation("Too many arguments")
            if text[at : at + 1] == b")":
                self._close()
                at += 1
                continue
            if not self.words or self.words[-1].kind is not Kind.OPEN:
                if text[at : at + 1] != b" ":
                    raise ProtocolViolation("Space expected between arguments")
                at += 1
            found = _WORD.match(text, at)
            if found is None:
                raise ProtocolViolation("Invalid argument")
            at = found.end()
            if found["size"] is not None:
                return _literal(found)
            self._word(found)
        if self.inside_list:
            raise ProtocolViolation("List not closed")
        if any(b"\0" in word.value for word in self.words):
            raise ProtocolViolation("NUL is not allowed in strings")
        return None

    def literal(self, octets: bytes) -> None:
        """Take in the octets of the literal announced last."""
        self.words.append(Word(Kind.STRING, octets))

    def _word(self, found: re.Match[bytes]) -> None:
        if found["open"]:
            if self.inside_list:
                raise ProtocolViolation("List within a list")
            self.inside_list = True
            self.words.append(Word(Kind.OPEN))
        elif found["atom"]:
            self.words.append(Word(Kind.ATOM, found["atom"]))
        else:
            value = re.sub(rb"\\(.)", rb"\1", found["quoted"])
            if len(value) > STRING_MAX:
                raise ProtocolViolation("String too long")
            self.words.append(Word(Kind.STRING, value))

    def _close(self) -> None:
        if not self.inside_list:
            raise ProtocolViolation("Unexpected parenthesis")
        self.inside_list = False
        self.words.append(Word(Kind.CLOSE))


@dataclass(frozen=True, slots=True)
class Command:
    """A command as far as it has come in. `verb` is in upper case, empty where there is none."""

    tag: bytes
    verb: bytes
    arguments: Arguments = field(default_factory=Arguments)

    @property
    def admits_literal(self) -> bool:
        """Can a literal be next? Only where strings are: the arguments of LOGIN, the list of ID."""
        match self.verb:
            case b"LOGIN":
                return len(self.arguments.words) < 2
            case b"ID":
                return self.arguments.inside_list
            case _:
                return False


def command(line: bytes) -> tuple[Command, bytes]:
    """A command from its first line, and the text of its arguments so far.

    A tag that raises must not be sent back: it may hold anything.
    """
    found = _HEAD.match(line)
    if found is None:
        raise ProtocolViolation("Invalid tag or command")
    return Command(found[1], (found[2] or b"").upper()), line[found.end() :]


def client_of(words: Sequence[Word]) -> Client:
    """What a client calls itself in the arguments of ID: name and version.

    Printable characters, at most 64 each; empty for NIL or where none is given. (RFC 2971 §3.3)
    """
    match words:
        case [Word(Kind.ATOM, nil)] if nil.upper() == b"NIL":
            return Client()
        case [Word(Kind.OPEN), *inner, Word(Kind.CLOSE)] if len(inner) % 2 == 0:
            fields = dict(_pair(key, value) for key, value in zip(inner[::2], inner[1::2], strict=True))
        case _:
            raise ProtocolViolation("ID takes NIL or a list of pairs")
    return Client(_printable(fields.get(b"name", b"")), _printable(fields.get(b"version", b"")))


def _printable(octets: bytes) -> str:
    said = octets.decode(errors="replace")
    return "".join(character for character in said if character.isprintable()).strip()[:NAME_MAX]


def _pair(key: Word, value: Word) -> tuple[bytes, bytes]:
    if key.kind is not Kind.STRING or len(key.value) > KEY_MAX:
        raise ProtocolViolation("Invalid key in ID")
    match value:
        case Word(Kind.STRING, octets):
            return key.value.lower(), octets
        case Word(Kind.ATOM, nil) if nil.upper() == b"NIL":
            return key.value.lower(), b""
        case _:
            raise ProtocolViolation("Invalid value in ID")


def _literal(announced: re.Match[bytes]) -> Literal:
    """By its digits; too many of them count as a number beyond every limit, whatever they say."""
    digits = announced["size"]
    size = int(digits) if len(digits) <= NUMBER_DIGITS_MAX else 10**NUMBER_DIGITS_MAX
    return Literal(size, sync=not announced["blind"])
