"""Keeps the record: seals its rows, hands them to the live stream, writes its head to the log, purges what is old."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from mailguard.config.kinds import in_words
from mailguard.store.errors import RecordAltered
from mailguard.store.sealer import BATCH, PURGE_BATCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailguard.auth.ports import Clock
    from mailguard.observe.stream import LineStream
    from mailguard.store.sealer import Sealer

log = logging.getLogger("mailguard.audit")

LOOK_SECONDS = 0.5
HEAD_SECONDS = 3600.0
PURGE_SECONDS = 600.0
_REMEDY = "see `mailguard audit verify`; keep a copy of the database as it is"


async def tell_head(sealer: Sealer) -> None:
    """The head to the log: what somebody with database and keys cannot change there."""
    try:
        tip = await sealer.tip()
    except RecordAltered as altered:
        log.error("the audit has no head that can be vouched for", extra={"detail": f"{altered}: {_REMEDY}"})
    else:
        log.info("audit head", extra={"head": str(tip.head), "not_sealed_yet": tip.unsealed})


class Sealing:
    """The record's keeper in one process. Of several, one seals at a time (store.sealer)."""

    def __init__(
        self,
        sealer: Sealer,
        clock: Clock,
        stream: Callable[[], LineStream | None],
        retention: Callable[[], float | None],
    ) -> None:
        self._sealer = sealer
        self._clock = clock
        self._stream = stream
        self._retention = retention
        self._troubled = ""

    async def look(self) -> None:
        """Once: seal what is there, if that is for this process to do."""
        if await self._sealer.due():
            await self.seal()

    async def seal(self) -> None:
        """Seal all there is, and stream it."""
        count = BATCH
        while count == BATCH:
            try:
                lines = await self._sealer.seal()
            except RecordAltered as altered:
                self._tell("rows of the audit cannot be sealed", altered)
                return
            self._troubled = ""
            count = len(lines)
            stream = self._stream()
            if stream is not None:
                for line in lines:
                    stream.put(json.dumps(line))

    async def head(self) -> None:
        """The head to the log, by the one that seals."""
        if await self._sealer.holds():
            await tell_head(self._sealer)

    async def purge(self) -> None:
        """Delete what is older than the retention: by the one that seals, and never by a clock that just jumped."""
        retention = self._retention()
        if retention is None or not self._clock.trusted() or not await self._sealer.holds():
            return
        before, why, count = self._clock.now() - retention, f"older than {in_words(retention)}", PURGE_BATCH
        while count == PURGE_BATCH:
            try:
                count = await self._sealer.purge(before, why=why)
            except RecordAltered as altered:
                self._tell("the audit is not purged", altered)
                return

    def _tell(self, what: str, altered: RecordAltered) -> None:
        """Once, until it is over."""
        if self._troubled != what:
            log.error(what, extra={"detail": f"{altered}: {_REMEDY}"})
        self._troubled = what
