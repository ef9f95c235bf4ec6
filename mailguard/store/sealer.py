"""The sealer: gives rows of the record their place in the chain, soon after they were committed, and purges old ones.

One process seals at a time. Whoever seals says so in the same transaction; the others leave it to him while that is
fresh, so that a sealer that was killed is replaced within CLAIM_SECONDS, and nobody writes while nothing happens. Two
that seal at once, after a jump of the clock, do no harm: each takes what the transaction before it left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, select, update

from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import repeats
from mailguard.store.audit import append
from mailguard.store.chain import Head, Walk, link, linked
from mailguard.store.errors import RecordAltered
from mailguard.store.lines import Line, line_of
from mailguard.store.schema import audit, audit_key, audit_state
from mailguard.store.vouching import Ends, ends_of, keep_ends, key_of, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from mailguard.store.engine import Database
    from mailguard.store.seal import Seal

CLAIM_SECONDS = 3.0
BATCH = 500  # rows a transaction: logins wait for it
PURGE_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Lag:
    """How many rows are not sealed yet, and since when the oldest of them waits; None where there is none."""

    rows: int
    since: float | None


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the chain stands, and how many rows are not in it yet."""

    head: Head
    unsealed: int


_c = audit.c
_s = audit_state.c
_sealed_to = func.coalesce(select(func.max(_s.seq)).scalar_subquery(), 0)
_DUE = select(
    select(_c.seq).where(_c.seq > _sealed_to).limit(1).scalar_subquery(),
    repeats.over.scalar_subquery(),
    select(func.max(_s.holder)).scalar_subquery(),
    select(func.max(_s.claimed_at)).scalar_subquery(),
)
_UNSEALED = linked.where(_c.seq > bindparam("after")).limit(BATCH)
_COUNT_UNSEALED = select(func.count()).where(_c.seq > bindparam("after"))
_LAG = select(func.count(), func.min(_c.last_at)).where(_c.seq > _sealed_to)
_SEAL = update(audit).where(_c.seq == bindparam("which")).values(position=bindparam("place"), mac=bindparam("sealed"))
_OLDEST = linked.where(_c.position.is_not(None)).limit(PURGE_BATCH)
_PURGE = delete(audit).where(_c.seq <= bindparam("last"))


class Sealer:
    """The chain of the record, as a worker continues it. `holder` names this process."""

    def __init__(self, database: Database, seal: Seal, now: Callable[[], float], holder: str) -> None:
        self._database = database
        self._seal = seal
        self._now = now
        self._holder = holder

    async def due(self) -> bool:
        """Is there anything to seal, and is it for this process to do? Writes nothing."""
        now = self._now()
        seq, over, holder, claimed = await self._database.read(lambda c: tuple(c.execute(_DUE, {"now": now}).one()))
        if seq is None and over is None:
            return False
        # A claim of the future was made before the clock was set back.
        return holder == self._holder or claimed is None or not claimed <= now < claimed + CLAIM_SECONDS

    async def seal(self) -> tuple[Line, ...]:
        """Seal the next rows, at most BATCH; those rows. RecordAltered: what the chain hangs on was altered."""
        return await self._database.write(self._sealed)

    def _sealed(self, connection: Connection) -> tuple[Line, ...]:
        now = self._now()
        repeats.close(connection, now)
        key = key_of(connection, self._seal) or new_key(connection, self._seal, now)
        ends = ends_of(connection, key)
        rows = connection.execute(_UNSEALED, {"after": ends.seq}).all()
        if not rows:
            return ()
        head, done = ends.head, []
        for row in rows:
            head = Head(head.position + 1, link(key, head.mac, row, head.position + 1))
            done.append({"which": row.seq, "place": head.position, "sealed": head.mac})
        connection.execute(_SEAL, done)
        ends = replace(ends, head=head, seq=rows[-1].seq, sealed_at=now)
        keep_ends(connection, key, ends, holder=self._holder, claimed_at=now)
        return tuple(
            line_of({**row._mapping, "position": step["place"], "mac": step["sealed"]})
            for row, step in zip(rows, done, strict=True)
        )

    async def tip(self) -> Tip:
        """Where the chain stands. RecordAltered as for `seal`."""
        return await self._database.read(lambda connection: tip_of(connection, self._seal))

    async def lag(self) -> Lag:
        """How far the chain is behind, as the records have it: cheap, and vouched for by nobody."""
        rows, since = await self._database.read(lambda connection: tuple(connection.execute(_LAG).one()))
        return Lag(rows, since)

    async def holds(self) -> bool:
        """Was this process the last that sealed?"""
        holder = await self._database.read(lambda connection: connection.execute(select(_s.holder)).scalar())
        return holder == self._holder

    async def purge(self, before: float, *, why: str) -> int:
        """Delete the oldest rows, as far as all are older than `before`, at most PURGE_BATCH; how many.

        What is deleted is checked first, and the place where it ended is kept under a MAC and recorded: the chain is
        provable from there. RecordAltered where it does not hold: evidence is not purged.
        """

        def work(connection: Connection) -> int:
            key = key_of(connection, self._seal)
            if key is None:
                return 0
            ends = ends_of(connection, key)
            walk = Walk(key, ends.anchor, ends.head)
            last = 0
            for row in connection.execute(_OLDEST):
                if isinstance(row.last_at, float) and row.last_at >= before:
                    break
                broken = walk.step(row)
                if broken is not None:
                    raise RecordAltered(f"old rows are not deleted, for the record is broken: {broken.text}")
                last = row.seq
            count = walk.here.position - ends.anchor.position
            if count:
                now = self._now()
                connection.execute(_PURGE, {"last": last})
                keep_ends(connection, key, replace(ends, anchor=walk.here, anchor_at=now))
                detail = f"{count} rows up to {walk.here}, {why}"
                append(connection, AuditRow(Event.AUDIT_PURGED, now, actor="system", detail=detail))
            return count

        return await self._database.write(work)

    async def restart(self, *, actor: str) -> None:
        """Begin the chain anew, under another key, over all rows as they stand: after somebody broke it and the
        evidence was kept. Heads of the former chain fit no longer; the record tells who did it, and what its head was.
        """

        def work(connection: Connection) -> None:
            former = connection.execute(select(_s.position, _s.head)).first()
            head = Head(*former) if former is not None and isinstance(former.head, bytes) else "unknown"
            connection.execute(update(audit).where(_c.position.is_not(None)).values(position=None, mac=None))
            for table in (audit_key, audit_state):
                connection.execute(delete(table))
            detail = f"a new chain over all rows as they stood; the head of the former one was {head}"
            append(connection, AuditRow(Event.AUDIT_RESTARTED, self._now(), actor=actor, detail=detail))

        await self._database.write(work)


def tip_of(connection: Connection, seal: Seal) -> Tip:
    """The newest sealed row and how many are not sealed yet. RecordAltered: the ends were altered."""
    key = key_of(connection, seal)
    ends = Ends() if key is None else ends_of(connection, key)
    return Tip(ends.head, connection.execute(_COUNT_UNSEALED, {"after": ends.seq}).scalar_one())
