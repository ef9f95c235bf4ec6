"""A row of the record in words, for the person whose account it is about: what, why, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.auth.attempt import Reason
from mailguard.auth.events import Event
from mailguard.explain.troubles import KINDS, Kind
from mailguard.store.history import REFUSED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailguard.store.audit import Recorded
    from mailguard.web.texts import Texts

_NAMED = frozenset(
    {
        Event.TOTP_ENROLLED,
        Event.TOTP_RENAMED,
        Event.PASSKEY_ADDED,
        Event.PASSKEY_RENAMED,
        Event.APP_PASSWORD_RENAMED,
        Event.ADDRESS_ADDED,
        Event.ADDRESS_REMOVED,
    }
)
"""Whose detail is a name or an address that the owner gave, and no word of ours."""
_OPENED = frozenset({Event.LOGIN_GRANTED, Event.SIGN_IN_GRANTED})


@dataclass(frozen=True, slots=True)
class Told:
    """One row. Texts are "" where there is nothing to say; times are UTC seconds."""

    at: float
    last_at: float
    times: int
    what: str
    why: str
    remedy: str
    who: str
    account: str  # another's: a shared mailbox
    address: str
    means: str  # by which way and which factor
    program: str
    refused: bool
    opened: bool


def told(words: Texts, recorded: Recorded, labels: Mapping[str, str], own: str) -> Told:
    """The row in words. `labels`: of app passwords, by id; `own`: the name of whoever reads."""
    row = recorded.row
    why, remedy = _why(words, row.event, row.reason)
    means = [words(f"events.{row.protocol}")] if row.protocol is not None else []
    means += [words(f"events.by_{row.factor}")] if row.factor is not None else []
    named = labels.get(row.credential, "")
    return Told(
        at=row.at,
        last_at=recorded.last_at,
        times=recorded.repeats + 1,
        what=words(f"events.{row.event}"),
        why=why,
        remedy=remedy,
        who=_who(words, row.actor),
        account=row.account if row.account != own else "",
        address=str(row.origin.address) if row.origin is not None else "",
        means=", ".join(means),
        program=", ".join(filter(None, (named, row.client, row.detail if row.event in _NAMED else ""))),
        refused=row.event in REFUSED,
        opened=row.event in _OPENED,
    )


def _why(words: Texts, event: Event, reason: str) -> tuple[str, str]:
    if event is Event.CLIENT_REFUSED:
        return "", words(f"troubles.{Kind.ANOTHER_PROGRAM}-do")
    try:
        known = Reason(reason)
    except ValueError:  # why a session ended, or what the record says of a password that passed
        return (words(f"reasons.{reason}") if words.has(f"reasons.{reason}") else ""), ""
    return words(f"reasons.{known}"), words(f"troubles.{KINDS[known]}-do")


def _who(words: Texts, actor: str) -> str:
    kind, _, name = actor.partition(":")
    match kind:
        case "":
            return ""
        case "owner":
            return words("events.owner")
        case "system":
            return words("events.system")
        case _:
            return words("events.administrator", name=name) if name else words("events.somebody", name=kind)
