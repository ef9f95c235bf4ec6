"""Says aloud, again and again, that very many accounts come from one private address: what is bound to it is off."""

from __future__ import annotations

import logging
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mailguard.observe.families import CROWDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailguard.auth.policy import Policies
    from mailguard.observe.board import Meter
    from mailguard.store.crowds import Crowds
    from mailguard.store.probes import Probes

log = logging.getLogger("mailguard.jobs")

LOOK_SECONDS = 15.0
ROUND_SECONDS = 60.0  # one process looks so often
AGAIN_SECONDS = 3600.0
TURN = "crowds"


class CrowdWatch:
    """Looks for such addresses, apart from those that are shared on purpose."""

    def __init__(
        self,
        crowds: Crowds,
        policies: Callable[[], Policies],
        turns: Probes,
        now: Callable[[], float],
        shared: Meter,
    ) -> None:
        self._crowds = crowds
        self._policies = policies
        self._turns = turns
        self._now = now
        self._shared = shared
        self._told: dict[str, float] = {}

    async def look(self) -> None:
        """Once: if it is this process's turn."""
        if await self._turns.claim(TURN, self._now(), ROUND_SECONDS):
            await self.tell()

    async def tell(self) -> None:
        """Say what was not said within the hour."""
        now = self._now()
        self._told = {address: at for address, at in self._told.items() if 0 <= now - at < AGAIN_SECONDS}
        policies = self._policies()
        found = [crowd for crowd in await self._crowds.list() if not policies.meant(ip_address(crowd.address))]
        self._shared.set(CROWDS, to=len(found))
        for crowd in found:
            if crowd.address in self._told:
                continue
            self._told[crowd.address] = now
            log.error(
                "one private address for very many accounts: grants and trusted networks are off there",
                extra={"address": crowd.address, "accounts": crowd.accounts},
            )
