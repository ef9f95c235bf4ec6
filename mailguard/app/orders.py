"""What a child is told: by signals, and by the end of its supervisor."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Orders:
    """To end, and then not to wait for anybody. With `yielding` set, others accept in our place."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    yielding: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def heed(cls, lifeline: int, reload: Callable[[], None]) -> Orders:
        """Listen to SIGTERM and SIGINT, of which a second one means hurry, to SIGUSR1, which means that others accept
        from now on, to SIGHUP, and to the end of `lifeline`."""
        loop, orders = asyncio.get_running_loop(), cls()

        def told() -> None:
            (orders.hurry if orders.stop.is_set() else orders.stop).set()

        def succeeded() -> None:
            orders.yielding.set()
            orders.stop.set()

        def orphaned() -> None:
            loop.remove_reader(lifeline)
            orders.stop.set()

        loop.add_signal_handler(signal.SIGTERM, told)
        loop.add_signal_handler(signal.SIGINT, told)
        loop.add_signal_handler(signal.SIGUSR1, succeeded)
        loop.add_signal_handler(signal.SIGHUP, reload)
        loop.add_reader(lifeline, orphaned)
        return orders
