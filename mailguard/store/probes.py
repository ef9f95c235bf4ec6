"""What the mail store offers, found out by one worker and shared with all: the EHLO list must not differ by process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from mailguard.store.schema import probes

if TYPE_CHECKING:
    from mailguard.auth.attempt import MailProtocol
    from mailguard.store.engine import Database


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """The last probe of one protocol, with the keywords of the last good one; `error` is "" after a good one."""

    keywords: tuple[str, ...]
    at: float
    error: str


_c = probes.c
_READ = select(probes).where(_c.protocol == bindparam("asked"), _c.at.is_not(None))
_CLAIMED = select(_c.claimed_at).where(_c.protocol == bindparam("asked"))
_NEW = insert(probes)
_CLAIM = _NEW.on_conflict_do_update(
    index_elements=[_c.protocol],
    set_={"claimed_at": _NEW.excluded.claimed_at},
    where=(_c.claimed_at <= bindparam("before")) | (_c.claimed_at > bindparam("at_most")),
)
_ANSWERED = _NEW.on_conflict_do_update(
    index_elements=[_c.protocol], set_={name: _NEW.excluded[name] for name in ("keywords", "at", "error")}
)
_FAILED = _NEW.on_conflict_do_update(
    index_elements=[_c.protocol], set_={name: _NEW.excluded[name] for name in ("at", "error")}
)


class Probes:
    """The probes, one row a protocol."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, protocol: MailProtocol) -> ProbeRow | None:
        """The last probe; None before the first."""
        row = await self._database.read(lambda c: c.execute(_READ, {"asked": protocol.value}).first())
        return None if row is None else ProbeRow(tuple(json.loads(row.keywords)), row.at, row.error)

    async def claim(self, turn: str, now: float, every: float) -> bool:
        """May this worker take its turn at this now: a probe, or what else one does for all? One, once in `every` s."""
        # Every worker asks every second, mostly in vain: no writing transaction for a no.
        claimed = await self._database.read(lambda c: c.execute(_CLAIMED, {"asked": str(turn)}).scalar())
        if claimed is not None and now - every < claimed <= now:  # one in the future: the clock was set back since
            return False
        values = {**_row(turn, (), None, ""), "claimed_at": now, "before": now - every, "at_most": now}
        return await self._database.write(lambda c: c.execute(_CLAIM, values).rowcount == 1)

    async def answered(self, protocol: MailProtocol, keywords: Sequence[str], now: float) -> None:
        """A probe succeeded."""
        values = {**_row(protocol, keywords, now, ""), "claimed_at": now}
        await self._database.write(lambda c: c.execute(_ANSWERED, values))

    async def failed(self, protocol: MailProtocol, error: str, now: float) -> None:
        """A probe failed: what was known stays known, so that a restart of the store changes no EHLO list."""
        values = {**_row(protocol, (), now, error), "claimed_at": now}
        await self._database.write(lambda c: c.execute(_FAILED, values))


def _row(turn: str, keywords: Sequence[str], at: float | None, error: str) -> dict[str, object]:
    return {"protocol": str(turn), "keywords": json.dumps(list(keywords)), "at": at, "error": error}
