"""The revocation poll: what another process revoked ends sessions here within a second."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailguard.store.revocations import Revocation, Revocations

log = logging.getLogger("mailguard.jobs")

POLL_SECONDS = 0.25


class RevocationPoll:
    """Applies every revocation after `seen`. The one polling loop: `PRAGMA data_version` costs microseconds."""

    def __init__(self, revocations: Revocations, apply: Callable[[Iterable[Revocation]], int], *, seen: int) -> None:
        self._revocations = revocations
        self._apply = apply
        self._seen = seen
        self._behind = False  # a change was noticed and could not be read

    async def look(self) -> None:
        """Once: is anything new, and whom does it end?"""
        if not await self._revocations.changed() and not self._behind:
            return
        self._behind = True
        fresh = await self._revocations.after(self._seen)
        self._behind = False
        if fresh:
            self._seen = fresh[-1].seq
            ended = self._apply(fresh)
            log.info("revocations applied", extra={"up_to": self._seen, "sessions_ended": ended})
