"""The portal's process: start and stop order. Everything is made here, after the fork.

It asks the store with users' own passwords and never reads a master's secret: what is not here cannot be stolen here.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailguard import config, keyring
from mailguard.app.bureau import bureau_of
from mailguard.app.clock import SystemClock
from mailguard.app.orders import Orders
from mailguard.app.reload import reloaded
from mailguard.app.rules import asked_of, authenticator_of, tls_of_portal
from mailguard.auth.attempt import MailProtocol, Origin
from mailguard.auth.signin import SignIns
from mailguard.config import ConfigError, Login, Source, Unknown
from mailguard.desk.desk import Desk
from mailguard.identity.configured import directory_of
from mailguard.identity.local import LocalIdentity
from mailguard.jobs.every import every
from mailguard.jobs.figures import LOOK_SECONDS
from mailguard.jobs.revocations import POLL_SECONDS, RevocationPoll
from mailguard.net.listener import Lobby
from mailguard.net.tasks import Tasks
from mailguard.net.threads import Threads
from mailguard.net.tls import TlsError
from mailguard.observe.board import Meter
from mailguard.observe.families import CONNECTIONS, PORTAL_SESSIONS, SHED, Entrance
from mailguard.proxy.turns import Turns
from mailguard.store.store import Store
from mailguard.web import texts
from mailguard.web.app import application
from mailguard.web.asking import Asking
from mailguard.web.discovery.offer import discovery_hosts
from mailguard.web.house import Held, House
from mailguard.web.server import HttpServer

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Sequence

    from mailguard.auth.accounts import Network
    from mailguard.config import Settings
    from mailguard.keyring import Keyring

log = logging.getLogger("mailguard.portal")


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the process; a reload makes a new house of it."""

    store: Store
    keyring: Keyring
    clock: SystemClock
    threads: Threads
    turns: Turns

    @classmethod
    async def open(cls, settings: Settings, wall: Callable[[], float] = time.time) -> Parts:
        """Raises KeysError, StoreUnavailable, SchemaError."""
        ring = keyring.load(settings.keys.file, shared=settings.keys_shared)
        store = await Store.open(settings.store.url, ring, now=wall)
        return cls(store, ring, SystemClock(await store.audit.newest(), wall), Threads(), Turns())

    async def close(self) -> None:
        """Wait for work in hand, then let go."""
        self.threads.close()
        await self.store.close()


def house_of(settings: Settings, parts: Parts, meter: Meter) -> House:
    """Everything that turns on the configuration. Raises ConfigError, TlsError for what cannot be read."""
    by = authenticator_of(settings, parts.store.ledger, parts.clock, parts.keyring, parts.turns)
    local = settings.identity.source is Source.LOCAL
    source = LocalIdentity(parts.store.passwords) if local else directory_of(settings, parts.clock.now)
    url = urlsplit(settings.portal.public_url)
    own = (MailProtocol(name) for name, backend in settings.backend.items() if backend.login is Login.OWN)
    return House(
        settings=settings,
        desk=Desk(
            store=parts.store,
            keyring=parts.keyring,
            clock=parts.clock,
            policies=by.policies,
            limits=settings.policy,
            own=frozenset(own),
            beside=parts.threads,
            issuer=settings.server.hostname,
        ),
        bureau=bureau_of(settings, parts.store, parts.keyring, now=parts.clock.now, beside=parts.threads),
        sign_ins=SignIns(by, parts.store.sign_ins, parts.threads, settings.identity.unknown is Unknown.CREATE),
        asking=Asking(source, asked_of(settings)),
        origin=f"{url.scheme}://{url.netloc}".lower(),
        hosts=frozenset({(url.hostname or "").lower(), settings.server.hostname.lower()}),
        discovery_hosts=discovery_hosts(settings),
        texts=texts.load(),
        meter=meter,
    )


async def open_and_close(settings: Settings) -> int:
    """Open everything once, so that a mistake is said once, before anybody comes. Raises what `explained` explains."""
    parts = await Parts.open(settings)
    try:
        house_of(settings, parts, Meter())
        tls_of_portal(settings)
    finally:
        await parts.close()
    return 0


def counted_for(peer: tuple[str, int], forwarders: Sequence[Network]) -> str:
    """Whose connection it is. A forwarder brings everybody's: they count overall, not as those of one client."""
    origin = Origin.of(*peer)
    forwarded = any(origin.address in network for network in forwarders)
    return f"{peer[0]} {peer[1]}" if forwarded else origin.network


class Portal:
    """The parts of the process, in the order in which they stop."""

    def __init__(self, settings: Settings, sock: socket.socket, parts: Parts, meter: Meter) -> None:
        self._parts = parts
        self._meter = meter
        self._held = Held(house_of(settings, parts, meter))
        self._context = tls_of_portal(settings)
        self._jobs = Tasks()
        self._lobby = Lobby(
            overall=settings.throttle.unauthenticated,
            per_network=settings.throttle.unauthenticated_per_network,
        )
        self._shed = 0
        self._server = HttpServer(
            sock,
            application(self._held),
            context=self._shown,
            network=self._network,
            lobby=self._lobby,
        )

    @classmethod
    async def start(cls, settings: Settings, sock: socket.socket, meter: Meter) -> Portal:
        """Bring everything up, the door last."""
        parts = await Parts.open(settings)
        portal = cls(settings, sock, parts, meter)
        seen = await parts.store.revocations.newest()
        parts.keyring.reread()  # a rotation since it was loaded has been announced before `seen`
        # A session is compared with the revocations at each request: here they tell of new keys alone.
        poll = RevocationPoll(parts.store.revocations, lambda _: 0, parts.keyring.reread, seen=seen)
        portal._jobs.spawn(every(POLL_SECONDS, poll.look, name="revocations"), name="revocations")
        portal._jobs.spawn(every(LOOK_SECONDS, portal._tell_figures, name="figures"), name="figures")
        portal._server.start()
        return portal

    async def serve(self, lifeline: int) -> None:
        """Until told to stop; then answer what is in hand."""
        orders = Orders.heed(lifeline, self._reload)
        await orders.stop.wait()
        await self._server.stop(self._held.house.settings.server.drain, orders.hurry)
        await self._jobs.close()
        await self._parts.close()

    async def _tell_figures(self) -> None:
        self._meter.set(CONNECTIONS, Entrance.PORTAL, to=len(self._lobby))
        self._meter.add(SHED, Entrance.PORTAL, by=self._lobby.shed - self._shed)
        self._shed = self._lobby.shed
        self._meter.set(PORTAL_SESSIONS, to=await self._parts.store.portal_sessions.count())

    def _shown(self) -> ssl.SSLContext:
        return self._context

    def _network(self, peer: tuple[str, int]) -> str:
        return counted_for(peer, self._held.house.settings.portal.proxy_from)

    def _reload(self) -> None:
        former = self._held.house.settings
        try:
            settings = reloaded(former, config.load(former.file))
            house, context = house_of(settings, self._parts, self._meter), tls_of_portal(settings)
        except (ConfigError, TlsError) as error:
            log.error("reload refused, the old configuration stays", extra={"detail": str(error)})
            return
        self._held.house, self._context = house, context
        log.info("reloaded")
