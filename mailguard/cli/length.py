"""Lengths of time on the command line, written as in the configuration."""

from __future__ import annotations

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
