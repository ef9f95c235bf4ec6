"""The letters that lie in the demo's inbox when it opens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

_LETTERS = (
    (
        "Welcome",
        "mailguard <guard@demo.example>",
        "You got in. Your mail program showed the guard a password and a code, or an app\n"
        "password; the guard logged in to the store for you, and since then it only\n"
        "carries bytes.\n\n"
        "The store itself never saw a code. It does not know that there is a guard.\n",
    ),
    (
        "Why your phone wants an app password",
        "mailguard <guard@demo.example>",
        "A code fits for half a minute, once. That suits a desk, where somebody can type it.\n"
        "A phone connects all day long by itself: give it an app password of its own. It\n"
        "opens mail alone, it can be revoked alone, and it is worthless at any other door.\n",
    ),
    (
        "Grüße aus Köln ✉",
        "Jürgen Müller <juergen@demo.example>",
        "Umlauts, an emoji and an attachment pass untouched, as everything does.\n",
    ),
    (
        "Send me a letter",
        "mailguard <guard@demo.example>",
        "Write to your own address through the submission port: it arrives in this inbox.\n"
        "Then revoke the app password and watch the connection end.\n",
    ),
)


def letters(to: str, now: datetime | None = None) -> list[bytes]:
    """A few letters to this address, oldest first, with CRLF line ends."""
    now = now or datetime.now(UTC)
    written = []
    for age, (subject, sender, text) in zip(range(len(_LETTERS), 0, -1), _LETTERS, strict=True):
        letter = EmailMessage(policy=SMTP)
        letter["From"] = sender
        letter["To"] = to
        letter["Subject"] = subject
        letter["Date"] = format_datetime(now - timedelta(hours=age))
        letter["Message-ID"] = f"<letter-{age}@demo.example>"
        letter.set_content(text)
        if not subject.isascii():
            letter.add_attachment("Kölsch, Halver Hahn, Dom.\n", filename="Köln.txt")
        written.append(letter.as_bytes())
    return written
