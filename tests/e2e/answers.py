"""Logins that fail for every reason that must not show, each of a user who was never heard of before."""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from mailguard.auth import totp
from mailguard.auth.accounts import Account, AccountKind, AccountName, SuspendedBy, TotpDevice
from mailguard.auth.attempt import MailProtocol
from mailguard.store import Store, new_id, rows, schema
from tests.e2e.clients import Login
from tests.e2e.guard import ACTOR, Guard, Person
from tests.e2e.programs import Program, answered, connected, granted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.e2e.stack import Stack, User

# Logins under way: each works for hundredths of a second and waits three. More of them, and on a busy machine some take
# longer than `failure_delay`, those that ask the store sooner than others.
AT_ONCE = 60
FAILURES = 10
POLICY = {
    "group": {
        "second": {"two_factor": "enforce"},
        "no-codes": {"codes_in_mail_clients": False},
        "one-login": {"grant_limit": "0"},
    }
}


@unique
class Kind(StrEnum):
    """Why a login fails."""

    UNKNOWN = "unknown"
    WRONG = "wrong"
    MISSING = "missing code"
    WRONG_CODE = "wrong code"
    REUSED = "reused code"
    SUSPENDED = "suspended"
    NOT_ALLOWED = "not allowed"


@dataclass(slots=True)
class Answers:
    """What was heard, and after how many seconds."""

    bytes: set[bytes] = field(default_factory=set)
    seconds: dict[Kind, list[float]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Case:
    """A login to be tried, and for REUSED what was granted before."""

    kind: Kind
    login: Login
    person: Person | None = None


@dataclass(frozen=True, slots=True)
class Sampler:
    """Asks one guard, by one protocol."""

    guard: Guard
    protocol: MailProtocol
    sources: Iterator[str]  # the address of each next client

    async def sample(self, each: int) -> Answers:
        """So many of each kind in random order, many at a time."""
        async with self.guard.records() as records:
            cases = await Stage(records, self.guard.stack).cases(each)
        # Before any time is taken: whatever begins otherwise than the rest would be measured at other moments.
        cases = [await self._spent(case) for case in cases]
        random.shuffle(cases)
        heard, waiting = Answers(), iter(cases)

        async def some(number: int) -> None:
            await asyncio.sleep(number * 3.0 / AT_ONCE)
            for case in waiting:
                await self._fail(case, heard)

        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(some(number))
        return heard

    async def _spent(self, case: Case) -> Case:
        """As it will be offered, its code used up where that is what it is to fail for."""
        if case.person is None:
            return case
        login = case.person.login()
        assert granted(await answered(self.guard, self.protocol, login, self.guard.stack.address()))
        return Case(case.kind, login)

    async def _fail(self, case: Case, heard: Answers) -> None:
        async with self._connected() as program:
            began = time.monotonic()
            await program.log_in(case.login)
            heard.seconds[case.kind].append(time.monotonic() - began)
            heard.bytes.add(b"\n".join(program.said))

    async def app_password(self) -> float:
        """How many seconds a right one takes."""
        user = self.guard.stack.user()
        async with self.guard.records() as records:
            await records.accounts.add(AccountName(user.name), actor=ACTOR)
        secret = await self.guard.issued(user, sealed=True)
        async with self._connected() as program:
            began = time.monotonic()
            answer = await program.log_in(Login(user.name, secret))
            assert granted(answer), answer
            return time.monotonic() - began

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Program]:
        program = await connected(self.guard, self.protocol, next(self.sources))
        try:
            yield program
        finally:
            program.close()


class Stage:
    """Thousands of accounts, each in the state that makes its login fail, by one transaction: beside a guard at work
    a thousand of them would hold up its own."""

    def __init__(self, records: Store, stack: Stack) -> None:
        self._records, self._stack = records, stack
        self._seal = records._seal
        self._accounts: list[Account] = []
        self._devices: list[TotpDevice] = []

    async def cases(self, each: int) -> list[Case]:
        """So many of each kind."""
        made = [Case(kind, *self._case(kind)) for kind in Kind for _ in range(each)]

        def work(connection: Connection) -> None:
            accounts = [rows.account_values(self._seal, account) for account in self._accounts]
            connection.execute(insert(schema.accounts), accounts)
            devices = [rows.device_values(self._seal, device) for device in self._devices]
            connection.execute(insert(schema.devices), devices)

        await self._records._database.write(work)
        return made

    def _case(self, kind: Kind) -> tuple[Login, Person | None]:
        wrong = secrets.token_hex(9)
        match kind:
            case Kind.UNKNOWN:
                return Login(f"{secrets.token_hex(6)}@example.org", wrong), None
            case Kind.WRONG:
                return Login(self._account().name, wrong), None
            case Kind.MISSING:
                user = self._enrolled().user
                return Login(user.name, user.password), None
            case Kind.WRONG_CODE:
                return self._enrolled().login(steps=-10), None
            case Kind.REUSED:  # the very string from elsewhere: where a grant of it stands, and where none is opened
                person = self._enrolled(random.choice(["", "one-login"]))
                return person.login(), person
            case Kind.SUSPENDED:
                user = self._account(suspended_by=SuspendedBy.OPERATOR)
            case Kind.NOT_ALLOWED:  # three reasons in one sample: a third of it moved away is seen as well
                match random.choice(["codes", "second", "shared"]):
                    case "codes":
                        return self._enrolled("no-codes").login(), None
                    case "second":
                        user = self._account(group="second")
                    case _:
                        user = self._account(kind=AccountKind.SHARED)
        return Login(user.name, user.password), None

    def _account(self, **more: Any) -> User:
        user = self._stack.user()
        self._accounts.append(Account(new_id(), AccountName(user.name), created_at=time.time(), **more))
        return user

    def _enrolled(self, group: str = "") -> Person:
        user, seed, now = self._account(group=group), totp.new_seed(), time.time()
        device = TotpDevice(
            new_id(), self._accounts[-1].id, "test", seed, last_step=1, created_at=now, confirmed_at=now
        )
        self._devices.append(device)
        return Person(user, seed.reveal().decode(), device.id)


def fresh(guard: Guard) -> Iterator[str]:
    """A new address for each client."""
    while True:
        yield guard.stack.address()


async def with_failures(guard: Guard, protocol: MailProtocol, count: int) -> Iterator[str]:
    """So many addresses, over and over, each with ten wrong passwords behind it."""
    addresses = [f"127.2.{number}.1" for number in range(1, count + 1)]

    async def fail(address: str) -> None:
        made_up = (Login(f"{secrets.token_hex(6)}@example.org", secrets.token_hex(9)) for _ in range(FAILURES))
        programs: Sequence[Program] = [await connected(guard, protocol, address) for _ in range(FAILURES)]
        await asyncio.gather(*(program.log_in(login) for program, login in zip(programs, made_up, strict=True)))
        for program in programs:
            program.close()

    for few in zip(*[iter(addresses)] * 4, strict=True):
        await asyncio.gather(*map(fail, few))
    return itertools.cycle(addresses)
