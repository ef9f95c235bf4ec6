"""One process of the guard, as the machine sees it: it is handed an attempt and says what came of it."""

import hashlib
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import (
    Admission,
    Answer,
    LoginAttempt,
    LoginForm,
    MailProtocol,
    Origin,
    Reason,
    Refused,
    Verdict,
)
from mailguard.auth.authenticator import Authenticator, new_session_id
from mailguard.auth.decision import Door
from mailguard.auth.names import Naming
from mailguard.auth.policy import Policies, Policy
from mailguard.auth.ports import Questions
from mailguard.auth.recovery import grouped
from mailguard.auth.signin import Presented, SignIns
from mailguard.auth.standing import SignedIn
from mailguard.keyring import Keyring
from mailguard.net.threads import Threads
from mailguard.proxy.turns import Turns
from mailguard.secret import Secret
from mailguard.store import Store
from tests.auth.test_authenticator import Directory, Hands
from tests.store.words import ANN, full_disk, sql

MANY = Questions(10_000, 1800.0)


@dataclass(frozen=True)
class Try:
    """An attempt, and the world it comes into. `second` is None at a mail client."""

    typed: str
    origin: Origin
    now: float
    password: str  # the right one
    policy: Policy
    second: str | None = None
    protocol: MailProtocol = MailProtocol.IMAP
    leg: bool = True  # the store lets it in
    trouble: str = ""  # "down": the identity source; "full": the disk; "clock"
    database: str = ""
    before: int | None = None  # the revocation after which `password` is the old one, if it changes meanwhile


@dataclass(frozen=True)
class Came:
    """What came of it. `shown` is everything that was made on the way, as a careless log would show it."""

    session: str
    reason: Reason | None = None
    admission: Admission | None = None
    signed: SignedIn | None = None
    fresh: str = ""  # a recovery code in place of the one that was used
    shown: str = ""


Process = Callable[[Try], Coroutine[Any, Any, Came]]


@dataclass
class Changing(Directory):
    """An identity source whose password may change while an attempt is on its way: asked after that it says no."""

    told: Try | None = None

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        told = self.told
        if told is not None and told.before is not None:
            ((newest,),) = sql(Path(told.database), "SELECT coalesce(max(seq), 0) FROM revocations")
            if newest != told.before:
                return Answer(Verdict.NO)
        return await super().ask(name, password)


@dataclass
class Guard:
    """Everything a worker decides with, on a store of its own."""

    store: Store
    ring: Keyring
    threads: Threads
    hands: Hands = field(default_factory=Hands)
    turns: Turns = field(default_factory=Turns)

    async def __call__(self, told: Try) -> Came:
        self.hands.at, self.hands.believed = told.now, told.trouble != "clock"
        directory = Changing({ANN: told.password}, down=told.trouble == "down", told=told)
        naming, policies = Naming("example.org", frozenset({"mailguard"})), Policies(told.policy)
        by = Authenticator(self.store.ledger, self.hands, self.ring, policies, naming, self.turns, MANY, seals=True)
        with full_disk(1) if told.trouble == "full" else nullcontext():
            if told.second is None:
                return await self._mail(by, told, directory)
            return await self._form(by, told, directory)

    async def _mail(self, by: Authenticator, told: Try, directory: Directory) -> Came:
        attempt = LoginAttempt(ANN, Secret(told.typed.encode()), "PLAIN")
        door, session = Door(told.protocol, LoginForm.MASTER, creates=True), new_session_id()
        login = by.login(attempt, door, told.origin, session)
        done = await login.decide(directory)
        shown = f"{attempt!r} {login!r} {login.__dict__!r} {done!r}"
        if isinstance(done, Refused):
            return Came(session, done.reason, shown=shown)
        if not told.leg:
            await login.defer(Refused(Reason.BACKEND_UNAVAILABLE))
        return Came(session, admission=done, shown=shown)

    async def _form(self, by: Authenticator, told: Try, directory: Directory) -> Came:
        presented = Presented(ANN, Secret(told.typed.encode()), Secret((told.second or "").encode()))
        session = new_session_id()
        attempt = SignIns(by, self.store.sign_ins, self.threads, True).attempt(presented, told.origin, session)
        done = await attempt.decide(directory)
        shown = f"{presented!r} {attempt!r} {attempt.__dict__!r} {done!r}"
        if isinstance(done, Refused):
            return Came(session, done.reason, shown=shown)
        fresh = "" if done.recovery_code is None else grouped(done.recovery_code)
        return Came(session, signed=replace(done, recovery_code=None), fresh=fresh, shown=shown)


def quick_hash(code: Secret, salt: bytes) -> bytes:
    """In place of argon2id, which would take most of the time. That it is used is shown elsewhere."""
    return hashlib.sha256(salt + code.reveal()).digest()
