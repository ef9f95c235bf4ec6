"""What the records say of themselves, for monitoring: that they can be read, and what waits in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.observe.families import LETTERS, RECORDS_READ, UNSEALED, UNSEALED_AGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailguard.observe.board import Meter
    from mailguard.store.notices import Notices
    from mailguard.store.sealer import Sealer

LOOK_SECONDS = 5.0


class RecordFigures:
    """One look at them. Every process looks by itself: whether it reaches them is what is asked."""

    def __init__(
        self,
        sealer: Sealer,
        notices: Notices,
        meter: Meter,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._sealer = sealer
        self._notices = notices
        self._meter = meter
        self._now = now
        self._monotonic = monotonic

    async def look(self) -> None:
        """Once. StoreUnavailable where they cannot be read: the moment of the last time stays."""
        lag = await self._sealer.lag()
        letters = await self._notices.waiting()
        self._meter.set(UNSEALED, to=lag.rows)
        self._meter.set(UNSEALED_AGE, to=0.0 if lag.since is None else max(0.0, self._now() - lag.since))
        self._meter.set(LETTERS, to=letters)
        self._meter.set(RECORDS_READ, to=self._monotonic())
