"""Private addresses that very many accounts come from: a router, or a forwarder that hides its clients.

What is bound to such an address is bound to nothing: a string seen there could be used by anybody anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from mailguard.store.prepared import Prepared
from mailguard.store.schema import known_networks

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailguard.store.administration import Administration

CROWD = 10
"""Accounts granted from one address within a day. At the desk of a reception or a ward a handful of people take turns;
behind a router or a forwarder there are soon ten, and a house with fewer accounts altogether is known to itself."""
WITHIN_SECONDS = 24 * 3600.0

_c = known_networks.c
_LATELY = (_c.private != "", _c.seen_at > bindparam("since"))
_SOME = select(_c.network).where(_c.private == bindparam("address"), *_LATELY).limit(CROWD).subquery()
_COUNT = Prepared(select(func.count()).select_from(_SOME))
_ALL = (
    select(_c.private, func.count().label("accounts"))
    .where(*_LATELY)
    .group_by(_c.private)
    .having(func.count() >= CROWD)
    .order_by(_c.private)
)


def crowded(connection: Connection, private: str, now: float) -> bool:
    """Were very many accounts granted from this private address lately? "" is none."""
    if not private:
        return False
    lately = {"address": private, "since": now - WITHIN_SECONDS}
    return int(_COUNT.scalar(connection, lately)) >= CROWD


@dataclass(frozen=True, slots=True)
class Crowd:
    """A private address, and how many accounts were granted from it within a day."""

    address: str
    accounts: int


class Crowds:
    """The crowded addresses, as an operator is told of them."""

    def __init__(self, administration: Administration) -> None:
        self._by = administration

    async def list(self) -> tuple[Crowd, ...]:
        """All of them."""
        lately = {"since": self._by.now() - WITHIN_SECONDS}
        found = await self._by.database.read(lambda connection: connection.execute(_ALL, lately).all())
        return tuple(Crowd(row.private, row.accounts) for row in found)
