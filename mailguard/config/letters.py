"""Whether letters reach anybody, as far as the configuration can tell. For the start and `check`."""

from __future__ import annotations

from mailguard.config.choices import Login, ProtocolName
from mailguard.config.settings import Settings


def takes_letters(settings: Settings) -> bool:
    """Is there somebody to hand our own letters to?"""
    submission = settings.backend.get(ProtocolName.SUBMISSION)
    return settings.notify.relay is not None or (submission is not None and submission.login is Login.MASTER)


def silence(settings: Settings) -> tuple[str, str] | None:
    """Who is told nothing of what happens to their account, and what to write; None where everybody is told."""
    if not settings.notify.sender:
        return "notify.from is empty: nobody is told what happens to accounts", "write the address letters come from"
    if not takes_letters(settings):
        return (
            "nobody is told what happens to accounts: [backend.submission] has no master login to send letters by",
            "write [notify.relay]",
        )
    if not settings.notify.organisation:
        return (
            "notify.organisation is empty: of accounts without a second address nobody is told what happens to them",
            "write an address that somebody reads, and give accounts theirs (mailguard account set --second-address)",
        )
    return None
