"""What each store offers, probed by one process at a time and shared by all through the records."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailguard.backends.target import Target
    from mailguard.store.probes import ProbeRow, Probes

log = logging.getLogger("mailguard.jobs")

PROBE_SECONDS = 120.0
TROUBLED_SECONDS = 5.0  # while a store is in trouble, or said to be
LOOK_SECONDS = 1.0
FIRST_LOOK_SECONDS = 0.05
PROBE_TIMEOUT = 5.0


class Mirror(Protocol):
    """What the fronts know of a store."""

    def offers(self, capabilities: frozenset[str]) -> None:
        """It was seen to offer these."""

    def failed(self, failure: BackendFailure) -> None:
        """It could not be reached or trusted."""

    @property
    def troubled(self) -> bool:
        """Something went wrong since it was last seen well."""


class ProbeJob:
    """One store's probe."""

    def __init__(self, target: Callable[[], Target], mirror: Mirror, probes: Probes, now: Callable[[], float]) -> None:
        self._target = target
        self._mirror = mirror
        self._probes = probes
        self._now = now
        self._read_at = 0.0

    async def look(self) -> None:
        """Once: probe if it is this process's turn; otherwise take over what another found."""
        await self._looked()

    async def first_look(self) -> None:
        """At the start: until the store has answered or failed to, here or in the process whose turn it is."""
        while not await self._looked():  # noqa: ASYNC110  (another process answers, in the records)
            await asyncio.sleep(FIRST_LOOK_SECONDS)

    async def _looked(self) -> bool:
        target = self._target()
        if await self._probes.claim(target.protocol, self._now(), self._pause()):
            await self.probe()
            return True
        found = await self._probes.read(target.protocol)
        if found is not None and found.at > self._read_at:
            self._read_at = found.at
            self._take_over(found)
        return found is not None

    def _take_over(self, found: ProbeRow) -> None:
        if found.keywords:
            self._mirror.offers(frozenset(found.keywords))
        if found.error:
            self._mirror.failed(BackendFailure(FailureKind(found.error), "as another process found"))

    async def probe(self) -> None:
        """Ask the store, tell the fronts and the other processes."""
        target = self._target()
        try:
            found = await probe(target, timeout=PROBE_TIMEOUT)
        except BackendFailure as failure:
            self._mirror.failed(failure)
            log.warning("store probe failed", extra={"protocol": target.protocol.value, "detail": str(failure)})
            self._read_at = self._now()
            await self._probes.failed(target.protocol, failure.kind.value, self._read_at)
            return
        if found.dangers:
            log.error(
                "the store offers what would let users log in behind us; logins are refused",
                extra={"protocol": target.protocol.value, "offers": sorted(found.dangers)},
            )
        self._mirror.offers(found.capabilities)
        self._read_at = self._now()
        await self._probes.answered(target.protocol, sorted(found.capabilities), self._read_at)

    def _pause(self) -> float:
        return TROUBLED_SECONDS if self._mirror.troubled else PROBE_SECONDS
