"""How things stand, in numbers: for the plots of the first page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.admin import sessions
from mailguard.auth.standing import Site
from mailguard.store.search import Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailguard.admin.acting import Acting
    from mailguard.admin.bureau import Bureau

DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Overview:
    """Within the limit of whoever looks. Days are counted from 1970, in UTC."""

    sign_ins: Mapping[tuple[int, str], int]  # by day and factor; mail and portal together
    refusals: Mapping[str, int]  # by reason
    sessions: Mapping[str, int]  # live ones, by protocol; of browsers at the portal, too
    people: int
    enrolled: int  # of these, have a factor
    suspended: int
    failing: int
    since: float  # UTC seconds
    whole: bool  # False: the record holds more than was counted


async def overview(bureau: Bureau, acting: Acting, days: int = 7) -> Overview:
    """Of the last so many days."""
    current = await bureau.reads(acting)
    since = (bureau.now() // DAY - days + 1) * DAY
    sums = await bureau.store.trail.sums(since, current.limit)
    live = await sessions.live(bureau, acting)
    browsers = await sessions.browsers(bureau, acting)

    async def total(wanted: Wanted) -> int:
        return await bureau.store.search.count(wanted, current.limit)

    people = await total(Wanted(people=True))
    return Overview(
        sign_ins=sums.granted,
        refusals=sums.refused,
        sessions=Counter((*(str(row.protocol) for row in live), *(str(Site.PORTAL) for _ in browsers))),
        people=people,
        enrolled=people - await total(Wanted(people=True, no_factor=True)),
        suspended=await total(Wanted(suspended=True)),
        failing=await total(Wanted(failing=True)),
        since=since,
        whole=sums.whole,
    )
