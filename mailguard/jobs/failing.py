"""Finds devices that keep failing, in the record and not in the way of a login, and has their owners told.

A phone that was forgotten in a drawer tries a revoked app password every few minutes for years. Its owner hears of it
once a week at most, in one letter for all such devices.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from mailguard.auth.notices import WEEK, Notice, NoticeKind, Occasion

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailguard.store.notices import Notices
    from mailguard.store.probes import Probes
    from mailguard.store.refusals import Refusals

LOOK_SECONDS = 60.0
ROUND_SECONDS = 3600.0  # one process looks through the record so often
DAY = 24 * 3600.0
TIMES, LASTING = 10, 3600.0  # refusals in a day, and seconds from the first to the last: no slip of the finger
MOST_IN_ONE = 10
TURN = "failing devices"


class FailingDevices:
    """One look through the last day of the record an hour, by one process for all."""

    def __init__(self, notices: Notices, turns: Probes, now: Callable[[], float]) -> None:
        self._notices = notices
        self._turns = turns
        self._now = now

    async def look(self) -> None:
        """Once: if it is this process's turn."""
        if await self._turns.claim(TURN, self._now(), ROUND_SECONDS):
            await self.find()

    async def find(self) -> int:
        """Put down who is to be told; how many those are."""
        now, told = self._now(), 0
        failing: defaultdict[str, list[Refusals]] = defaultdict(list)
        for refusals in await self._notices.refused_since(now - DAY):
            if refusals.times >= TIMES and refusals.last_at - refusals.since >= LASTING:
                failing[refusals.device.account].append(refusals)
        for account, found in failing.items():
            most = sorted(found, key=lambda each: -each.times)[:MOST_IN_ONE]
            notice = Notice(NoticeKind.DEVICE_FAILING, account, now, failing=await self._notices.named(most))
            told += await self._notices.tell(Occasion(NoticeKind.DEVICE_FAILING, pause=WEEK), notice)
        return told
