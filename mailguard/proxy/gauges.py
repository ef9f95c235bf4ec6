"""What a worker shows of itself from second to second: that it is alive, sessions, who waits, how its stores are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.observe.families import (
    BEAT,
    CONNECTIONS,
    DIALS_WAITING,
    RELAYED,
    SESSIONS,
    SHED,
    STORE_SINCE,
    STORE_UP,
    WAITING,
    Direction,
    Entrance,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailguard.auth.attempt import MailProtocol
    from mailguard.proxy.house import House

ALIVE_SECONDS = 1.0


class Gauges:
    """Read off, so that no session and no chunk of a relay has to tell."""

    def __init__(self, house: House, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._house = house
        self._wall = wall
        self._monotonic = monotonic
        self._shed = 0
        self._relayed = (0, 0)
        self._up: dict[MailProtocol, bool] = {}

    async def look(self) -> None:
        """Once. The moment comes last: who stopped half-way is stuck."""
        house, meter = self._house, self._house.meters.own
        for protocol, mirror in house.mirrors.items():
            meter.set(SESSIONS, protocol, to=house.registry.count(protocol))
            self._store(protocol, up=not mirror.troubled)
        meter.set(WAITING, to=house.turns.held)
        meter.set(DIALS_WAITING, to=house.dials.waiting)
        meter.set(CONNECTIONS, Entrance.MAIL, to=len(house.lobby))
        meter.add(SHED, Entrance.MAIL, by=house.lobby.shed - self._shed)
        self._shed = house.lobby.shed
        relayed = house.registry.relayed()
        for direction, now, before in zip(Direction, relayed, self._relayed, strict=True):
            meter.add(RELAYED, direction, by=now - before)
        self._relayed = relayed
        meter.set(BEAT, to=self._monotonic())

    def _store(self, protocol: MailProtocol, *, up: bool) -> None:
        if self._up.get(protocol) is not up:
            self._up[protocol] = up
            self._house.meters.own.set(STORE_SINCE, protocol, to=self._wall())
        self._house.meters.own.set(STORE_UP, protocol, to=float(up))
