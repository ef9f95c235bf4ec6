"""What happens at the guard, as its record tells it: one line an event, while somebody tries things out."""

from __future__ import annotations

import time

from mailguard.store import Store
from mailguard.store.audit import Recorded

_AT_ONCE = 100
_WIDTH = 80


class Watch:
    """Reads the record from where it ended when the watch began."""

    def __init__(self, store: Store, seen: int) -> None:
        self._store = store
        self._seen = seen

    @classmethod
    async def begin(cls, store: Store) -> Watch:
        """Watch from now on."""
        rows = await store.audit.list(limit=1)
        return cls(store, rows[-1].seq if rows else 0)

    async def news(self) -> list[str]:
        """What was recorded since the last time it was asked."""
        rows = await self._store.audit.list(limit=_AT_ONCE)
        new = [row for row in rows if row.seq > self._seen]
        self._seen = max((row.seq for row in new), default=self._seen)
        return [line(row) for row in new]


def line(recorded: Recorded) -> str:
    """When, what, by which protocol, by which factor or why not, by which client."""
    row = recorded.row
    at = time.strftime("%H:%M:%S", time.localtime(row.at))
    how = row.factor or row.reason or row.detail
    shown = f"  {at}  {row.event.replace('-', ' '):<15} {row.protocol or '':<11} {how:<16} {row.client}"
    # Clients choose their name: an escape sequence must not reach the terminal.
    return "".join(c if c.isprintable() else "?" for c in shown)[:_WIDTH].rstrip()
