"""What the policy does not allow any more ends: after a reload, and at the days that it names."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailguard.auth.policy import Policies

log = logging.getLogger("mailguard.jobs")

LOOK_SECONDS = 0.25


class PolicyWatch:
    """Judges the live sessions anew whenever what the policies allow has changed. Costs nothing while it has not."""

    def __init__(
        self,
        policies: Callable[[], Policies],
        judge: Callable[[Policies, float], int],
        curb: Callable[[Policies], Awaitable[int]],
        now: Callable[[], float],
    ) -> None:
        self._policies = policies
        self._judge = judge
        self._curb = curb
        self._now = now
        self._judged = policies()
        self._at = now()

    async def look(self) -> None:
        """Once: is it another policy, or another day to it?"""
        policies, now = self._policies(), self._now()
        if policies is self._judged and not policies.changes_between(self._at, now):
            self._at = now
            return
        ended = self._judge(policies, now)
        curbed = await self._curb(policies)  # the records may be away: then all of it is done again
        self._judged, self._at = policies, now
        log.info("policy changed", extra={"sessions_ended": ended, "grants_cut_short": curbed})
