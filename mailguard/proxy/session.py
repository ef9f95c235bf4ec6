"""One client, from accept to close: the story on one screen.

    dialogue → decision → dial → register → compare → relay

The front speaks the protocol and asks `login` for each credential; what comes back is a leg to the store, logged in
and not yet read from, or a refusal that has been recorded and has waited out its delay.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from mailguard.auth.attempt import Admission, Answer, Client, LoginForm, MailProtocol, Reason, Refused, Verdict
from mailguard.auth.authenticator import new_session_id
from mailguard.auth.decision import Door
from mailguard.auth.names import MAX_OCTETS
from mailguard.backends import dial, identity
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import master, own
from mailguard.backends.target import Caller
from mailguard.net.relay import Relay
from mailguard.observe.families import GRANTED, LOGINS, NO_FACTOR, PHASES, Phase
from mailguard.protocols.server.id_tap import IdTap
from mailguard.proxy.measured import MeasuredQuestion
from mailguard.proxy.registry import Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailguard.auth.accounts import AccountName
    from mailguard.auth.attempt import LoginAttempt, Origin
    from mailguard.auth.authenticator import Login
    from mailguard.auth.ports import Identity
    from mailguard.backends.leg import Leg
    from mailguard.backends.login import Credential
    from mailguard.backends.pace import Dials
    from mailguard.backends.target import Target
    from mailguard.proxy.house import House
    from mailguard.secret import Secret

log = logging.getLogger("mailguard.session")
guesses = logging.getLogger("mailguard.guess")
"""What fail2ban reads (deploy/fail2ban): nothing that a stranger typed is in its lines."""

_REASONS = {FailureKind.REFUSED: Reason.BACKEND_REFUSED, FailureKind.UNSAFE: Reason.BACKEND_UNSAFE}


class Session:
    """One connection's way through the house."""

    def __init__(self, house: House, protocol: MailProtocol, origin: Origin) -> None:
        self.id = new_session_id()
        self.origin = origin
        self.client = Client()
        # Taken once: what this client is told and what its leg must keep stay the same while others probe.
        self.offered = house.mirrors[protocol].offered
        self._house = house
        self._protocol = protocol
        self._target = house.rules.targets[protocol]
        self._live: Live | None = None
        self._refused_name = ""

    async def login(self, attempt: LoginAttempt, helo: str = "") -> Leg | Refused:
        """Decide one attempt and open its leg. Never raises for trouble of a store.

        It runs to its end even if the client leaves meanwhile: a guess is counted whether or not its answer is awaited.
        """
        running = self._house.tasks.spawn(self._attempt(attempt, helo), name=f"login {self.id}")
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(self._nobody_waits)
            raise

    def _nobody_waits(self, running: asyncio.Task[Leg | Refused]) -> None:
        if not running.cancelled() and running.exception() is None and not isinstance(running.result(), Refused):
            self.done("client-left")

    async def _attempt(self, attempt: LoginAttempt, helo: str) -> Leg | Refused:
        house, rules = self._house, self._house.rules
        arrived = house.now()
        door = Door(self._protocol, self._target.form, rules.creates)
        login = rules.authenticator.login(attempt, door, self.origin, self.id)
        caller = Caller(self.origin, self.id, helo)
        asked = self._identity(caller)
        try:
            outcome = await self._decided(login, asked, caller)
        except BaseException:
            asked.abandon()
            self.done("fault")
            raise
        if isinstance(outcome, Refused):
            house.meters.own.add(LOGINS, self._protocol, outcome.reason, NO_FACTOR)
            asked.abandon()
            self._refused_name = login.name or attempt.username[:MAX_OCTETS]
            self._tell(login, outcome)
            await asyncio.sleep(max(0.0, arrived + rules.failure_delay - house.now()))
        return outcome

    async def _decided(self, login: Login, asked: _Asked, caller: Caller) -> Leg | Refused:
        if self._house.closing:
            return await login.defer(Refused(Reason.SHUTTING_DOWN))
        decided = await login.decide(MeasuredQuestion(asked, self._house.meters.own))
        return decided if isinstance(decided, Refused) else await self._enter(login, decided, asked, caller)

    def _tell(self, login: Login, refused: Refused) -> None:
        house, where = self._house, {"address": str(self.origin.address), "protocol": self._protocol.value}
        if login.counted and house.guesses.due(self.origin.network):
            guesses.info("wrong secret counted", extra=where)
        if house.refusals.due(self.origin.network):
            log.info("login refused", extra=self._told(login.name, reason=refused.reason, detail=refused.detail))

    def _told(self, account: AccountName | None, **more: str) -> dict[str, str]:
        who = {"session": self.id, "account": account or "", "address": str(self.origin.address)}
        return {**who, "protocol": self._protocol.value, **more}

    def alert_due(self) -> bool:
        """Whether the refusal just given should come with the help text that clients pop up."""
        return self._house.alerts.due(self._refused_name, self.origin.network)

    async def _enter(self, login: Login, admission: Admission, asked: _Asked, caller: Caller) -> Leg | Refused:
        """Dial and log in, unless the identity question has done so; register; only then look for revocations."""
        try:
            leg = asked.leg or await self._house_leg(admission.name, caller)
        except BackendFailure as failure:
            return await login.defer(Refused(_REASONS.get(failure.kind, Reason.BACKEND_UNAVAILABLE), failure.text))
        asked.leg = leg
        live = Live(
            id=self.id,
            admission=admission,
            protocol=self._protocol,
            origin=self.origin,
            started_at=self._house.rules.authenticator.clock.now(),
            abort=leg.abort,
            client=self.client,
        )
        self._house.registry.register(live)
        self._live = live
        policies, followed = self._house.rules.authenticator.policies, self._house.registry.followed
        fallen = await login.still_stands(admission, policies, followed)
        if fallen is None and live.ended:
            fallen = Refused(Reason.REVOKED_IN_FLIGHT)
        if fallen is not None:
            self.done("revoked")
            return fallen
        self._house.meters.own.add(LOGINS, self._protocol, GRANTED, admission.factor)
        log.info(
            "login granted", extra=self._told(admission.name, factor=admission.factor, credential=admission.credential)
        )
        return leg

    async def _house_leg(self, name: AccountName, caller: Caller) -> Leg:
        return await _opened(self._house, self._target, master(self._target, name), caller, self.offered, proved=True)

    def _identity(self, caller: Caller) -> _Asked:
        own_leg = None
        if self._target.form is LoginForm.OWN:
            own_leg = _OwnLeg(self._house, self._target, caller, self.offered)
        if self._house.rules.source is not None:
            return _OtherSource(self._house.rules.source, own_leg)
        if own_leg is not None:
            return own_leg
        asked = self._house.rules.identity or self._house.rules.targets[MailProtocol.IMAP]
        return _OtherListener(self._house.dials, asked, caller)

    async def relay(self, client: asyncio.Transport, leftover: bytes, leg: Leg) -> None:
        """Join the two sockets until either ends or the session is ended from outside."""
        live = self._live
        assert live is not None
        store, first = leg.detach()
        tap = None
        if live.client:  # named before the login: heard now, when the session is listed
            self._house.registry.name(self.id, live.client)
        elif self._protocol is MailProtocol.IMAP:
            tap = self._tap()
        relay = Relay(client, store, to_store=leftover, to_client=first, tap=tap)
        del client, store, leftover, first, leg, tap  # it may last for days
        live.abort, live.silence, live.rest, live.carried = relay.abort, relay.silence, relay.rest, relay.carried
        end = None
        try:
            if live.ended:
                relay.abort()
            end = await relay.run()
        finally:
            self._live = None
            self._house.registry.closed(live, end.why.value if end is not None else "lost", end)

    def _tap(self) -> Callable[[bytes], bool]:
        tap = IdTap()

        def read_along(data: bytes) -> bool:
            done = tap.feed(data)
            if done:
                self._house.registry.name(self.id, tap.client)
            return done

        return read_along

    def done(self, why: str) -> None:
        """The connection ends without a relay: let go of whatever was opened for it."""
        live, self._live = self._live, None
        if live is not None:
            live.abort()
            self._house.registry.closed(live, why, None)


