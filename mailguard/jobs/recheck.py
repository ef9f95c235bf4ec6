"""Is everybody still active? The identity source is asked again and again, by one process at a time.

It counts for whoever never types a password again: app passwords, grants, sessions that stay open.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mailguard.identity.entry import DirectoryTrouble
from mailguard.identity.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailguard.identity.entry import Observer
    from mailguard.store.probes import Probes
    from mailguard.store.rechecks import Rechecks

log = logging.getLogger("mailguard.jobs")

LOOK_SECONDS = 2.0
RETRY_SECONDS = 60.0  # after a round that came to nothing
ACTOR = "system"
TURN = "recheck"


class RecheckJob:
    """Asks the source that is configured now, if it can tell. `every` gives seconds; 0: never."""

    def __init__(
        self,
        source: Callable[[], Observer | None],
        every: Callable[[], float],
        rechecks: Rechecks,
        turns: Probes,
        now: Callable[[], float],
    ) -> None:
        self._source = source
        self._every = every
        self._rechecks = rechecks
        self._turns = turns
        self._troubled = False
        self._now = now

    async def look(self) -> None:
        """Once: if it is time, and this process's turn."""
        source, every = self._source(), self._every()
        if source is None or not every:
            return
        pause = min(every, RETRY_SECONDS) if self._troubled else every
        if await self._turns.claim(TURN, self._now(), pause):
            await self._ask(source)

    async def _ask(self, source: Observer) -> None:
        known = await self._rechecks.known()
        try:
            seen = await source.observe([each.account.name for each in known])
        except DirectoryTrouble as trouble:
            log.warning(
                "the identity source cannot be asked, nobody's standing changes", extra={"detail": str(trouble)}
            )
            self._troubled = True
            return
        self._troubled = False
        planned = plan(known, seen)
        changes = planned.changes
        if planned.suspicious:
            changes = planned.without_suspensions()
            detail = f"the identity source would have {len(planned.suspends)} accounts suspended, none was: "
            detail += f"{', '.join(planned.suspends[:5])}, …"
            log.error("recheck held back", extra={"detail": detail})
            await self._rechecks.held(detail)
        for change in changes:
            await self._rechecks.settle(change, actor=ACTOR)
        await self._rechecks.looked(planned.marks)
