"""What all sessions of one process share."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailguard.auth.attempt import MailProtocol
from mailguard.backends.health import Health
from mailguard.observe.board import Meters

if TYPE_CHECKING:
    import ssl

    from mailguard.auth.authenticator import Authenticator
    from mailguard.auth.ports import Identity
    from mailguard.backends.failure import BackendFailure
    from mailguard.backends.pace import Dials
    from mailguard.backends.target import Target
    from mailguard.identity.entry import Observer
    from mailguard.net.listener import Lobby
    from mailguard.net.tasks import Tasks
    from mailguard.protocols.codes import Say
    from mailguard.proxy.registry import Registry
    from mailguard.proxy.turns import Turns

ALERT_PAUSE = 15 * 60.0
ALERT_MEMORY = 10_000
LINES_OF_NETWORK, LINES = 20, 300  # a minute
PRE_LOGIN_SECONDS = 60.0  # from the greeting to the login


class AlertMemory:
    """Who was shown the help text lately: at most once a name and network in 15 minutes, known or not.

    Clients pop it up; old ones retry every few minutes for ever.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._shown: OrderedDict[tuple[str, str], float] = OrderedDict()

    def due(self, name: str, network: str) -> bool:
        """Whether to show it now; a yes counts as shown."""
        key, now = (name, network), self._now()
        last = self._shown.get(key)
        if last is not None and now - last < ALERT_PAUSE:
            return False
        self._shown[key] = now
        self._shown.move_to_end(key)
        if len(self._shown) > ALERT_MEMORY:
            self._shown.popitem(last=False)
        return True


class LineRate:
    """Which lines about strangers still go to the log: so many a minute for one network, and for all together.

    A guesser is not to fill the disk by what is told of him; every refusal is counted in the record.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._minute = 0.0
        self._lines: Counter[str] = Counter()

    def due(self, network: str) -> bool:
        """Whether to write one more; a yes counts as written."""
        minute = self._now() // 60
        if minute != self._minute:
            self._minute = minute
            self._lines.clear()
        if self._lines[network] >= LINES_OF_NETWORK or self._lines.total() >= LINES:
            return False
        self._lines[network] += 1
        return True


@dataclass(frozen=True, slots=True)
class Rules:
    """What a reload replaces as a whole: every login and every new connection reads it anew."""

    authenticator: Authenticator
    targets: Mapping[MailProtocol, Target]
    identity: Target | None  # the listener that is asked about passwords under a master login
    source: Identity | None  # who is asked about them first, where that is not the store
    directory: Observer | None  # the same, where it can tell how its users stand
    recheck: float  # seconds between asking it; 0: never
    creates: bool
    failure_delay: float
    say: Say
    hostname: str
    tls: Mapping[MailProtocol, ssl.SSLContext]


class Mirror:
    """What a store was last seen to offer, and whether it can be reached: fronts promise no more than that."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._health = Health()
        self._offered: frozenset[str] | None = None
        self.troubled = True  # until it was seen well

    @property
    def offered(self) -> frozenset[str] | None:
        """The capabilities or EHLO lines of the last good probe; None before the first."""
        return self._offered

    @property
    def down(self) -> bool:
        """Turn clients away at the greeting?"""
        return self._health.down(self._now())

    def offers(self, capabilities: frozenset[str]) -> None:
        """It was seen to offer these."""
        self._offered = capabilities
        self.worked()

    def worked(self) -> None:
        """A leg got through."""
        self._health.worked()
        self.troubled = False

    def failed(self, failure: BackendFailure) -> None:
        """A leg or a probe failed for a reason that is the store's."""
        self._health.failed(failure.kind, self._now())
        self.troubled = True


@dataclass(slots=True)
class House:
    """The services of one process. `rules` is swapped by a reload; the rest lives as long as the process."""

    rules: Rules
    registry: Registry
    tasks: Tasks
    lobby: Lobby
    now: Callable[[], float]
    turns: Turns
    dials: Dials
    mirrors: Mapping[MailProtocol, Mirror]
    alerts: AlertMemory
    guesses: LineRate
    refusals: LineRate
    meters: Meters = field(default_factory=Meters)
    closing: bool = False  # draining: nobody new gets in
