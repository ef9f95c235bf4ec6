"""Work that comes round again, beside the sessions."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mailguard.auth.ports import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger("mailguard.jobs")


async def every(seconds: float, work: Callable[[], Awaitable[object]], *, name: str) -> None:
    """Do it again and again, `seconds` after each end, whatever comes of it: a worker that no longer followed the
    revocations would go on unnoticed. Trouble is told when it begins and ends.
    """
    troubled = False
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except StoreUnavailable as trouble:
            if not troubled:
                log.error("records not available", extra={"job": name, "detail": str(trouble)})
            troubled = True
        except Exception:
            if not troubled:
                log.exception("job failed", extra={"job": name})
            troubled = True
        else:
            if troubled:
                log.info("job works again", extra={"job": name})
            troubled = False