class _Asked(ABC):
    """An identity question, and the leg that its answer may have opened."""

    def __init__(self) -> None:
        self.leg: Leg | None = None

    @abstractmethod
    async def ask(self, name: AccountName, password: Secret) -> Answer:
        """Is this the user's password?"""

    async def enter(self, name: AccountName, password: Secret) -> Answer:
        """Open the leg with a password from the vault."""
        return await self.ask(name, password)

    def abandon(self) -> None:
        """The login is refused: close the leg if there is one."""
        if self.leg is not None:
            self.leg.abort()


class _OwnLeg(_Asked):
    """Login `own`: the question *is* the session's own leg, kept and handed on."""

    def __init__(self, house: House, target: Target, caller: Caller, offered: frozenset[str] | None) -> None:
        super().__init__()
        self._house, self._target, self._caller, self._offered = house, target, caller, offered

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        """Open the leg with this password."""
        return await self._open(name, password, proved=False)

    async def enter(self, name: AccountName, password: Secret) -> Answer:
        """The same for whoever has shown a right secret already."""
        return await self._open(name, password, proved=True)

    async def _open(self, name: AccountName, password: Secret, *, proved: bool) -> Answer:
        try:
            credential = own(self._target, name, password)
            self.leg = await _opened(self._house, self._target, credential, self._caller, self._offered, proved=proved)
        except BackendFailure as failure:
            return identity.answer(failure)
        return Answer(Verdict.YES)


