"""An account's life in any order, by two processes at once, with SECURITY.md's promises held against a model."""

import asyncio
import copy
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from mailguard.auth.attempt import Origin
from mailguard.auth.events import Event
from mailguard.auth.policy import Policy
from mailguard.auth.ports import AuditRow
from mailguard.config.choices import TwoFactor
from mailguard.keyring import Keyring
from mailguard.net.threads import Threads
from mailguard.store import Store, new_id
from tests.auth.test_authenticator import Hands
from tests.life.guards import Came, Process, Try
from tests.life.judge import judge
from tests.life.model import DAY, Device, Model, Opened, Signed
from tests.life.model import AppPassword as Known
from tests.store.words import ANN, sql

T = TypeVar("T")

HOME, HOME6 = Origin.of("192.0.2.7", 40001), Origin.of("2001:db8::7", 40001)
AWAY, AWAY6 = Origin.of("198.51.100.9", 40002), Origin.of("2001:db8:1::9", 40002)
USUAL = Policy(grant_connections=2)
BRIEF_LIMIT = 600.0
BRIEF = replace(USUAL, grant_limit=BRIEF_LIMIT)
POLICIES = [
    USUAL,
    replace(USUAL, two_factor=TwoFactor.ENFORCE),
    replace(USUAL, grant_limit=None),
    replace(USUAL, codes_in_mail_clients=False),
]
WAITS = [1.0, 29.0, 30.0, 31.0, 61.0, 119.0, 121.0, 600.0, 3599.0, 3601.0, 13 * 3600.0, DAY + 1, 8 * DAY]
SOON = [0.0, 0.0, 1.0, 61.0, 119.0, 121.0, 3599.0, 3601.0, 12 * 3600.0]
CODE_GOOD = 8 * 3600.0
SIGNED_IN_FOR = 12 * 3600.0  # the pages end a sign-in long before the records forget a revocation
WATCHED = 8  # sessions that are looked at after each step
CREDENTIALS = (
    "accounts",
    "totp_devices",
    "passkeys",
    "one_time_codes",
    "app_passwords",
    "grants",
    "vault",
    "revocations",
    "sessions",
)
HELD = 40

any_ = st.integers(0, HELD - 1)
processes = st.integers(0, 1)
origins = st.sampled_from([HOME, HOME, HOME, HOME6, AWAY, AWAY6])
offsets = st.sampled_from([0, 0, 0, -1, -1, 1, -2])
troubles = st.sampled_from(["", "", "", "", "", "down", "full", "clock"])


