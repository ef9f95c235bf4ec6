"""The event loops that the guard runs on."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop

Loops = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]

ASYNCIO: Loops = {"asyncio": asyncio.new_event_loop}
BOTH: Loops = {**ASYNCIO, "uvloop": uvloop.new_event_loop}
