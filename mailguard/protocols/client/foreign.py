"""What a store says, made fit for an operator's eyes: short, printable, and without the credential it was sent."""

from __future__ import annotations

from collections.abc import Iterable

_LENGTH = 160
_RUN = 8  # octets of a secret that may not be seen in a row: stores repeat lines they dislike, cut anywhere


def foreign(text: bytes, secrets: Iterable[bytes] = ()) -> str:
    """Escape and cut `text`; withhold it whole where it repeats a piece of one of `secrets`, in any case."""
    seen = text.lower()
    if any(_repeats(seen, secret.lower()) for secret in secrets):
        return "(withheld: it repeats the credential)"
    kept = text[:_LENGTH].decode("utf-8", "backslashreplace")
    escaped = kept if kept.isprintable() else "".join(_shown(char) for char in kept)
    return escaped if len(text) <= _LENGTH else f"{escaped}…"


def _shown(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def _repeats(text: bytes, secret: bytes) -> bool:
    run = min(_RUN, len(secret))
    return run > 0 and any(secret[start : start + run] in text for start in range(len(secret) - run + 1))