def when(holds: Callable[["Life"], object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A rule that does nothing at other times. Not a precondition: which of two processes was faster must not turn what
    is drawn next, or the same draws were another life each time."""

    def decorate(work: Callable[..., None]) -> Callable[..., None]:
        @wraps(work)
        def only_then(self: "Life", **drawn: Any) -> None:
            if holds(self):
                work(self, **drawn)

        return only_then

    return decorate


@dataclass(frozen=True)
class Ground:
    """What every life begins with."""

    folder: Path
    ring: Keyring
    empty: bytes  # a store that was just made
    processes: Callable[[Path], Awaitable[tuple[Process, ...]]]
    close: Callable[[], Awaitable[None]]
    heard: Callable[[], str]  # what was logged since


@dataclass(frozen=True)
class Coming:
    """How a client comes: to which process, from where, into what trouble; and whether the store lets it in."""

    process: int
    origin: Origin
    trouble: str
    leg: bool


comings = st.builds(Coming, processes, origins, troubles, st.sampled_from([True, True, True, False]))


class Life(RuleBasedStateMachine):
    """Rules are what people, thieves, administrators and time do."""

    ground: Ground

    def __init__(self) -> None:
        super().__init__()
        self.database = self.ground.folder / f"{new_id()}.db"
        self.hands = Hands()
        self.model = Model("correct horse 1 battery", policy=USUAL)
        self.secrets = {self.model.password}
        self.runner = asyncio.Runner()
        self.threads = Threads()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    guards: tuple[Process, ...]
    store: Store

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.nothing_lies_about(b"".join(path.read_bytes() for path in self.files()).decode("latin-1"))

            async def work() -> None:
                await self.store.close()
                await self.ground.close()

            self.run(work())
        self.runner.close()
        self.threads.close()
        for path in self.files():
            path.unlink()

    def files(self) -> list[Path]:
        return list(self.ground.folder.glob(f"{self.database.name}*"))

    def nothing_lies_about(self, text: str) -> None:
        """No secret that was ever used: not in any file of the records, what was logged, or the repr of anything."""
        assert [secret for secret in self.secrets if secret in text] == []

    # Attempts

    def told(self, typed: str, origin: Origin, **more: Any) -> Try:
        if not typed.isascii() or len(typed) > 8:
            self.secrets.add(typed)
        return Try(
            typed, origin, self.hands.at, self.model.password, self.model.policy, database=str(self.database), **more
        )

    def attempt(self, process: int, told: Try) -> Came:
        before = self.credentials()
        came = self.run(self.guards[process](told))
        if came.reason is not None:
            assert self.credentials() == before, "what does not get in changes, burns and deletes nothing"
        judge(self.model, told, came)
        self.recorded(told, came)
        return came

    def race(self, first: Try, second: Try) -> None:
        """Two processes at once: as if one had come after the other, whichever."""

        async def both() -> list[Came]:
            tried = zip(self.guards, (first, second), strict=True)
            return await asyncio.gather(*(process(told) for process, told in tried))

        came = self.run(both())
        pairs = list(zip((first, second), came, strict=True))
        self.model = self.in_some_order(*(lambda model, p=pair: judge(model, *p) for pair in pairs))
        for told, each in pairs:
            self.recorded(told, each)

    def race_with(
        self, told: Try, ends: Callable[[], Coroutine[Any, Any, None]], also: Callable[[Model], None]
    ) -> None:
        """An attempt while what it stands on ends."""

        async def both() -> Came:
            came: Came
            came, _ = await asyncio.gather(self.guards[0](told), ends())
            return came

        came = self.run(both())
        self.model = self.in_some_order(lambda model: judge(model, told, came), also)
        self.recorded(told, came)

    def in_some_order(self, one: Callable[[Model], None], other: Callable[[Model], None]) -> Model:
        with suppress(AssertionError):
            return _after(self.model, one, other)
        return _after(self.model, other, one)

    def recorded(self, told: Try, came: Came) -> None:
        """One row for the end of an attempt, with its true reason; and nothing of its secrets anywhere."""
        if came.fresh:
            self.secrets |= {came.fresh, came.fresh.replace("-", "")}
        found = sql(self.database, "SELECT event, reason FROM audit WHERE session = ? ORDER BY seq", came.session)
        ends = [row for row in found if str(row[0]).startswith(("login-", "sign-in-"))]
        if told.trouble == "full":
            assert ends == []
        elif came.reason is not None:
            assert [reason for _, reason in ends] == [came.reason.value]
        else:
            kind = "login" if told.second is None else "sign-in"
            left = [] if told.leg else [("login-deferred", "backend-unavailable")]
            assert ends == [(f"{kind}-granted", ""), *left]
        self.nothing_lies_about(came.shown)

    def credentials(self) -> list[list[tuple[object, ...]]]:
        with closing(sqlite3.connect(self.database)) as connection:
            return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in CREDENTIALS]

    def with_code(self, which: int, offset: int) -> str:
        device = self.model.devices[which % len(self.model.devices)]
        return self.model.password + device.shows(int(self.hands.at) // 30 + offset)

    def a_signed(self, which: int) -> Signed:
        return self.model.signed[-1 - which % min(3, len(self.model.signed))]

    def device(self, which: int) -> Device:
        return self.model.devices[which % len(self.model.devices)]

    @property
    def usable_app_passwords(self) -> list[Known]:
        return [it for it in self.model.app_passwords if not it.revoked and not it.gone]

    def leaves(self, session: Opened) -> None:
        self.run(self.store.sessions.ended([(session.session, self.end_of(session.session))]))
        self.model.left(session, self.hands.at)

    def everybody_leaves(self) -> None:
        for session in list(self.model.opened):
            self.leaves(session)

    def end_of(self, session: str) -> AuditRow:
        return AuditRow(Event.SESSION_ENDED, self.hands.at, account=ANN, session=session)

    # What always holds

    @invariant()
    def what_was_ended_is_known_to_have_ended(self) -> None:
        """Nothing that was opened before stands, and nothing falls that still should."""
        watched = self.model.opened[-WATCHED:]

        async def work() -> None:
            for each in watched:
                came = each.admission
                fallen = await self.store.ledger.revoked_since(came.revision, came, each.session)
                assert fallen is each.fallen, each
            gone = [each for each in self.model.opened if each.fallen]
            await self.store.sessions.ended([(each.session, self.end_of(each.session)) for each in gone])

        if watched:
            self.run(work())
        self.model.opened = [each for each in self.model.opened if not each.fallen]

    @invariant()
    def nothing_is_logged(self) -> None:
        self.nothing_lies_about(self.ground.heard())


def _after(model: Model, *steps: Callable[[Model], None]) -> Model:
    model = copy.deepcopy(model)
    for step in steps:
        step(model)
    return model
