"""A person's sign-in, on real records, with a directory and a clock that the test turns."""

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pyotp
import pytest

from mailguard.auth import recovery
from mailguard.auth.accounts import Account, AccountKind, AccountName, CodeKind, OneTimeCode, Passkey, SuspendedBy
from mailguard.auth.attempt import Answer, Factor, LoginAttempt, Origin, Reason, Refused, Verdict
from mailguard.auth.authenticator import Authenticator, new_session_id
from mailguard.auth.events import Event
from mailguard.auth.names import Naming
from mailguard.auth.passkeys import PasskeyUse
from mailguard.auth.policy import Policies, Policy
from mailguard.auth.ports import Questions
from mailguard.auth.signin import Presented, Second, Shown, SignIn, SignIns, judge
from mailguard.auth.standing import Proven, SignedIn, Site, Standing
from mailguard.config.choices import TwoFactor
from mailguard.keyring import Keyring
from mailguard.net.threads import Threads
from mailguard.proxy.turns import Most, Turns
from mailguard.secret import Secret
from mailguard.store import Store
from tests.auth.test_authenticator import (
    ANN,
    AWAY,
    HOME,
    MASTER,
    PASSWORD,
    SEED,
    Directory,
    Hands,
    everything_in,
    swap_for_a_folder,
)

T = TypeVar("T")
ENFORCE = Policy(two_factor=TwoFactor.ENFORCE)
OPERATOR = "operator:root"


@dataclass
class Listening(Directory):
    """A directory that tells when it is asked."""

    heard: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        self.heard.release()
        return await super().ask(name, password)


