"""The start of a child: an event loop around it, and an exit code where it cannot serve."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial

from mailguard import keyring
from mailguard.app.clock import SystemClock
from mailguard.app.monitor import Monitor
from mailguard.app.naming import shadowed
from mailguard.app.office import office_of
from mailguard.app.pulse import Pulse
from mailguard.app.rules import rules_of
from mailguard.app.worker import Door, Worker
from mailguard.auth.ports import StoreUnavailable
from mailguard.config import ConfigError, Settings
from mailguard.jobs.sealing import tell_head
from mailguard.keyring import KeysError
from mailguard.net.tls import TlsError
from mailguard.observe.board import Board, Meter, Meters
from mailguard.proxy.turns import Turns
from mailguard.store.errors import SchemaError
from mailguard.store.store import Store

log = logging.getLogger("mailguard.worker")

EXIT_REFUSED, EXIT_UNAVAILABLE = 1, 3


def preflight(settings: Settings, *, fresh: bool) -> int:
    """Open everything once before workers start or reload, so that a mistake is said once; the exit code.

    `fresh`: no worker runs yet, so sessions that are listed are of a run that was killed.
    """
    return explained(partial(_run, _open_and_close(settings, fresh=fresh)))


def preflight_portal(settings: Settings) -> int:
    """The same for the portal, as far as it reads other things than a worker, or as another user."""
    from mailguard.app import portal  # with all that pages need, which is kept out of every other process

    return explained(partial(_run, portal.open_and_close(settings)))


def run(settings: Settings, doors: Sequence[Door], meters: Meters, *, pulse: Pulse, lifeline: int) -> int:
    """Serve until SIGTERM, or until the supervisor is gone; the exit code. `pulse` begins when all is up."""

    async def main() -> int:
        worker = await Worker.start(settings, doors, meters)
        gc.freeze()  # what is there now stays: no look through it again with each few hundred logins
        async with pulse.beating():
            await worker.serve(lifeline)
        return 0

    return explained(partial(_run, main()))


def run_portal(settings: Settings, sock: socket.socket, meter: Meter, *, pulse: Pulse, lifeline: int) -> int:
    """The same for the portal, at a socket that is bound."""
    from mailguard.app.portal import Portal

    async def main() -> int:
        portal = await Portal.start(settings, sock, meter)
        async with pulse.beating():
            await portal.serve(lifeline)
        return 0

    return explained(partial(_run, main()))


def run_monitor(settings: Settings, sock: socket.socket, board: Board, *, pulse: Pulse, lifeline: int) -> int:
    """The same for the monitor, which opens nothing and reads what all others have counted."""

    async def main() -> int:
        monitor = Monitor(settings, sock, board)
        async with pulse.beating():
            await monitor.serve(lifeline)
        return 0

    return explained(partial(_run, main()))


def _run(main: Coroutine[None, None, int]) -> int:
    gc.freeze()  # what was there before the fork: a look through it would copy its pages into each child
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Prefer uvloop where it is installed: a tenth of the memory for an idle TLS connection."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def explained(work: Callable[[], int]) -> int:
    """Do it; where it cannot be done, say why and give the exit code."""
    try:
        return work()
    except (ConfigError, TlsError) as error:
        log.error("cannot serve", extra={"detail": str(error)})
        return EXIT_REFUSED
    except (KeysError, StoreUnavailable, SchemaError) as error:
        log.error("cannot serve", extra={"detail": str(error)})
        return EXIT_UNAVAILABLE


async def _open_and_close(settings: Settings, *, fresh: bool) -> int:
    ring = keyring.load(settings.keys.file, shared=settings.keys_shared)
    store = await Store.open(settings.store.url, ring, now=time.time)
    try:
        rules = rules_of(settings, store, SystemClock(await store.audit.newest()), ring, Turns(), meter=Meter())
        shadowed(settings, rules.authenticator.naming, [account.name for account in await store.accounts.list()])
        office_of(settings)
        if fresh:
            await store.sessions.sweep({row.pid for row in await store.sessions.list()})
            await tell_head(store.sealer)
    finally:
        await store.close()
    return 0