class _OtherListener(_Asked):
    """Login `master`: a listener of the store that takes users' own passwords is asked and left."""

    def __init__(self, dials: Dials, target: Target, caller: Caller) -> None:
        super().__init__()
        self._dials, self._target, self._caller = dials, target, caller

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        """Log in there with this password, and out again."""
        try:
            await self._dials.turn(self._target, proved=False)
        except BackendFailure as failure:
            return identity.answer(failure)
        return await identity.ask(self._target, name, password, self._caller)


class _OtherSource(_Asked):
    """A directory or our own records are asked; under login `own` the leg is opened with the password they took."""

    def __init__(self, source: Identity, own_leg: _OwnLeg | None) -> None:
        super().__init__()
        self._source, self._own_leg = source, own_leg

    async def enter(self, name: AccountName, password: Secret) -> Answer:
        """Open the leg with a password from the vault: the store alone is asked."""
        assert self._own_leg is not None
        answer = await self._own_leg.enter(name, password)
        self.leg = self._own_leg.leg
        return answer

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        """Ask; a no of the store after their yes says nothing about the password: somebody must look into it."""
        answer = await self._source.ask(name, password)
        if answer.verdict is not Verdict.YES or self._own_leg is None:
            return answer
        opened = await self._own_leg.enter(name, password)
        self.leg = self._own_leg.leg
        if opened.verdict is Verdict.YES:
            return answer
        if opened.verdict is Verdict.UNAVAILABLE:
            return replace(opened, group=answer.group, vouched=True, another=answer.another)
        detail = f"the identity source takes the password and the mail store does not: {opened.detail}"
        log.error("the mail store and the identity source disagree", extra={"account": name, "detail": detail})
        return Answer(
            Verdict.UNAVAILABLE, Reason.BACKEND_REFUSED, detail, answer.group, vouched=True, another=answer.another
        )


async def _opened(
    house: House,
    target: Target,
    credential: Credential,
    caller: Caller,
    offered: frozenset[str] | None,
    *,
    proved: bool,
) -> Leg:
    """Open a leg that keeps what the client was told, and let the fronts know how the store fares."""
    mirror = house.mirrors[target.protocol]
    told = offered if offered is not None and target.protocol is MailProtocol.SUBMISSION else frozenset[str]()
    await house.dials.turn(target, proved=proved)
    began = perf_counter()
    try:
        leg = await dial.open_leg(target, credential, caller, announced=told)
    except BackendFailure as failure:
        if failure.kind is not FailureKind.REFUSED:
            mirror.failed(failure)
        raise
    finally:
        house.meters.own.took(PHASES, Phase.DIAL, seconds=perf_counter() - began)
    mirror.worked()
    return leg
