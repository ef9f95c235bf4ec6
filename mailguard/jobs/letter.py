"""Makes a letter of notices: plain text, no secret, no link (RFC 5322, RFC 3834 §5)."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

from mailguard.jobs import wording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailguard.auth.notices import Failing, Notice
    from mailguard.backends.post import Post
    from mailguard.store.notices import Letter

WIDTH = 76
_OPERATOR = "operator:"
_SHOWN = 120  # characters of what clients and operators chose


@dataclass(frozen=True, slots=True)
class Office:
    """What all letters share: by which way they go, who writes, and whom to ask. Without a `post` none is sent."""

    post: Post | None
    organisation: str
    hostname: str
    support: str


def compose(letter: Letter, recipient: str, office: Office, sender: str) -> bytes:
    """The letter as one of its recipients gets it, who does not see the others.

    The same letter gives the same bytes, so that a receiver can tell that it came twice.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(office.hostname, addr_spec=sender)
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = f"{letter.account}: {_subject(letter)}"
    message["Date"] = format_datetime(datetime.fromtimestamp(int(letter.notices[-1].at), UTC))
    message["Message-ID"] = f"<{letter.id}.notice@{office.hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_text(letter, office)), cte="quoted-printable")
    return message.as_bytes()


def _subject(letter: Letter) -> str:
    kinds = list(dict.fromkeys(notice.kind for notice in letter.notices))
    if len(kinds) == 1:
        return wording.WORDS[kinds[0]].subject
    return wording.MANY.format(count=len(letter.notices))


def _text(letter: Letter, office: Office) -> Iterator[str]:
    yield _folded(wording.HEAD.format(account=letter.account))
    for notice in letter.notices:
        words = wording.WORDS[notice.kind]
        yield ""
        yield _folded(words.happened.format_map(_parts(notice)))
        if notice.failing:
            yield ""
            yield from map(_device, notice.failing)
        yield from _circumstances(notice)
        if words.if_you:
            yield _folded(words.if_you)
        yield _folded(words.otherwise)
    yield ""
    yield _folded(wording.ASK.format(support=office.support) if office.support else wording.ASK_NOBODY_NAMED)
    yield ""
    yield _folded(wording.WHY_YOU.format(hostname=office.hostname))


def _parts(notice: Notice) -> dict[str, str]:
    return {
        "label": _named(notice.label),
        "detail": _plain(notice.detail) or "-",
        "client": _plain(notice.client) or wording.UNKNOWN_DEVICE,
    }


def _circumstances(notice: Notice) -> Iterator[str]:
    yield ""
    yield f"  {wording.WHEN}  {_when(notice.at)}"
    places = (notice.address, wording.PROTOCOLS.get(notice.protocol, notice.protocol), notice.client)
    if where := ", ".join(_plain(place) for place in places if place):
        yield f"  {wording.FROM}  {where}"
    if by := _by(notice):
        yield f"  {wording.BY}    {by}"
    yield ""


def _by(notice: Notice) -> str:
    if notice.person:
        return _plain(notice.person)
    if notice.actor.startswith(_OPERATOR):
        return wording.OPERATOR.format(name=_plain(notice.actor.removeprefix(_OPERATOR)))
    if notice.actor == "system":
        return wording.SYSTEM
    return wording.THEMSELVES if notice.actor else ""


def _device(failing: Failing) -> str:
    line = wording.DEVICE.format(
        client=_plain(failing.client) or wording.UNKNOWN_DEVICE,
        label=_named(failing.label),
        address=failing.address,
        protocol=wording.PROTOCOLS.get(failing.protocol, failing.protocol),
        times=failing.times,
        last=_when(failing.last_at),
    )
    return f"{_folded(line, '  ')}\n{_folded(wording.REMEDIES[failing.reason], '  ')}\n"


def _named(label: str) -> str:
    return f' "{_plain(label)}"' if label else ""


def _plain(text: str) -> str:
    """What a client or an operator chose, on one line: it must not pass for a sentence of ours."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _folded(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
