"""One worker: start and stop order. Everything is made here, after the fork, and handed to whoever needs it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from mailguard import config, keyring
from mailguard.app.clock import SystemClock
from mailguard.app.office import office_of
from mailguard.app.orders import Orders
from mailguard.app.reload import reloaded
from mailguard.app.rules import rules_of
from mailguard.auth.attempt import MailProtocol, Origin
from mailguard.auth.ports import StoreUnavailable
from mailguard.backends.pace import Dials
from mailguard.config import ConfigError, Listen, Settings, TlsMode
from mailguard.jobs import crowds, failing, figures, letters, policy, recheck, sealing, trimming
from mailguard.jobs.crowds import CrowdWatch
from mailguard.jobs.every import every
from mailguard.jobs.failing import FailingDevices
from mailguard.jobs.figures import RecordFigures
from mailguard.jobs.letters import LetterJob
from mailguard.jobs.policy import PolicyWatch
from mailguard.jobs.probes import LOOK_SECONDS, ProbeJob
from mailguard.jobs.recheck import RecheckJob
from mailguard.jobs.revocations import POLL_SECONDS, RevocationPoll
from mailguard.jobs.sealing import Sealing
from mailguard.net.listener import Afterwards, Listener, Lobby, Serve
from mailguard.net.stream import accept
from mailguard.net.tasks import Tasks
from mailguard.net.tls import TlsError
from mailguard.observe import stream
from mailguard.proxy import line_front, parting, smtp_front
from mailguard.proxy.gauges import ALIVE_SECONDS, Gauges
from mailguard.proxy.house import AlertMemory, House, LineRate, Mirror
from mailguard.proxy.registry import Registry
from mailguard.proxy.session import Session
from mailguard.proxy.smtp_front import SubmissionPort
from mailguard.proxy.turns import Turns
from mailguard.store.store import Store

if TYPE_CHECKING:
    from mailguard.auth.policy import Policies
    from mailguard.net.listener import Ticket
    from mailguard.observe.board import Meters

log = logging.getLogger("mailguard.worker")

SHUTDOWN = "shutdown"  # why a session ended in a drain
FLUSH_SECONDS = 0.2
EXPIRY_SECONDS = 0.5
USE_SECONDS = 10.0
SILENCE_SECONDS = 5.0
STRAYS_SECONDS = 60.0
PURGE_SECONDS = 600.0
FIRST_PROBE_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Door:
    """A listening socket and what is spoken behind it."""

    listen: Listen
    sock: socket.socket


class Worker:
    """The parts of one process, in the order in which they stop."""

    def __init__(
        self,
        settings: Settings,
        doors: Sequence[Door],
        store: Store,
        house: House,
        clock: SystemClock,
    ) -> None:
        self._settings = settings
        self._doors = doors
        self._store = store
        self.house = house
        self._clock = clock
        self._gauges = Gauges(house, clock.now, time.monotonic)
        self._ring = house.rules.authenticator.keyring
        self._office = office_of(settings)
        self._stream = stream.opened(settings.audit.stream)
        self._sealing = Sealing(store.sealer, clock, lambda: self._stream, lambda: self._settings.audit.retention)
        self._jobs = Tasks()
        self._flushing = asyncio.Lock()
        self._connections = Tasks()
        self._listeners = [
            Listener(
                door.sock, self._server(door.listen), self._connections, f"{door.listen.protocol} {door.listen.address}"
            )
            for door in doors
        ]

    @classmethod
    async def start(
        cls, settings: Settings, doors: Sequence[Door], meters: Meters, wall: Callable[[], float] = time.time
    ) -> Worker:
        """Bring everything up: records, rules, jobs, and the doors last. A store that is down does not hold it up."""
        ring = keyring.load(settings.keys.file, shared=settings.keys_shared)
        store = await Store.open(settings.store.url, ring, now=wall)
        clock = SystemClock(await store.audit.newest(), wall)
        loop = asyncio.get_running_loop()
        turns = Turns()
        rules = rules_of(settings, store, clock, ring, turns, meter=meters.own)
        house = House(
            rules=rules,
            registry=Registry(os.getpid(), clock.now),
            tasks=Tasks(),
            lobby=Lobby(
                overall=settings.throttle.unauthenticated,
                per_network=settings.throttle.unauthenticated_per_network,
            ),
            now=loop.time,
            turns=turns,
            dials=Dials(loop.time),
            mirrors={protocol: Mirror(loop.time) for protocol in rules.targets},
            alerts=AlertMemory(loop.time),
            guesses=LineRate(loop.time),
            refusals=LineRate(loop.time),
            meters=meters,
        )
        worker = cls(settings, doors, store, house, clock)
        await worker._begin()
        return worker

    async def _begin(self) -> None:
        store, registry = self._store, self.house.registry
        listed = {row.pid for row in await store.sessions.list()}
        await store.sessions.sweep({pid for pid in listed if pid == os.getpid() or not _alive(pid)})
        seen = await store.revocations.newest()
        registry.followed = seen
        self._ring.reread()  # a rotation since it was loaded has been announced before `seen`
        poll = RevocationPoll(store.revocations, registry.apply, self._ring.reread, seen=seen)
        self._repeat(POLL_SECONDS, poll.look, "revocations")
        self._repeat(FLUSH_SECONDS, self._flush, "session list")
        self._repeat(SILENCE_SECONDS, partial(registry.tell_silence, store.sessions), "silence")
        self._repeat(STRAYS_SECONDS, partial(registry.forget_strays, store.sessions), "strays")
        self._repeat(EXPIRY_SECONDS, store.app_passwords.expire, "expiry")
        self._repeat(USE_SECONDS, store.app_passwords.keep_open, "use")
        self._repeat(EXPIRY_SECONDS, store.grants.expire, "grants")
        self._repeat(PURGE_SECONDS, store.purge, "purge")
        self._repeat(trimming.LOOK_SECONDS, trimming.look, "trimming")
        self._repeat(sealing.LOOK_SECONDS, self._sealing.look, "sealing")
        self._repeat(sealing.HEAD_SECONDS, self._sealing.head, "audit head")
        self._repeat(sealing.PURGE_SECONDS, self._sealing.purge, "audit purge")
        letter_job = LetterJob(store.notices, lambda: self._office)
        self._repeat(letters.LOOK_SECONDS, letter_job.look, "letters")
        failing_devices = FailingDevices(store.notices, store.probes, self._clock.now)
        self._repeat(failing.LOOK_SECONDS, failing_devices.look, "failing devices")
        policies = self._policies
        watch = PolicyWatch(policies, registry.judge, store.grants.curb, self._clock.now)
        self._repeat(policy.LOOK_SECONDS, watch.look, "policy")
        crowd_watch = CrowdWatch(store.crowds, policies, store.probes, self._clock.now, self.house.meters.shared)
        self._repeat(crowds.LOOK_SECONDS, crowd_watch.look, "crowds")
        self._repeat(recheck.LOOK_SECONDS, self._recheck().look, "recheck")
        probes = [self._probe_job(protocol) for protocol in self.house.mirrors]
        await asyncio.gather(*(self._first_look(probe) for probe in probes))
        for probe in probes:
            self._repeat(LOOK_SECONDS, probe.look, "probe")
        for listener in self._listeners:
            listener.start()
        records = RecordFigures(store.sealer, store.notices, self.house.meters.own, self._clock.now, time.monotonic)
        for seconds, look in ((figures.LOOK_SECONDS, records.look), (ALIVE_SECONDS, self._gauges.look)):
            await look()
            self._repeat(seconds, look, "figures")

    def _repeat(self, seconds: float, work: Callable[[], Awaitable[object]], name: str) -> None:
        self._jobs.spawn(every(seconds, work, name=name), name=name)

    async def _flush(self) -> None:
        async with self._flushing:
            await self.house.registry.flush(self._store.sessions)

    def _policies(self) -> Policies:
        return self.house.rules.authenticator.policies

    def _recheck(self) -> RecheckJob:
        house = self.house
        return RecheckJob(
            lambda: house.rules.directory,
            lambda: house.rules.recheck,
            self._store.rechecks,
            self._store.probes,
            self._clock.now,
        )

    def _probe_job(self, protocol: MailProtocol) -> ProbeJob:
        house = self.house
        return ProbeJob(lambda: house.rules.targets[protocol], house.mirrors[protocol], self._store.probes, time.time)

    async def _first_look(self, probe: ProbeJob) -> None:
        """So that the first client hears the whole EHLO list; a store that hangs holds the start up no longer."""
        with contextlib.suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout(FIRST_PROBE_SECONDS):
                await probe.first_look()

    def _server(self, listen: Listen) -> Serve:
        protocol = MailProtocol(listen.protocol)
        starttls = listen.tls is TlsMode.STARTTLS

        async def serve(sock: socket.socket, peer: tuple[str, int]) -> Afterwards | None:
            origin = Origin.of(*peer)
            task = asyncio.current_task()
            assert task is not None
            ticket = self.house.lobby.enter(origin.network, partial(_shed, task))
            try:
                session = Session(self.house, protocol, origin)
                match protocol:
                    case MailProtocol.IMAP:
                        return await self._imap(sock, session, ticket, starttls=starttls)
                    case MailProtocol.SUBMISSION:
                        return await self._submission(sock, session, ticket, starttls=starttls)
            finally:
                ticket.leave()

        return serve

    async def _imap(
        self, sock: socket.socket, session: Session, ticket: Ticket, *, starttls: bool
    ) -> Afterwards | None:
        house = self.house
        try:
            stream = await accept(sock, context=None if starttls else house.rules.tls[MailProtocol.IMAP])
        except OSError as error:  # ssl.SSLError is one
            log.debug("no TLS", extra={"session": session.id, "detail": str(error)})
            return None
        return await line_front.serve_imap(house, stream, session, ticket, starttls=starttls)

    async def _submission(
        self, sock: socket.socket, session: Session, ticket: Ticket, *, starttls: bool
    ) -> Afterwards | None:
        house = self.house
        port = SubmissionPort(
            hostname=house.rules.hostname,
            say=house.rules.say,
            keywords=partial(ehlo_lines, house, session),
            context=house.rules.tls[MailProtocol.SUBMISSION],
            starttls=starttls,
        )
        return await smtp_front.serve(sock, session, port, admitted=ticket.leave)

    async def serve(self, lifeline: int) -> None:
        """Until told to stop; then drain."""
        orders = Orders.heed(lifeline, self._reload)
        await orders.stop.wait()
        await self.stop(orders)

    async def stop(self, orders: Orders | None = None) -> None:
        """Accept nobody new, let sessions end until the drain is over, then end what is left.

        Where others accept in our place, whoever is with us already may still log in: nobody is refused.
        """
        orders = orders or Orders()
        self.house.closing = not orders.yielding.is_set()
        for door, listener in zip(self._doors, self._listeners, strict=True):
            await listener.stop()
            door.sock.close()  # whoever comes now is refused at once, rather than kept waiting until the drain is over
        await self._drained(orders.hurry)
        self.house.closing = True
        self.house.registry.end_all(SHUTDOWN)
        await self.house.tasks.close()
        await self._connections.close()
        async with self._flushing:  # cancelled in the middle, it would lose the ends that it has in hand
            await self._jobs.close()
        try:
            await self._flush()
        except StoreUnavailable as trouble:
            log.error("ends of sessions could not be recorded", extra={"detail": str(trouble)})
        await self._end_record()
        await self._store.close()

    async def _drained(self, hurry: asyncio.Event) -> None:
        waiting = Tasks()
        quiet = waiting.spawn(self._connections.idle(), name="drain")
        hurried = waiting.spawn(hurry.wait(), name="hurry")
        drain = self._settings.server.drain
        waiting.spawn(self._part(parting.Parting(self.house.now(), drain)), name="parting")
        await asyncio.wait({quiet, hurried}, timeout=drain, return_when=asyncio.FIRST_COMPLETED)
        await waiting.close()

    async def _part(self, plan: parting.Parting) -> None:
        while True:
            await asyncio.sleep(parting.LOOK_SECONDS)
            self.house.registry.part(plan, self.house.now(), SHUTDOWN)

    async def _end_record(self) -> None:
        """What was written last is sealed too, and the head that stays is put where nobody here can change it."""
        try:
            await self._sealing.seal()
            await sealing.tell_head(self._store.sealer)
        except StoreUnavailable as trouble:
            log.error("the last rows of the audit are not sealed yet", extra={"detail": str(trouble)})
        if self._stream is not None:
            await asyncio.to_thread(self._stream.close)

    def _reload(self) -> None:
        try:
            settings = reloaded(self._settings, config.load(self._settings.file))
            office = office_of(settings)
            turns = self.house.rules.authenticator.turns
            self.house.rules = rules_of(
                settings, self._store, self._clock, self._ring, turns, meter=self.house.meters.own
            )
        except (ConfigError, TlsError) as error:
            log.error("reload refused, the old configuration stays", extra={"detail": str(error)})
            return
        if settings.audit.stream is not self._settings.audit.stream:
            former, self._stream = self._stream, stream.opened(settings.audit.stream)
            if former is not None:
                self._jobs.spawn(asyncio.to_thread(former.close), name="former stream")
        self._settings, self._office = settings, office
        log.info("reloaded")


def _shed(task: asyncio.Task[None]) -> None:
    task.cancel()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def ehlo_lines(house: House, session: Session) -> tuple[bytes, ...] | None:
    """What the submission store was last seen to offer; None where it is down or was never seen."""
    if house.closing or house.mirrors[MailProtocol.SUBMISSION].down or session.offered is None:
        return None
    return _in_order(session.offered)


@lru_cache(maxsize=8)
def _in_order(offered: frozenset[str]) -> tuple[bytes, ...]:
    return tuple(sorted(line.encode() for line in offered))
