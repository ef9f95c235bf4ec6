"""What we say we can do before login, and what of the store's own words reaches the client at login.

(RFC 9051 §7.2.2; RFC 7888 §5; RFC 5161 §3.1)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

# With it a user could log in afresh behind us by a bare password (RFC 8437). Stores that have it are refused;
# nothing here must ever teach it to a client all the same.
_REOPENS_LOGIN = b"UNAUTHENTICATE"

_CODE = re.compile(rb"OK \[CAPABILITY ([^\]]*)\]", re.IGNORECASE)
_LISTED = re.compile(rb"\* CAPABILITY ([^\r\n\x00]*)", re.IGNORECASE)
_ALERT = re.compile(rb"\* (?:OK|NO) \[ALERT\][^\r\n\x00]*", re.IGNORECASE)
_SOUND = re.compile(rb"OK(?: [^\r\n\x00]*)?", re.IGNORECASE)


def announced(store: frozenset[str], *, tls: bool, starttls: bool) -> bytes:
    """The list before login: `CAPABILITY …`.

    What clients may use after login without asking again is announced only where the store has it: a client that keeps
    this list would send long literals blind to a store that cannot take them.
    """
    literals = [name for name in ("LITERAL+", "LITERAL-") if name in store][:1]
    kept = [name for name in ("ENABLE", "IDLE") if name in store]
    doors = ["AUTH=PLAIN"] if tls else [*(["STARTTLS"] if starttls else []), "LOGINDISABLED"]
    return " ".join(["CAPABILITY", "IMAP4rev1", "SASL-IR", *literals, "ID", *kept, *doors]).encode()


def handover(tag: bytes, reply: bytes, untagged: Iterable[bytes], *, asked: bool) -> bytes:
    """The store's answer to our login as the client's answer to its own, under the client's tag.

    `reply` is the store's tagged line without its tag and line end, `untagged` the lines before it, each with its line
    end. A client that `asked` before login may ignore the list in a response code, so it gets a line of its own.
    """
    if _SOUND.fullmatch(reply) is None:
        reply = b"OK Logged in"
    lines = [kept for line in untagged if (kept := _forwarded(line.removesuffix(b"\r\n"))) is not None]
    if code := _CODE.match(reply):
        names = _harmless(code[1])
        reply = b"OK [CAPABILITY %b]%b" % (names, reply[code.end() :])
        if asked and not any(_LISTED.match(line) for line in lines):
            lines.insert(0, b"* CAPABILITY %b" % names)
    return b"".join(line + b"\r\n" for line in [*lines, b"%b %b" % (tag, reply)])


def _forwarded(line: bytes) -> bytes | None:
    """The line if clients need it; what else a store says during login is about our login, not theirs."""
    if listed := _LISTED.fullmatch(line):
        return b"* CAPABILITY %b" % _harmless(listed[1])
    return line if _ALERT.fullmatch(line) else None


@lru_cache(64)  # a store says the same at every login
def _harmless(names: bytes) -> bytes:
    kept: Sequence[bytes] = [name for name in names.split() if name.upper() != _REOPENS_LOGIN]
    return b" ".join(kept)
