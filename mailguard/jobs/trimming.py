"""Memory that logins leave behind goes back to the system: each leaves pages that are free and stay resident."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable
from typing import Final

LOOK_SECONDS: Final = 60.0

_trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it, and needs it


async def look() -> bool:
    """Once; whether there was something. In a thread, for a few milliseconds where thousands of sessions live."""
    return _trim is not None and bool(await asyncio.to_thread(_trim, 0))
