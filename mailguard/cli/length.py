"""Lengths of time and moments on the command line, written as in the configuration."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import typer

from mailguard.config import Wrong
from mailguard.config.kinds import duration

LONGEST = "3650d"


def seconds(written: str, option: str, shortest: str = "1s") -> float | None:
    """A length of time in seconds; None for an empty one."""
    if not written:
        return None
    try:
        return duration(shortest, LONGEST).read(written, Path())
    except Wrong as wrong:
        raise typer.BadParameter(str(wrong), param_hint=option) from None


def moment(written: str, now: float, option: str) -> float | None:
    """UTC seconds of a date, which begins at midnight, or of so long ago; None for an empty one."""
    try:
        return datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        pass
    try:
        back = seconds(written, option)
    except typer.BadParameter as wrong:
        raise typer.BadParameter(f"{wrong.message}; or a date such as 2026-11-01", param_hint=option) from None
    return None if back is None else now - back
