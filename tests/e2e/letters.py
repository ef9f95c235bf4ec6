"""Letters that show every byte that a store or a relay changed."""

from __future__ import annotations

import base64
import imaplib
import secrets
from dataclasses import dataclass

from tests.e2e.daemon import eventually

_LINE = 76
_FIRST_HEADER = b"X-Letter: "
LARGE = 25 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it is sent, with CRLF line ends. The store puts its trace headers above the first line."""

    token: str
    sender: str
    recipient: str
    content: bytes


def compose(sender: str, recipient: str, attachment: int = 1024) -> Letter:
    """A letter with every header that a server would add, lines that begin with dots, `attachment` random bytes."""
    token = secrets.token_hex(8)
    encoded = base64.b64encode(secrets.token_bytes(attachment))
    lines = [encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE)]
    head = f"""\
X-Letter: {token}
From: {sender}
To: {recipient}
Subject: letter {token}
Date: Tue, 24 Nov 2026 09:30:00 +0000
Message-ID: <{token}@client.example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_{token}"

--=_{token}
Content-Type: text/plain; charset=us-ascii

.
..
.leading dots, a quoted command and a long line:
a1 LOGOUT
{"x" * 900}

--=_{token}
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64

"""
    body = b"\r\n".join([*head.encode().splitlines(), *lines, f"--=_{token}--".encode(), b""])
    return Letter(token, sender, recipient, body)


def as_sent(delivered: bytes) -> bytes:
    """What came behind the trace headers, with CRLF line ends."""
    start = delivered.index(_FIRST_HEADER)
    text = delivered[start:]
    return text if b"\r\n" in text else text.replace(b"\n", b"\r\n")


def fetch(imap: imaplib.IMAP4, letter: Letter) -> bytes:
    """Wait in the inbox for a letter; its whole content as the store holds it."""
    found: list[bytes] = []

    def arrived() -> bool:
        assert imap.select()[0] == "OK"  # as NOOP, and it needs no state of ours
        found[:] = imap.search(None, "HEADER", "X-Letter", letter.token)[1][0].split()
        return bool(found)

    assert eventually(arrived, 20), f"letter {letter.token} was not delivered"
    status, parts = imap.fetch(found[0].decode(), "(BODY.PEEK[])")
    assert status == "OK"
    content = parts[0]
    assert isinstance(content, tuple)
    return content[1]