@dataclass
class Scene:
    """Everything a sign-in needs."""

    store: Store
    ring: Keyring
    hands: Hands
    directory: Listening
    threads: Threads
    policy: Policy = Policy()  # noqa: RUF009  (frozen)
    creates: bool = True
    seals: bool = False
    turns: Turns = field(default_factory=Turns)
    questions: Questions = Questions(1000, 1800.0)  # noqa: RUF009  (frozen)

    @property
    def by(self) -> Authenticator:
        naming = Naming("example.org", frozenset({"mailguard"}))
        policies = Policies(self.policy)
        return Authenticator(
            self.store.ledger, self.hands, self.ring, policies, naming, self.turns, self.questions, seals=self.seals
        )

    def attempt(self, password: str, second: str, *, name: str = ANN, origin: object = HOME) -> SignIn:
        house = SignIns(self.by, self.store.sign_ins, self.threads, self.creates)
        presented = Presented(name, Secret(password.encode()), Secret(second.encode()))
        return house.attempt(presented, origin, new_session_id())  # type: ignore[arg-type]

    async def decided(self, second: str = "", *, password: str = PASSWORD, **how: object) -> SignedIn | Refused:
        return await self.attempt(password, second, **how).decide(self.directory)  # type: ignore[arg-type]

    async def outcome(self, second: str = "", **how: object) -> tuple[Factor, Standing] | Reason:
        done = await self.decided(second, **how)  # type: ignore[arg-type]  # passed on as it is
        return (done.factor, done.standing) if isinstance(done, SignedIn) else done.reason

    async def by_mail(self, string: str) -> Reason | Factor:
        attempt = LoginAttempt(ANN, Secret(string.encode()), "PLAIN")
        done = await self.by.login(attempt, MASTER, HOME, new_session_id()).decide(self.directory)
        return done.reason if isinstance(done, Refused) else done.factor

    async def code(self, kind: CodeKind, *, may_enrol: bool = False, good_for: float = 3600.0) -> str:
        made = recovery.make(1)
        end = None if kind is CodeKind.RECOVERY else self.hands.at + good_for
        how = {"actor": OPERATOR, "expires_at": end, "may_enrol": may_enrol}
        await self.store.codes.issue(ANN, kind, made, **how)  # type: ignore[arg-type]  # passed on as it is
        return recovery.grouped(made.codes[0])

    def digits(self, offset: int = 0) -> str:
        return pyotp.TOTP(SEED.reveal().decode()).at(int(self.hands.at) + 30 * offset)

    async def account(self) -> None:
        await self.store.accounts.add(ANN, actor=OPERATOR)

    async def enrol(self) -> str:
        await self.account()
        device = await self.store.devices.enrol(ANN, "phone", SEED, actor=OPERATOR)
        await self.store.devices.confirm(device.id, 1, actor=OPERATOR)
        return device.id

    async def events(self) -> list[Event]:
        return [recorded.row.event for recorded in await self.store.audit.list()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
async def scene(folder: Path, ring: Keyring) -> AsyncIterator[Scene]:
    hands, threads = Hands(), Threads()
    store = await Store.open(f"sqlite:///{folder / 'mailguard.db'}", ring, now=hands.now)
    scene = Scene(store, ring, hands, Listening(), threads)
    yield scene
    await scene.store.close()
    threads.close()


YES, NO = Answer(Verdict.YES), Answer(Verdict.NO)
DOWN = Answer(Verdict.UNAVAILABLE, Reason.BACKEND_UNAVAILABLE)
ACCOUNT = Account("a", ANN)
USE = PasskeyUse(Passkey("p", "a", "token", b"", b""), 1, b"")


def one_time(kind: CodeKind) -> OneTimeCode:
    return OneTimeCode("c", "a", kind, b"", b"", 0.0)


@pytest.mark.parametrize(
    ("account", "answer", "shown", "enrolled", "creates", "outcome"),
    [
        (ACCOUNT, NO, Shown(False), False, True, Reason.WRONG_PASSWORD),
        (ACCOUNT, NO, Shown(True), True, True, Reason.WRONG_PASSWORD),
        (ACCOUNT, NO, Shown(True, code=one_time(CodeKind.BYPASS)), True, True, Reason.WRONG_PASSWORD),
        (None, NO, Shown(False), False, True, Reason.UNKNOWN_ACCOUNT),
        (ACCOUNT, DOWN, Shown(False), False, True, Reason.BACKEND_UNAVAILABLE),
        (None, YES, Shown(False), False, False, Reason.UNKNOWN_ACCOUNT),
        (None, YES, Shown(False), False, True, Factor.PASSWORD),
        (None, YES, Shown(True), False, True, Reason.CODE_WRONG),
        (replace(ACCOUNT, suspended_by=SuspendedBy.OPERATOR), YES, Shown(False), False, True, Reason.SUSPENDED),
        (replace(ACCOUNT, kind=AccountKind.SHARED), YES, Shown(False), False, True, Reason.NO_PASSWORD_HERE),
        (ACCOUNT, YES, Shown(False), False, True, Factor.PASSWORD),
        (ACCOUNT, YES, Shown(False), True, True, Reason.CODE_MISSING),
        (ACCOUNT, YES, Shown(True), False, True, Reason.CODE_WRONG),
        (ACCOUNT, YES, Shown(True), True, True, Reason.CODE_WRONG),
        (ACCOUNT, YES, Shown(True, code=one_time(CodeKind.RECOVERY)), True, True, Factor.RECOVERY_CODE),
        (ACCOUNT, YES, Shown(True, code=one_time(CodeKind.RECOVERY)), False, True, Reason.CODE_WRONG),
        (ACCOUNT, YES, Shown(True, code=one_time(CodeKind.ENROLMENT)), False, True, Factor.ENROLMENT_CODE),
        (ACCOUNT, YES, Shown(True, code=one_time(CodeKind.ENROLMENT)), True, True, Reason.CODE_WRONG),
        (ACCOUNT, YES, Shown(True, code=one_time(CodeKind.BYPASS)), False, True, Factor.BYPASS),
        (ACCOUNT, YES, Shown(True, passkey=USE), True, True, Factor.PASSKEY),
        (ACCOUNT, NO, Shown(True, passkey=USE), True, True, Reason.WRONG_PASSWORD),
        (ACCOUNT, YES, Shown(True, amiss=Reason.PASSKEY_WRONG), True, True, Reason.PASSKEY_WRONG),
        (ACCOUNT, NO, Shown(True, amiss=Reason.PASSKEY_WRONG), True, True, Reason.WRONG_PASSWORD),
        (ACCOUNT, YES, Shown(True, passkey=USE, amiss=Reason.PASSKEY_CLONED), True, True, Reason.PASSKEY_CLONED),
        (ACCOUNT, YES, Shown(True, code=one_time(CodeKind.BYPASS)), True, True, Factor.BYPASS),
    ],
)
def test_who_is_in_by_what(  # noqa: PLR0917  (one column a fact)
    account: Account | None, answer: Answer, shown: Shown, enrolled: bool, creates: bool, outcome: Factor | Reason
) -> None:
    found = judge(account, answer, shown, enrolled=enrolled, creates=creates)
    assert (found.reason if isinstance(found, Refused) else found) == outcome


@pytest.mark.parametrize(
    ("typed", "digits", "code"),
    [
        ("", None, False),
        ("  ", None, False),
        ("123 456", "123456", False),
        ("12345678\n", "12345678", False),
        ("1234567", None, False),
        ("１２３４５６", None, False),
        ("abcde-abcde-abcde", None, True),
        ("ABCDE ABCDE ABCDE", None, True),
    ],
)
def test_the_second_field_is_read_as_one_thing(typed: str, digits: str | None, code: bool) -> None:
    second = Second.of(Secret(typed.encode()))
    assert (second.given, second.digits, second.code is not None) == (bool(typed.strip()), digits, code)


async def test_with_an_authenticator_the_password_needs_its_code(scene: Scene) -> None:
    device = await scene.enrol()
    assert await scene.outcome() is Reason.CODE_MISSING
    assert await scene.outcome("000000") is Reason.CODE_WRONG
    assert await scene.outcome("anything") is Reason.CODE_WRONG
    assert await scene.outcome(scene.digits(), password="wrong") is Reason.WRONG_PASSWORD
    done = await scene.decided(scene.digits())
    assert isinstance(done, SignedIn)
    assert (done.standing, done.factor, done.device, done.until) == (Standing.FULL, Factor.CODE, device, None)
    last = (await scene.store.audit.list())[-1].row
    assert (last.event, last.protocol, last.credential) == (Event.SIGN_IN_GRANTED, Site.PORTAL, device)
    assert {asked for _, asked in scene.directory.asked} == {PASSWORD.encode(), b"wrong"}


async def test_one_code_serves_a_sign_in_or_a_login_not_both(scene: Scene) -> None:
    await scene.enrol()
    assert await scene.by_mail(PASSWORD + scene.digits()) is Factor.CODE
    assert await scene.outcome(scene.digits(), origin=AWAY) is Reason.CODE_REUSED
    scene.hands.at += 30
    assert await scene.outcome(scene.digits()) == (Factor.CODE, Standing.FULL)
    assert await scene.by_mail(PASSWORD + scene.digits()) is Reason.CODE_REUSED


async def test_a_code_that_was_wrong_at_a_mail_client_is_not_looked_at_here(scene: Scene) -> None:
    await scene.enrol()
    later = scene.digits(120)
    assert await scene.by_mail(PASSWORD + later) is Reason.CODE_WRONG
    scene.hands.at += 3600
    assert await scene.outcome(later) is Reason.WRONG_REPEATED


async def test_a_password_that_mail_refuses_still_leads_to_the_set_up(scene: Scene) -> None:
    """The phone that asks every minute must not lock its owner out of the page that helps."""
    await scene.account()
    scene.policy = ENFORCE
    assert await scene.by_mail(PASSWORD) is Reason.SECOND_FACTOR_REQUIRED
    code = await scene.code(CodeKind.ENROLMENT, may_enrol=True)
    assert await scene.outcome(code) == (Factor.ENROLMENT_CODE, Standing.ENROLS)


@pytest.mark.parametrize("known", [True, False])
async def test_a_right_password_that_opens_nothing_is_counted_as_a_wrong_one(
    scene: Scene, folder: Path, known: bool
) -> None:
    """Whoever guesses tells it from wrong ones by nothing: not by the answer, nor by how many tries are left."""
    if known:
        await scene.account()
    scene.policy, scene.questions = ENFORCE, Questions(4, 1800.0)
    database = sqlite3.connect(folder / "mailguard.db")
    outcomes, counted = [], [(0.0, 0)]
    for guess in ("wrong 1", PASSWORD, "wrong 2"):
        outcomes.append(await scene.outcome(password=guess))
        counted += database.execute("SELECT sum(level), sum(in_a_row) FROM throttle_buckets").fetchall()
    wrong = Reason.WRONG_PASSWORD if known else Reason.UNKNOWN_ACCOUNT
    assert outcomes == [wrong, Reason.SECOND_FACTOR_REQUIRED, wrong]
    grown = {(level - before[0], row - before[1]) for before, (level, row) in itertools.pairwise(counted)}
    assert len(grown) == 1, grown
    assert await scene.outcome(password="wrong 3") is Reason.THROTTLED, (
        "one question is kept for networks that are known"
    )
    assert (await scene.store.accounts.get(ANN) is not None) is known
    assert database.execute("SELECT * FROM known_networks").fetchall() == []
    database.close()


async def test_a_password_that_needs_more_makes_no_network_a_known_one(scene: Scene, folder: Path) -> None:
    await scene.account()
    scene.policy = ENFORCE
    assert await scene.outcome(origin=AWAY) is Reason.SECOND_FACTOR_REQUIRED
    database = sqlite3.connect(folder / "mailguard.db")
    assert database.execute("SELECT * FROM known_networks").fetchall() == []
    await scene.outcome(await scene.code(CodeKind.BYPASS))
    assert len(database.execute("SELECT * FROM known_networks").fetchall()) == 1
    database.close()
    granted = [r.row.detail for r in await scene.store.audit.list() if r.row.event is Event.SIGN_IN_GRANTED]
    assert granted == ["bypass"]


class Counted(Threads):
    """How often work went beside the loop."""

    runs = 0

    async def run(self, work: Callable[[], T]) -> T:
        self.runs += 1
        return await super().run(work)


async def test_hashes_are_computed_beside_the_loop_for_whoever_asks(scene: Scene) -> None:
    await scene.enrol()
    paper = await scene.code(CodeKind.RECOVERY)
    scene.threads = threads = Counted()
    runs = []
    for second, name in (("", ANN), ("000000", ANN), ("abcde-abcde-abcde", "nobody"), (paper, ANN)):
        before = threads.runs
        await scene.outcome(second, name=name)
        runs.append(threads.runs - before)
    threads.close()
    assert runs == [0, 0, 1, 2]  # the last: one to look, one for the code in place of it


async def test_a_first_right_password_makes_an_account(scene: Scene) -> None:
    assert await scene.outcome() == (Factor.PASSWORD, Standing.ENROLS)
    assert (await scene.store.accounts.get(ANN)) is not None
    scene.directory.passwords = {AccountName("bob@example.org"): PASSWORD, AccountName("ánn@example.org"): PASSWORD}
    assert await scene.outcome(name="ánn") is Reason.UNKNOWN_ACCOUNT
    scene.creates = False
    assert await scene.outcome(name="bob") is Reason.UNKNOWN_ACCOUNT


async def test_a_second_name_of_a_directory_makes_no_account(scene: Scene) -> None:
    scene.directory.another = True
    assert await scene.outcome() is Reason.UNKNOWN_ACCOUNT
    assert await scene.store.accounts.get(ANN) is None


async def test_a_recovery_code_counts_once_and_is_replaced(scene: Scene, folder: Path) -> None:
    await scene.enrol()
    paper = await scene.code(CodeKind.RECOVERY)
    done = await scene.decided(paper.upper())
    assert isinstance(done, SignedIn)
    assert (done.standing, done.factor) == (Standing.FULL, Factor.RECOVERY_CODE)
    assert done.recovery_code is not None
    assert await scene.outcome(paper, origin=AWAY) is Reason.CODE_WRONG
    fresh = recovery.grouped(done.recovery_code)
    assert fresh.encode() not in everything_in(folder)
    assert await scene.outcome(fresh, origin=AWAY) == (Factor.RECOVERY_CODE, Standing.FULL)
    codes = await scene.store.codes.list(ANN)
    assert len({code.salt for code in codes}) == 1
    assert [code.used_at is None for code in codes].count(True) == 1
    assert (await scene.events()).count(Event.CODE_USED) == 2


async def test_one_time_codes_are_nothing_to_a_mail_client(scene: Scene) -> None:
    await scene.enrol()
    for code in (await scene.code(CodeKind.RECOVERY), await scene.code(CodeKind.BYPASS)):
        for string in (code, PASSWORD + code, PASSWORD + code.replace("-", "")):
            assert await scene.by_mail(string) in (Reason.WRONG_PASSWORD, Reason.CODE_MISSING)
        assert await scene.outcome(code) in (
            (Factor.RECOVERY_CODE, Standing.FULL), (Factor.BYPASS, Standing.BYPASS),
        )  # fmt: skip


async def test_a_bypass_replaces_the_code_and_not_the_password(scene: Scene) -> None:
    await scene.enrol()
    bypass = await scene.code(CodeKind.BYPASS, good_for=8 * 3600)
    assert await scene.outcome(bypass, password="wrong") is Reason.WRONG_PASSWORD
    done = await scene.decided(bypass)
    assert isinstance(done, SignedIn)
    assert (done.standing, done.until) == (Standing.BYPASS, scene.hands.at + 8 * 3600)
    assert done.recovery_code is None
    assert await scene.outcome(bypass, origin=AWAY) is Reason.CODE_WRONG


async def test_a_bypass_ends(scene: Scene) -> None:
    await scene.enrol()
    bypass = await scene.code(CodeKind.BYPASS, good_for=60)
    scene.hands.at += 60
    assert await scene.outcome(bypass) is Reason.CODE_WRONG


async def test_a_bypass_enrols_only_where_it_was_said(scene: Scene) -> None:
    await scene.enrol()
    assert await scene.outcome(await scene.code(CodeKind.BYPASS, may_enrol=True)) == (Factor.BYPASS, Standing.FULL)


@pytest.mark.parametrize("policy", [Policy(), ENFORCE])
async def test_an_enrolment_code_lets_in_to_bind_the_first_authenticator(scene: Scene, policy: Policy) -> None:
    scene.policy = policy
    await scene.account()
    code = await scene.code(CodeKind.ENROLMENT, may_enrol=True)
    assert await scene.outcome(code, password="wrong") is Reason.WRONG_PASSWORD
    assert await scene.outcome(code) == (Factor.ENROLMENT_CODE, Standing.ENROLS)
    assert await scene.outcome(code, origin=AWAY) is Reason.CODE_WRONG
    assert await scene.by_mail(PASSWORD + code) is Reason.WRONG_PASSWORD


async def test_after_a_reset_the_password_alone_enrols_nobody(scene: Scene) -> None:
    await scene.enrol()
    paper, bypass = await scene.code(CodeKind.RECOVERY), await scene.code(CodeKind.BYPASS)
    await scene.store.devices.reset(ANN, actor=OPERATOR)
    assert await scene.outcome() is Reason.SECOND_FACTOR_REQUIRED
    assert await scene.outcome(paper) is Reason.CODE_WRONG
    assert await scene.outcome(bypass) is Reason.CODE_WRONG


async def test_guesses_at_one_time_codes_are_counted(scene: Scene) -> None:
    await scene.enrol()
    outcomes = [await scene.outcome(recovery.grouped(recovery.make(1).codes[0])) for _ in range(12)]
    assert outcomes[0] is Reason.CODE_WRONG
    assert Reason.CODE_WRONG not in outcomes[10:]


async def test_a_wrong_code_is_not_asked_about_again(scene: Scene) -> None:
    await scene.enrol()
    wrong = recovery.grouped(recovery.make(1).codes[0])
    assert await scene.outcome(wrong) is Reason.CODE_WRONG
    asked = len(scene.directory.asked)
    assert await scene.outcome(wrong) is Reason.WRONG_REPEATED
    assert len(scene.directory.asked) == asked


async def test_an_altered_code_opens_nothing_and_is_reported(scene: Scene, folder: Path) -> None:
    await scene.enrol()
    code = await scene.code(CodeKind.BYPASS, good_for=60)
    database = sqlite3.connect(folder / "mailguard.db")
    with database:
        database.execute("UPDATE one_time_codes SET expires_at = 9e12, may_enrol = 1")
    database.close()
    assert await scene.outcome(code) is Reason.CODE_WRONG
    assert Event.ROW_ALTERED in await scene.events()


async def test_a_clock_that_jumped_takes_no_code_and_burns_none(scene: Scene) -> None:
    """One set back would take a bypass that has ended."""
    await scene.enrol()
    bypass = await scene.code(CodeKind.BYPASS, good_for=60)
    scene.hands.at += 120
    scene.hands.at -= 100
    scene.hands.believed = False
    for second in (bypass, scene.digits(), "nonsense"):
        assert await scene.outcome(second) is Reason.CLOCK_UNTRUSTED
    assert scene.directory.asked == []
    assert (await scene.events())[-1] is Event.SIGN_IN_DEFERRED
    scene.hands.believed = True
    assert await scene.outcome(scene.digits()) == (Factor.CODE, Standing.FULL)


async def test_a_directory_that_is_down_burns_nothing(scene: Scene) -> None:
    await scene.enrol()
    paper = await scene.code(CodeKind.RECOVERY)
    scene.directory.down = True
    assert await scene.outcome(paper) is Reason.BACKEND_UNAVAILABLE
    assert await scene.outcome(scene.digits()) is Reason.BACKEND_UNAVAILABLE
    scene.directory.down = False
    assert await scene.outcome(paper) == (Factor.RECOVERY_CODE, Standing.FULL)
    assert await scene.outcome(scene.digits()) == (Factor.CODE, Standing.FULL)


async def test_records_that_are_down_let_nobody_in(scene: Scene, folder: Path) -> None:
    await scene.enrol()
    await scene.store.close()
    swap_for_a_folder(folder / "mailguard.db")
    assert await scene.outcome(scene.digits()) is Reason.RECORDS_UNAVAILABLE
    done = SignedIn(ANN, "a", Standing.FULL, Factor.CODE, "", 0, scene.hands.at)
    proven = await scene.attempt(PASSWORD, "").prove(done, scene.directory)
    assert isinstance(proven, Refused)
    assert proven.reason is Reason.RECORDS_UNAVAILABLE


async def test_records_that_fail_at_the_last_moment_burn_nothing(scene: Scene, folder: Path, ring: Keyring) -> None:
    await scene.enrol()
    paper = await scene.code(CodeKind.RECOVERY)
    for second in (paper, scene.digits()):
        scene.directory.answers.clear()
        waiting = asyncio.gather(scene.outcome(second))
        await scene.directory.heard.acquire()
        await scene.store.close()
        scene.directory.answers.set()
        (outcome,) = await waiting
        assert outcome is Reason.RECORDS_UNAVAILABLE
        scene.store = await Store.open(f"sqlite:///{folder / 'mailguard.db'}", ring, now=scene.hands.now)
    scene.hands.at += 150  # what was staked is forgotten
    assert await scene.outcome(paper) == (Factor.RECOVERY_CODE, Standing.FULL)
    assert await scene.outcome(scene.digits()) == (Factor.CODE, Standing.FULL)


async def test_a_name_that_cannot_be_is_refused_like_any_other(scene: Scene) -> None:
    assert await scene.outcome(name="a*b") is Reason.BAD_NAME
    assert scene.directory.asked == []
    outcomes = [await scene.outcome(name="a*b", password=f"p{n}") for n in range(12)]
    assert outcomes[-1] is Reason.THROTTLED


async def test_who_has_no_account_costs_the_same_question_and_the_same_hashes(scene: Scene) -> None:
    scene.creates = False
    assert await scene.outcome("abcde-abcde-abcde", name="nobody") is Reason.UNKNOWN_ACCOUNT
    assert len(scene.directory.asked) == 1


async def test_two_at_once_with_one_code_and_one_is_in(scene: Scene) -> None:
    """In one process they come after one another, in two they race for the code."""
    await scene.enrol()
    for other in (scene, replace(scene, turns=Turns())):
        scene.hands.at += 60
        paper = await scene.code(CodeKind.RECOVERY)
        for code in (scene.digits(), paper, await scene.code(CodeKind.BYPASS)):
            scene.directory.answers.clear()
            waiting = asyncio.gather(scene.outcome(code), other.outcome(code, origin=AWAY))
            for _ in range(1 if other is scene else 2):
                await scene.directory.heard.acquire()
            scene.directory.answers.set()
            outcomes = await waiting
            assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 1
            allowed = (Reason.CODE_REUSED, Reason.CODE_WRONG) if other is scene else (Reason.CODE_REUSED,)
            assert [outcome for outcome in outcomes if outcome in allowed]
            while not scene.directory.heard.locked():
                await scene.directory.heard.acquire()
    codes = await scene.store.codes.list(ANN)
    assert [code.kind for code in codes if code.usable(scene.hands.at)] == [CodeKind.RECOVERY]  # the one in place


async def test_no_more_is_asked_about_a_name_than_its_allowance(scene: Scene) -> None:
    """Guesses here count with those at mail clients: the directory behind both has one count."""
    await scene.enrol()
    scene.questions = Questions(4, 1800.0)
    assert await scene.by_mail("wrong 1") is Reason.WRONG_PASSWORD
    outcomes = [await scene.outcome(password=f"wrong {number}") for number in range(4)]
    # One is kept for networks that are known: three were put.
    assert outcomes == [Reason.WRONG_PASSWORD, Reason.WRONG_PASSWORD, Reason.THROTTLED, Reason.THROTTLED]
    assert len(scene.directory.asked) == 3


class Resting(Turns):
    """Whoever rests is seen, and rests until the directory has answered."""

    def __init__(self, answers: asyncio.Event | None) -> None:
        super().__init__()
        self.rested = asyncio.Event()
        self._answers = answers

    async def rest(self) -> None:
        self.rested.set()
        if self._answers is not None:
            await self._answers.wait()


async def test_a_question_waits_for_those_that_may_leave_room(scene: Scene) -> None:
    await scene.enrol()
    scene.questions = Questions(2, 1800.0)  # one is kept for networks that are known
    scene.turns = turns = Resting(scene.directory.answers)
    scene.directory.answers.clear()
    first = asyncio.gather(scene.outcome(scene.digits()))
    await scene.directory.heard.acquire()
    second = asyncio.gather(scene.outcome(scene.digits(-1), origin=AWAY))
    await turns.rested.wait()
    scene.directory.answers.set()
    assert list(await first) == [(Factor.CODE, Standing.FULL)]
    assert list(await second) == [Reason.CODE_REUSED]


async def test_a_question_does_not_wait_for_ever(scene: Scene) -> None:
    await scene.enrol()
    scene.questions = Questions(2, 1800.0)
    scene.turns = Resting(None)
    scene.directory.answers.clear()
    first = asyncio.gather(scene.outcome(scene.digits()))
    await scene.directory.heard.acquire()
    assert await scene.outcome(scene.digits(-1), origin=AWAY) is Reason.THROTTLED
    scene.directory.answers.set()
    await first


async def test_where_too_many_wait_nobody_is_asked(scene: Scene) -> None:
    await scene.enrol()
    done = await scene.decided(scene.digits())
    assert isinstance(done, SignedIn)
    scene.turns = Turns(most=Most(of_name=0))
    asked = len(scene.directory.asked)
    assert await scene.outcome(scene.digits(1)) is Reason.THROTTLED
    proven = await scene.attempt(PASSWORD, "").prove(done, scene.directory)
    assert isinstance(proven, Refused)
    assert proven.reason is Reason.THROTTLED
    assert len(scene.directory.asked) == asked
    assert len(scene.turns) == 0


async def test_a_reset_while_the_directory_thinks_lets_nobody_in(scene: Scene) -> None:
    await scene.enrol()
    paper = await scene.code(CodeKind.RECOVERY)
    scene.directory.answers.clear()
    waiting = asyncio.gather(scene.outcome(paper))
    await scene.directory.heard.acquire()
    await scene.store.devices.reset(ANN, actor=OPERATOR)
    scene.directory.answers.set()
    (outcome,) = await waiting
    assert outcome is Reason.REVOKED_IN_FLIGHT


async def test_a_first_authenticator_meanwhile_stands_in_the_way_of_the_bare_password(scene: Scene) -> None:
    await scene.account()
    scene.directory.answers.clear()
    waiting = asyncio.gather(scene.outcome())
    await scene.directory.heard.acquire()
    device = await scene.store.devices.enrol(ANN, "phone", SEED, actor=OPERATOR)
    await scene.store.devices.confirm(device.id, 1, actor=OPERATOR)
    scene.directory.answers.set()
    (outcome,) = await waiting
    assert outcome is Reason.REVOKED_IN_FLIGHT


async def test_a_password_is_proven_anew(scene: Scene) -> None:
    await scene.enrol()
    done = await scene.decided(scene.digits())
    assert isinstance(done, SignedIn)
    wrong = [await scene.attempt(f"no {n}", "").prove(done, scene.directory) for n in range(3)]
    assert [refused.reason for refused in wrong if isinstance(refused, Refused)] == [Reason.WRONG_PASSWORD] * 3
    proven = await scene.attempt(PASSWORD, "").prove(done, scene.directory)
    assert proven == Proven(done.account_id, Secret(PASSWORD.encode()))
    assert PASSWORD not in repr(proven)
    scene.directory.down = True
    later = await scene.attempt(PASSWORD, "").prove(done, scene.directory)
    assert isinstance(later, Refused)
    assert later.reason is Reason.BACKEND_UNAVAILABLE
    scene.directory.down = False
    for n in range(12):
        last = await scene.attempt(f"guess {n}", "").prove(done, scene.directory)
    assert isinstance(last, Refused)
    assert last.reason is Reason.THROTTLED


async def test_no_secret_is_left_in_the_records(scene: Scene, folder: Path) -> None:
    await scene.enrol()
    paper, wrong = await scene.code(CodeKind.RECOVERY), recovery.grouped(recovery.make(1).codes[0])
    await scene.outcome(wrong)
    await scene.outcome(paper)
    everything = everything_in(folder)
    for text in (paper, paper.replace("-", ""), wrong, wrong.replace("-", ""), PASSWORD):
        assert text.encode() not in everything


async def locked(scene: Scene) -> None:
    """A hundred in a row were wrong, at the pace that the throttle allows."""
    for number in range(90):
        scene.hands.at += 3600
        await scene.outcome(password=f"wrong {number}", origin=Origin.of(f"10.{number}.0.1", 1))
    assert await scene.outcome(scene.digits()) is Reason.LOCKED


async def test_a_recovery_code_unlocks(scene: Scene) -> None:
    await scene.enrol()
    paper = await scene.code(CodeKind.RECOVERY)
    await locked(scene)
    assert await scene.outcome(paper, origin=AWAY) == (Factor.RECOVERY_CODE, Standing.FULL)
    assert await scene.by_mail(PASSWORD + scene.digits()) is Factor.CODE


async def test_a_locked_account_answers_alike_whatever_is_right(scene: Scene) -> None:
    await scene.enrol()
    paper, bypass = await scene.code(CodeKind.RECOVERY), await scene.code(CodeKind.BYPASS)
    await locked(scene)
    asked = len(scene.directory.asked)
    for second in (scene.digits(), bypass, "abcde-abcde-abcde", ""):
        assert await scene.outcome(second) is Reason.LOCKED
    assert len(scene.directory.asked) == asked, "nobody is asked about the password"
    assert await scene.outcome(paper, password="wrong") is Reason.LOCKED
    assert len(scene.directory.asked) == asked + 1
    assert (await scene.store.audit.list())[-1].row.reason == "wrong-password", "the record knows"
    assert await scene.outcome(paper) == (Factor.RECOVERY_CODE, Standing.FULL)


async def test_after_five_wrong_codes_none_of_an_authenticator_is_looked_at(scene: Scene) -> None:
    await scene.enrol()
    paper = await scene.code(CodeKind.RECOVERY)
    for number in range(5):
        assert await scene.outcome(f"00000{number}") is Reason.CODE_WRONG
    assert await scene.outcome(scene.digits()) is Reason.CODES_USED_UP
    assert await scene.by_mail(PASSWORD + scene.digits(-1)) is Reason.CODES_USED_UP, "mail clients share it"
    assert await scene.outcome(paper) == (Factor.RECOVERY_CODE, Standing.FULL)
