"""The order of a login, on real records, with a directory and a clock that the test turns."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path

import pyotp
import pytest

from mailguard.auth import throttle
from mailguard.auth.accounts import AccountKind, AccountName, AppPassword
from mailguard.auth.attempt import (
    Admission,
    Answer,
    Factor,
    LoginAttempt,
    LoginForm,
    MailProtocol,
    Origin,
    Reason,
    Refused,
    Verdict,
)
from mailguard.auth.authenticator import LOOKS, Authenticator, Login, new_session_id
from mailguard.auth.decision import Door
from mailguard.auth.events import Event
from mailguard.auth.names import Naming
from mailguard.auth.passwords import digest_app_password, generate_app_password, grouped
from mailguard.auth.policy import Policies, Policy
from mailguard.auth.ports import Questions, Reserved
from mailguard.auth.vault import public_half
from mailguard.config.choices import TwoFactor
from mailguard.keyring import Keyring
from mailguard.proxy.turns import Most, Turns
from mailguard.secret import Secret
from mailguard.store import Store, new_id
from tests.store.words import sql

ANN = AccountName("ann@example.org")
DESK = AccountName("reception@example.org")
SEED = Secret(b"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
HOME, AWAY = Origin.of("192.0.2.7", 40001), Origin.of("198.51.100.9", 40002)
MASTER = Door(MailProtocol.IMAP, LoginForm.MASTER, creates=True)
OWN = Door(MailProtocol.IMAP, LoginForm.OWN, creates=True)
NOON = 1_795_521_600.0
FOLLOWED = 1_000_000  # a revocation was followed that the facts did not know of
PASSWORD = "correct horse"


@dataclass
class Hands:
    """A clock that the test turns."""

    at: float = NOON
    believed: bool = True

    def now(self) -> float:
        return self.at

    def trusted(self) -> bool:
        return self.believed


@dataclass
class Directory:
    """The identity source: one password a name, and what it was asked."""

    passwords: dict[str, str] = field(default_factory=lambda: {ANN: PASSWORD})
    group: str | None = None
    another: bool = False
    down: bool = False
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: it is thinking

    def __post_init__(self) -> None:
        self.answers.set()

    async def enter(self, name: AccountName, password: Secret) -> Answer:
        return await self.ask(name, password)

    async def ask(self, name: AccountName, password: Secret) -> Answer:
        self.asked.append((name, password.reveal()))
        await self.answers.wait()
        if self.down:
            return Answer(Verdict.UNAVAILABLE, Reason.BACKEND_UNAVAILABLE, "connection refused")
        right = self.passwords.get(name) == password.reveal().decode()
        return Answer(Verdict.YES if right else Verdict.NO, group=self.group, another=self.another)


@dataclass
class Scene:
    """Everything a login needs."""

    store: Store
    ring: Keyring
    hands: Hands
    directory: Directory
    policy: Policy = Policy()  # noqa: RUF009  (frozen)
    turns: Turns = field(default_factory=Turns)
    questions: Questions = Questions(1000)  # noqa: RUF009  (frozen)
    groups: dict[str, Policy] = field(default_factory=dict)
    naming: Naming = Naming("example.org", frozenset({"mailguard"}))  # noqa: RUF009  (frozen)

    def login(
        self, string: str, *, name: str = ANN, origin: Origin = HOME, door: Door = MASTER
    ) -> tuple[Login, "Directory"]:
        by = Authenticator(
            self.store.ledger,
            self.hands,
            self.ring,
            Policies(self.policy, self.groups),
            self.naming,
            self.turns,
            self.questions,
            seals=True,
        )
        attempt = LoginAttempt(name, Secret(string.encode()), "PLAIN")
        return by.login(attempt, door, origin, new_session_id()), self.directory

    async def outcome(self, string: str, **how: object) -> Factor | Reason:
        decided = await self.decided(string, **how)
        return decided.factor if isinstance(decided, Admission) else decided.reason

    async def decided(self, string: str, **how: object) -> Admission | Refused:
        login, directory = self.login(string, **how)  # type: ignore[arg-type]  # passed on as it is
        return await login.decide(directory)

    def code(self, offset: int = 0) -> str:
        return pyotp.TOTP(SEED.reveal().decode()).at(int(self.hands.at) + 30 * offset)

    async def enrol(self) -> str:
        if await self.store.accounts.get(ANN) is None:
            await self.store.accounts.add(ANN, actor="operator:root")
        device = await self.store.devices.enrol(ANN, "phone", SEED, actor="operator:root")
        await self.store.devices.confirm(device.id, 1, actor="operator:root")
        return device.id

    async def app_password(self, store_password: str | None = None, **changes: object) -> tuple[str, AppPassword]:
        account = await self.store.accounts.get(ANN) or await self.store.accounts.add(ANN, actor="operator:root")
        secret, row_id = generate_app_password(), new_id()
        row = AppPassword(row_id, account.id, "phone", frozenset(MailProtocol), created_at=self.hands.at)
        row = replace(row, **{"public": public_half(secret, row_id), **changes})  # type: ignore[arg-type]
        await self.store.app_passwords.issue(
            ANN,
            row,
            digest_app_password(self.ring, secret.reveal()),
            actor="operator:root",
            store_password=None if store_password is None else Secret(store_password.encode()),
        )
        return grouped(secret), row

    async def last(self) -> tuple[Event, str, str]:
        row = (await self.store.audit.list(limit=1))[0].row
        return row.event, row.account, row.reason


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def swap_for_a_folder(file: Path) -> None:
    """A database that cannot be opened any more."""
    file.rename(file.with_suffix(".away"))
    file.mkdir()


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@pytest.fixture
async def scene(folder: Path, ring: Keyring) -> AsyncIterator[Scene]:
    hands = Hands()
    store = await Store.open(f"sqlite:///{folder / 'mailguard.db'}", ring, now=hands.now)
    yield Scene(store, ring, hands, Directory())
    await store.close()


async def test_a_first_right_password_makes_an_account(scene: Scene) -> None:
    assert await scene.outcome("wrong") is Reason.UNKNOWN_ACCOUNT
    assert await scene.store.accounts.get(ANN) is None
    assert await scene.outcome(PASSWORD, name="ANN") is Factor.PASSWORD
    assert await scene.store.accounts.get(ANN) is not None
    assert await scene.last() == (Event.LOGIN_GRANTED, ANN, "")


async def test_a_second_name_of_a_directory_makes_no_account_without_the_firsts_factor(scene: Scene) -> None:
    await scene.enrol()
    scene.directory.passwords["asmith@example.org"] = PASSWORD
    scene.directory.another = True
    assert await scene.outcome(PASSWORD, name="asmith@example.org") is Reason.UNKNOWN_ACCOUNT
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE, "who has an account is not asked for it"


async def test_the_group_that_the_source_tells_counts_from_the_first_login_on(scene: Scene) -> None:
    scene.groups = {"staff": Policy(two_factor=TwoFactor.ENFORCE)}
    scene.directory.group = "staff"
    assert await scene.outcome(PASSWORD) is Reason.SECOND_FACTOR_REQUIRED
    assert await scene.store.accounts.get(ANN) is None
    scene.directory.group = "guests"
    scene.hands.at += 15 * 60
    assert await scene.outcome(PASSWORD) is Factor.PASSWORD
    account = await scene.store.accounts.get(ANN)
    assert account is not None
    assert account.group == "guests"
    scene.directory.group = "staff"  # newer than the account's row
    assert await scene.outcome(PASSWORD) is Reason.SECOND_FACTOR_REQUIRED


async def test_a_name_beyond_ascii_becomes_an_account_by_an_administrator_only(scene: Scene) -> None:
    accented = AccountName("ánn@example.org")
    scene.directory.passwords[accented] = PASSWORD
    assert await scene.outcome(PASSWORD, name=accented) is Reason.UNKNOWN_ACCOUNT
    assert await scene.store.accounts.get(accented) is None
    await scene.store.accounts.add(accented, actor="operator:root")
    scene.hands.at += 15 * 60  # by then the string is known as wrong no longer
    assert await scene.outcome(PASSWORD, name=accented) is Factor.PASSWORD


async def test_unknown_names_are_refused_after_a_question_like_any_other(scene: Scene) -> None:
    """Else the store's delay, or its trouble, would tell who has an account."""
    closed = replace(MASTER, creates=False)
    assert await scene.outcome(PASSWORD, door=closed) is Reason.UNKNOWN_ACCOUNT
    assert scene.directory.asked == [(ANN, PASSWORD.encode())]
    scene.directory.down = True
    assert await scene.outcome("another", door=closed) is Reason.BACKEND_UNAVAILABLE
    assert await scene.store.accounts.get(ANN) is None


async def test_password_and_code(scene: Scene) -> None:
    device = await scene.enrol()
    assert await scene.outcome(PASSWORD) is Reason.CODE_MISSING
    assert await scene.outcome(PASSWORD + "000000") is Reason.CODE_WRONG
    assert await scene.outcome("wrong" + scene.code()) is Reason.WRONG_PASSWORD
    granted = await scene.decided(PASSWORD + scene.code())
    assert isinstance(granted, Admission)
    assert (granted.factor, granted.device) == (Factor.CODE, device)
    assert [password for _, password in scene.directory.asked] == [
        PASSWORD.encode(), PASSWORD.encode(), b"wrong", PASSWORD.encode(),
    ]  # fmt: skip


async def test_an_authenticator_of_eight_digits_counts_its_own(scene: Scene) -> None:
    await scene.enrol()
    seed = Secret(b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")  # of another: a code of eight ends in that of six
    long = await scene.store.devices.enrol(ANN, "token", seed, actor="operator:root", digits=8)
    await scene.store.devices.confirm(long.id, 1, actor="operator:root")
    code = pyotp.TOTP(seed.reveal().decode(), digits=8).at(int(scene.hands.at))
    granted = await scene.decided(PASSWORD + code)
    assert isinstance(granted, Admission)
    assert granted.device == long.id


async def long_and_short(scene: Scene, first: int) -> pyotp.TOTP:
    """An authenticator of six digits and one of eight; `first` is the older one's. The one of eight."""
    seed = Secret(b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    if first == 6:
        await scene.enrol()
    else:
        await scene.store.accounts.add(ANN, actor="operator:root")
    long = await scene.store.devices.enrol(ANN, "token", seed, actor="operator:root", digits=8)
    await scene.store.devices.confirm(long.id, 1, actor="operator:root")
    if first == 8:
        await scene.enrol()
    return pyotp.TOTP(seed.reveal().decode(), digits=8)


@pytest.mark.parametrize("first", [6, 8])
async def test_the_string_of_eight_digits_opens_a_grant(scene: Scene, first: int) -> None:
    token = await long_and_short(scene, first)
    string = PASSWORD + token.at(int(scene.hands.at))
    assert await scene.outcome(string) is Factor.CODE
    assert await scene.outcome(string, door=OWN) is Factor.GRANT
    assert await scene.outcome(string, origin=AWAY) is Reason.REPLAY
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE
    assert {password for _, password in scene.directory.asked} == {PASSWORD.encode()}


@pytest.mark.parametrize("first", [6, 8])
@pytest.mark.parametrize("digits", [6, 8])
async def test_a_wrong_code_of_either_length_is_never_looked_at_again(scene: Scene, first: int, digits: int) -> None:
    """Else the same string, a quarter of an hour later, would be a fresh guess that counts for nothing."""
    token = await long_and_short(scene, first)
    later = int(scene.hands.at) + 3600
    string = PASSWORD + (token.at(later) if digits == 8 else scene.code(120))
    assert await scene.outcome(string) is Reason.CODE_WRONG
    scene.hands.at += 3600
    assert await scene.outcome(string) is Reason.WRONG_REPEATED


async def test_the_winning_string_opens_further_connections(scene: Scene) -> None:
    await scene.enrol()
    string = PASSWORD + scene.code()
    assert await scene.outcome(string) is Factor.CODE
    asked = len(scene.directory.asked)
    assert await scene.outcome(string) is Factor.GRANT
    assert len(scene.directory.asked) == asked
    assert await scene.outcome(string, origin=AWAY) is Reason.REPLAY
    assert (await scene.last())[2] == "replay"
    scene.hands.at += 59 * 60
    assert await scene.outcome(string) is Factor.GRANT
    scene.hands.at += 12 * 3600
    assert await scene.outcome(string) is Reason.WRONG_REPEATED, "it was spent elsewhere"


async def test_a_code_of_the_last_step_passes_and_is_then_used(scene: Scene) -> None:
    await scene.enrol()
    previous = scene.code(-1)
    assert await scene.outcome(PASSWORD + previous) is Factor.CODE
    assert await scene.outcome(PASSWORD + previous, origin=AWAY) is Reason.REPLAY
    scene.policy = Policy(grant_limit=None)
    string = PASSWORD + scene.code()
    assert await scene.outcome(string) is Factor.CODE
    assert await scene.outcome(string) is Reason.CODE_REUSED


async def test_under_own_a_grant_needs_the_stores_yes_and_ends_with_its_no(scene: Scene) -> None:
    await scene.enrol()
    string = PASSWORD + scene.code()
    assert await scene.outcome(string, door=OWN) is Factor.CODE
    assert await scene.outcome(string, door=OWN) is Factor.GRANT
    assert scene.directory.asked == [(ANN, PASSWORD.encode())] * 2
    assert await scene.outcome(string, door=OWN, origin=AWAY) is Reason.REPLAY
    scene.directory.down = True
    assert await scene.outcome(string, door=OWN) is Reason.BACKEND_UNAVAILABLE
    scene.directory.down = False
    scene.directory.passwords[ANN] = "changed"
    assert await scene.outcome(string, door=OWN) is Reason.WRONG_PASSWORD
    assert await scene.last() == (Event.LOGIN_REFUSED, ANN, "wrong-password")
    scene.directory.passwords[ANN] = PASSWORD
    assert await scene.outcome(string, door=OWN) is Reason.WRONG_REPEATED


async def test_a_code_alone_asks_no_directory_for_an_empty_password(scene: Scene) -> None:
    await scene.enrol()
    scene.directory.passwords[ANN] = ""
    assert await scene.outcome(scene.code()) is Reason.WRONG_PASSWORD
    assert scene.directory.asked == []


async def test_an_app_password_asks_nobody(scene: Scene) -> None:
    await scene.enrol()
    secret, row = await scene.app_password()
    granted = await scene.decided(secret.upper())
    assert isinstance(granted, Admission)
    assert (granted.factor, granted.credential) == (Factor.APP_PASSWORD, row.id)
    assert scene.directory.asked == []
    assert await scene.outcome(secret, name="bob") is Reason.APP_PASSWORD_OF_ANOTHER
    await scene.store.app_passwords.revoke(ANN, row.id, actor="operator:root")
    assert await scene.outcome(secret) is Reason.APP_PASSWORD_REVOKED
    assert (await scene.store.audit.list(limit=1))[0].row.credential == row.id
    assert scene.directory.asked == []


async def test_a_dead_app_password_never_reaches_the_store_however_often_it_comes(scene: Scene, folder: Path) -> None:
    """A device at home in a drawer repeats it for years. It is told why, for it proved itself."""
    dead: dict[Reason, str] = {}
    dead[Reason.APP_PASSWORD_EXPIRED], _ = await scene.app_password(expires_at=NOON)
    idle, _ = await scene.app_password(idle=60.0)
    dead[Reason.APP_PASSWORD_SCOPE], _ = await scene.app_password(networks=(ip_network("203.0.113.0/24"),))
    dead[Reason.APP_PASSWORD_REVOKED], row = await scene.app_password()
    await scene.store.app_passwords.revoke(ANN, row.id, actor="operator:root")
    altered, row = await scene.app_password()
    sql(folder / "mailguard.db", "UPDATE app_passwords SET label = 'another' WHERE id = ?", row.id)
    for _ in range(3):
        scene.hands.at += 3600
        for reason, secret in [*dead.items(), (Reason.APP_PASSWORD_EXPIRED, idle)]:
            assert await scene.outcome(secret) is reason
        assert await scene.outcome(altered) is Reason.APP_PASSWORD_REVOKED
    assert scene.directory.asked == []


async def test_a_shared_mailbox_opens_to_its_people_and_to_no_password(scene: Scene) -> None:
    desk = await scene.store.accounts.add(DESK, actor="operator:root", kind=AccountKind.SHARED)
    ann = await scene.store.accounts.add(ANN, actor="operator:root")
    await scene.store.members.add(DESK, ANN, actor="operator:root")
    scene.directory.passwords[DESK] = PASSWORD
    assert await scene.outcome(PASSWORD, name=DESK) is Reason.NO_PASSWORD_HERE
    assert await scene.outcome("wrong", name=DESK) is Reason.WRONG_PASSWORD
    assert len(scene.directory.asked) == 2, "asked as at every name, for the time that it takes"
    secret = generate_app_password()
    made = AppPassword(new_id(), desk.id, "desk", frozenset(MailProtocol), created_at=NOON, person_id=ann.id)
    digest = digest_app_password(scene.ring, secret.reveal())
    await scene.store.app_passwords.issue(DESK, made, digest, actor="operator:root")
    login, directory = scene.login(grouped(secret), name=DESK)
    admission = await login.decide(directory)
    assert isinstance(admission, Admission)
    assert (admission.name, admission.person, admission.person_name) == (DESK, ann.id, ANN)
    await scene.store.accounts.suspend(ANN, actor="operator:root")
    assert await login.still_stands(admission, Policies(), FOLLOWED) is not None
    assert await scene.outcome(grouped(secret), name=DESK) is Reason.SUSPENDED
    row = (await scene.store.audit.list(limit=1))[0].row
    assert (row.account, row.person, row.credential) == (DESK, ANN, made.id)


async def test_the_users_own_password_may_look_like_an_app_password(scene: Scene) -> None:
    scene.directory.passwords[ANN] = "k7mq2xwdk7mq2xwdk7mq2xwdk7mq"
    assert await scene.outcome(scene.directory.passwords[ANN]) is Factor.PASSWORD


async def test_trouble_burns_nothing(scene: Scene) -> None:
    await scene.enrol()
    string = PASSWORD + scene.code()
    scene.directory.down = True
    for _ in range(20):
        assert await scene.outcome(string) is Reason.BACKEND_UNAVAILABLE
    assert await scene.last() == (Event.LOGIN_DEFERRED, ANN, "backend-unavailable")
    scene.directory.down = False
    assert await scene.outcome(string) is Factor.CODE


async def test_an_untrusted_clock_defers_what_may_be_a_code_whoever_asks(scene: Scene) -> None:
    await scene.enrol()
    secret, _ = await scene.app_password()
    scene.hands.believed = False
    assert await scene.outcome(PASSWORD + scene.code()) is Reason.CLOCK_UNTRUSTED
    assert await scene.outcome("whatever123456", name="nobody") is Reason.CLOCK_UNTRUSTED
    assert await scene.outcome(PASSWORD) is Reason.CODE_MISSING
    assert await scene.outcome(secret) is Factor.APP_PASSWORD
    scene.hands.believed = True
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE


async def test_a_wrong_secret_counts_once_and_is_asked_again_only_later(scene: Scene) -> None:
    await scene.enrol()
    for _ in range(40):
        await scene.outcome("stale")
    assert len(scene.directory.asked) == 1
    assert (await scene.last())[2] == "wrong-repeated"
    scene.hands.at += 15 * 60
    assert await scene.outcome("stale") is Reason.WRONG_PASSWORD
    assert len(scene.directory.asked) == 2
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE


async def test_one_wrong_secret_on_many_connections_is_asked_about_once(scene: Scene) -> None:
    """Before the first no nothing is known of it; a directory locks its account after so many."""
    scene.directory.answers.clear()
    guesses = asyncio.gather(*(scene.outcome("stale") for _ in range(60)))
    async with asyncio.timeout(5):
        while not scene.directory.asked:  # noqa: ASYNC110  (a database in between holds no event)
            await asyncio.sleep(0.01)
    scene.directory.answers.set()
    outcomes = await guesses
    assert set(outcomes) == {Reason.UNKNOWN_ACCOUNT, Reason.WRONG_REPEATED}
    assert len(scene.directory.asked) == 1
    assert len(scene.turns) == 0


async def test_an_app_password_waits_for_nobodys_question(scene: Scene) -> None:
    secret, _ = await scene.app_password()
    scene.directory.answers.clear()
    guesses = asyncio.gather(*(scene.outcome("stale") for _ in range(20)))
    async with asyncio.timeout(5):
        assert await scene.outcome(secret) is Factor.APP_PASSWORD
    scene.directory.answers.set()
    await guesses


async def test_a_wrong_code_is_one_guess_however_often_and_from_wherever_it_is_sent(scene: Scene) -> None:
    """Whoever knows the password and has many addresses would otherwise guess at the code without a limit."""
    await scene.enrol()
    later = PASSWORD + scene.code(3)
    assert await scene.outcome(later) is Reason.CODE_WRONG
    for network, wait in ((7, 1), (8, 1), (9, 1), (7, 60), (10, 1)):
        scene.hands.at += wait
        elsewhere = Origin.of(f"203.0.113.{network}", 40003)
        assert await scene.outcome(later, origin=elsewhere) is Reason.WRONG_REPEATED
    scene.hands.at = NOON + 90
    assert later.endswith(scene.code())
    assert await scene.outcome(later, origin=AWAY) is Reason.WRONG_REPEATED
    assert len(scene.directory.asked) == 1


async def test_ten_wrong_secrets_throttle_a_name_from_a_network_known_or_not(scene: Scene) -> None:
    await scene.enrol()
    secret, _ = await scene.app_password()
    for name in (ANN, "nobody@example.org", "no good name"):
        for number in range(10):
            assert await scene.outcome(f"wrong{number}", name=name) is not Reason.THROTTLED
        assert await scene.outcome("wrong again", name=name) is Reason.THROTTLED
    assert await scene.outcome(PASSWORD + scene.code()) is Reason.THROTTLED
    assert await scene.outcome(secret) is Factor.APP_PASSWORD
    assert await scene.outcome(PASSWORD + scene.code(), origin=AWAY) is Factor.CODE
    # And a granted login from anywhere clears what is counted by account, not what this network did.
    assert await scene.outcome(PASSWORD + "111111") is Reason.THROTTLED


async def test_all_spellings_of_a_name_share_one_allowance(scene: Scene) -> None:
    await scene.enrol()
    for number, name in enumerate(["ann", "ANN", "Ann@Example.org", "ａnn", "ann@EXAMPLE.ORG"] * 2):
        assert await scene.outcome(f"wrong{number}", name=name) is Reason.WRONG_PASSWORD
    assert await scene.outcome("one more") is Reason.THROTTLED


async def test_a_name_that_nobody_can_have_is_refused_like_any_other(scene: Scene) -> None:
    for name in ("victim*mailguard", "mailguard", "ann@example.org ", "a b"):
        assert await scene.outcome(PASSWORD, name=name) is Reason.BAD_NAME
    assert scene.directory.asked == []
    event, account, reason = await scene.last()
    assert (event, account, reason) == (Event.LOGIN_REFUSED, "", "bad-name")


async def test_a_failed_leg_leaves_the_grant(scene: Scene) -> None:
    await scene.enrol()
    string = PASSWORD + scene.code()
    login, directory = scene.login(string)
    assert isinstance(await login.decide(directory), Admission)
    deferred = await login.defer(Refused(Reason.BACKEND_UNAVAILABLE, "connection refused"))
    assert deferred.reason is Reason.BACKEND_UNAVAILABLE
    assert await scene.outcome(string) is Factor.GRANT


async def test_without_grants_a_failed_leg_leaves_a_permit_for_one_session(scene: Scene) -> None:
    scene.policy = Policy(grant_limit=None)
    await scene.enrol()
    string = PASSWORD + scene.code()
    for expected in (Factor.CODE, Factor.GRANT):  # and the permit may fail in its turn
        login, directory = scene.login(string)
        granted = await login.decide(directory)
        assert isinstance(granted, Admission)
        assert granted.factor is expected
        await login.defer(Refused(Reason.BACKEND_UNAVAILABLE))
        assert await scene.outcome(string, origin=AWAY) is Reason.REPLAY
    assert await scene.outcome(string) is Factor.GRANT
    assert await scene.outcome(string) is Reason.WRONG_REPEATED


async def test_a_permit_ends_a_minute_after_the_step_was_won(scene: Scene) -> None:
    scene.policy = Policy(grant_limit=None)
    await scene.enrol()
    string = PASSWORD + scene.code()
    login, directory = scene.login(string)
    await login.decide(directory)
    await login.defer(Refused(Reason.BACKEND_UNAVAILABLE))
    scene.hands.at += 40
    login, directory = scene.login(string)
    assert isinstance(await login.decide(directory), Admission)
    await login.defer(Refused(Reason.BACKEND_UNAVAILABLE))
    scene.hands.at += 21
    assert await scene.outcome(string) in (Reason.CODE_REUSED, Reason.CODE_WRONG)


async def test_what_was_revoked_after_the_facts_is_noticed(scene: Scene) -> None:
    secret, row = await scene.app_password()
    login, directory = scene.login(secret)
    admission = await login.decide(directory)
    assert isinstance(admission, Admission)
    assert await login.still_stands(admission, Policies(), FOLLOWED) is None
    await scene.store.app_passwords.revoke(ANN, row.id, actor="operator:root")
    assert await login.still_stands(admission, Policies(), admission.revision) is None, "the poll will find it"
    fallen = await login.still_stands(admission, Policies(), FOLLOWED)
    assert fallen is not None
    assert fallen.reason is Reason.REVOKED_IN_FLIGHT
    assert await scene.last() == (Event.LOGIN_REFUSED, ANN, "revoked-in-flight")


async def test_a_policy_that_changed_since_the_decision_holds(scene: Scene) -> None:
    scene.policy = Policy(two_factor=TwoFactor.OBSERVE)
    login, directory = scene.login(PASSWORD)
    admission = await login.decide(directory)
    assert isinstance(admission, Admission)
    assert await login.still_stands(admission, Policies(scene.policy), FOLLOWED) is None
    strict = Policy(two_factor=TwoFactor.ENFORCE, enforce_from=NOON + 60)
    assert await login.still_stands(admission, Policies(strict), FOLLOWED) is None
    scene.hands.at += 60
    assert await login.still_stands(admission, Policies(strict), FOLLOWED) == Refused(Reason.REVOKED_IN_FLIGHT)
    assert await scene.last() == (Event.LOGIN_REFUSED, ANN, "revoked-in-flight")


async def test_records_that_are_gone_let_nobody_in(folder: Path, scene: Scene) -> None:
    secret, _ = await scene.app_password()
    login, directory = scene.login(secret)
    admission = await login.decide(directory)
    assert isinstance(admission, Admission)
    await scene.store.close()
    swap_for_a_folder(folder / "mailguard.db")
    assert await scene.outcome(secret) is Reason.RECORDS_UNAVAILABLE
    fallen = await login.still_stands(admission, Policies(), FOLLOWED)
    assert fallen is not None
    assert fallen.reason is Reason.RECORDS_UNAVAILABLE
    assert (await login.defer(Refused(Reason.BACKEND_UNAVAILABLE, "down"))).reason is Reason.BACKEND_UNAVAILABLE


async def test_no_row_and_no_repr_holds_a_password_used(folder: Path, scene: Scene) -> None:
    await scene.enrol()
    secret, _ = await scene.app_password()
    strings = [secret, PASSWORD, PASSWORD + scene.code(), "wrong-guess-1", PASSWORD + "000000"]
    shown = []
    for string in strings:
        login, directory = scene.login(string)
        shown += [repr(login), repr(await login.decide(directory)), repr(vars(login))]
    await scene.store.close()
    kept = everything_in(folder)
    for string in (*strings, secret.replace("-", ""), SEED.reveal().decode()):
        assert string.encode() not in kept
        assert string not in "".join(shown)


async def test_a_name_that_is_guessed_at_is_asked_about_no_further_known_or_not(scene: Scene) -> None:
    """A directory counts wrong passwords as well, and locks its account."""
    scene.questions = Questions(4)
    await scene.enrol()
    secret, _ = await scene.app_password()
    for name in (ANN, "nobody@example.org"):
        scene.directory.asked.clear()
        outcomes = [await scene.outcome(f"wrong{number}", name=name, origin=AWAY) for number in range(6)]
        assert outcomes[3:] == [Reason.THROTTLED] * 3
        assert len(scene.directory.asked) == 3
    assert await scene.outcome("wrong0", origin=AWAY) is Reason.THROTTLED, "which were tried before is not told"
    assert await scene.outcome(PASSWORD + scene.code(), origin=AWAY) is Reason.THROTTLED
    assert await scene.outcome(secret, origin=AWAY) is Factor.APP_PASSWORD


async def test_strangers_do_not_use_up_the_question_of_a_network_that_is_known(scene: Scene) -> None:
    scene.questions = Questions(4)
    await scene.enrol()
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE
    for number in range(6):
        await scene.outcome(f"wrong{number}", origin=AWAY)
    scene.hands.at += 60
    assert await scene.outcome(PASSWORD + scene.code(), origin=AWAY) is Reason.THROTTLED
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE
    assert await scene.outcome(PASSWORD + "000000", origin=AWAY) is Reason.CODE_WRONG, "the login cleared the name"


async def test_a_right_password_with_a_wrong_code_is_a_question_in_vain(scene: Scene) -> None:
    scene.questions = Questions(4)
    await scene.enrol()
    for number in range(3):
        assert await scene.outcome(f"{PASSWORD}00000{number}") is Reason.CODE_WRONG
    assert await scene.outcome(PASSWORD + "000003") is Reason.THROTTLED


@pytest.mark.parametrize("door", [MASTER, OWN])
async def test_many_connections_with_one_string_all_pass(scene: Scene, door: Door) -> None:
    """Mail clients open as many as they like at their start. Under MASTER the first one's question serves all."""
    scene.questions = Questions(4)
    await scene.enrol()
    string = PASSWORD + scene.code()
    outcomes = await asyncio.gather(*(scene.outcome(string, door=door) for _ in range(12)))
    assert sorted(outcomes) == [Factor.CODE] + [Factor.GRANT] * 11
    assert len(scene.directory.asked) == (1 if door is MASTER else 12)


async def test_many_connections_with_one_bare_password_all_pass(scene: Scene) -> None:
    scene.questions = Questions(4)
    outcomes = await asyncio.gather(*(scene.outcome(PASSWORD) for _ in range(12)))
    assert set(outcomes) == {Factor.PASSWORD}


async def test_whoever_waits_for_an_answer_that_never_comes_is_turned_away_at_last(scene: Scene) -> None:
    """Questions of another process that died with them in hand."""
    scene.questions = Questions(4)
    scene.turns = Hurried()
    for number in range(3):
        reservation = throttle.reservation(scene.ring, ANN, HOME, Secret(b"%d" % number), scene.questions)
        assert (await scene.store.ledger.reserve(reservation, scene.hands.at)).state is Reserved.NEW
    assert await scene.outcome(PASSWORD) is Reason.THROTTLED
    assert scene.turns.rests == LOOKS
    scene.hands.at += 1800
    assert await scene.outcome(PASSWORD) is Factor.PASSWORD


class Hurried(Turns):
    """Does not rest."""

    def __init__(self) -> None:
        super().__init__()
        self.rests = 0

    async def rest(self) -> None:
        self.rests += 1


async def test_a_string_in_flight_from_two_places_wins_at_one_and_is_a_replay_at_the_other(scene: Scene) -> None:
    await scene.enrol()
    string = PASSWORD + scene.code()
    scene.directory.answers.clear()
    here, directory = scene.login(string)
    scene.turns = Turns()  # of another worker
    away, _ = scene.login(string, origin=AWAY)
    both = asyncio.gather(here.decide(directory), away.decide(directory))
    async with asyncio.timeout(10):
        while len(scene.directory.asked) < 2:  # noqa: ASYNC110  (a database in between holds no event)
            await asyncio.sleep(0.01)
    scene.directory.answers.set()
    outcomes = await both
    (won,) = (outcome for outcome in outcomes if isinstance(outcome, Admission))
    (lost,) = (outcome for outcome in outcomes if isinstance(outcome, Refused))
    assert (won.factor, lost.reason) == (Factor.CODE, Reason.REPLAY)
    (row,) = [entry.row for entry in await scene.store.audit.list() if entry.row.reason == "replay"]
    assert row.credential == won.credential, "the record says of which grant"


@pytest.mark.parametrize("phished", [True, False])
async def test_what_is_throttled_does_not_tell_a_replay_from_a_wrong_string(*, scene: Scene, phished: bool) -> None:
    """Else whoever phished a string finds out that it was right, and the password in it with it."""
    scene.questions = Questions(4)
    await scene.enrol()
    right = PASSWORD + scene.code()
    assert await scene.outcome(right) is Factor.CODE
    string = right if phished else "wrong" + scene.code()
    told = Reason.REPLAY if phished else Reason.WRONG_PASSWORD
    assert await scene.outcome(string, origin=AWAY) is told
    for wrong in ("one", "two"):
        assert await scene.outcome(wrong, origin=AWAY) is Reason.WRONG_PASSWORD
    assert await scene.outcome("three", origin=AWAY) is Reason.THROTTLED
    assert await scene.outcome(right) is Factor.GRANT, "its owner has nothing of it"


@pytest.mark.parametrize("phished", [True, False])
async def test_a_full_throttle_and_a_store_in_trouble_answer_a_replay_as_any_other(
    *, scene: Scene, phished: bool
) -> None:
    scene.questions = Questions(4)
    await scene.enrol()
    right = PASSWORD + scene.code()
    assert await scene.outcome(right) is Factor.CODE
    string = right if phished else "wrong" + scene.code()
    scene.directory.down = True
    assert await scene.outcome(string, origin=AWAY) is Reason.BACKEND_UNAVAILABLE
    scene.directory.down = False
    for wrong in ("one", "two", "three"):
        assert await scene.outcome(wrong, origin=AWAY) is Reason.WRONG_PASSWORD
    assert await scene.outcome(string, origin=AWAY) is Reason.THROTTLED


async def test_a_replay_is_one_from_each_network_however_often_it_comes(scene: Scene) -> None:
    """Its owner is told once a network: a laptop on the move must not hide the thief behind it."""
    await scene.enrol()
    string = PASSWORD + scene.code()
    assert await scene.outcome(string) is Factor.CODE
    grants = {grant.grant.id for grant in await scene.store.grants.list()}
    for origin in (AWAY, AWAY, Origin.of("203.0.113.5", 40003), AWAY):
        assert await scene.outcome(string, origin=origin) is Reason.REPLAY
        assert {(await scene.store.audit.list(limit=1))[0].row.credential} == grants


async def test_a_grant_joins_its_second_family_once(scene: Scene) -> None:
    await scene.enrol()
    string = PASSWORD + scene.code()
    assert await scene.outcome(string) is Factor.CODE
    dual, other = Origin.of("2001:db8:1::7", 40003), Origin.of("2001:db8:2::7", 40004)
    for door in (MASTER, OWN):
        assert await scene.outcome(string, origin=dual, door=door) is Factor.GRANT
        assert await scene.outcome(string, origin=other, door=door) is Reason.REPLAY
    assert len(scene.directory.asked) == 3, "a replay costs one question, as any wrong string does"


async def test_a_stale_string_costs_one_question_and_one_failure_however_often_it_comes(scene: Scene) -> None:
    await scene.enrol()
    string = PASSWORD + scene.code()
    login, directory = scene.login(string)
    assert isinstance(await login.decide(directory), Admission)
    await login.defer(Refused(Reason.BACKEND_UNAVAILABLE))  # no session comes of it: the idle clock runs
    scene.directory.asked.clear()
    scene.hands.at += 3600
    for origin in (HOME, HOME, AWAY) * 20:
        assert await scene.outcome(string, origin=origin) in (Reason.CODE_WRONG, Reason.WRONG_REPEATED)
        scene.hands.at += 1200
    assert len(scene.directory.asked) == 1
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE


async def test_under_a_policy_without_codes_a_live_grant_passes_no_more(scene: Scene) -> None:
    await scene.enrol()
    string = PASSWORD + scene.code()
    assert await scene.outcome(string) is Factor.CODE
    scene.policy = Policy(codes_in_mail_clients=False)
    assert await scene.outcome(string) is Reason.CODES_NOT_ALLOWED


async def test_a_grant_has_as_many_connections_as_the_policy_says(scene: Scene) -> None:
    scene.policy = Policy(grant_connections=3)
    await scene.enrol()
    string = PASSWORD + scene.code()
    for _ in range(6):
        await scene.outcome(string)
    assert len(await scene.store.sessions.list(ANN)) == 3


async def test_the_record_says_which_clock_a_wrong_code_would_fit(scene: Scene) -> None:
    await scene.enrol()
    assert await scene.outcome(PASSWORD + scene.code(-8)) is Reason.CODE_WRONG
    (*_, row) = await scene.store.audit.list()
    assert row.row.detail == "its code fits a clock -240 s from ours"


async def test_after_five_wrong_codes_none_is_looked_at_for_ten_minutes(scene: Scene) -> None:
    """From that network at that account: elsewhere its owner's are."""
    await scene.enrol()
    for number in range(5):
        assert await scene.outcome(f"{PASSWORD}00000{number}") is Reason.CODE_WRONG
    assert await scene.outcome(PASSWORD + scene.code()) is Reason.CODES_USED_UP
    assert len(scene.directory.asked) == 6, "the question is asked as ever"
    scene.hands.at += 599
    assert await scene.outcome(PASSWORD + scene.code()) is Reason.CODES_USED_UP
    assert await scene.outcome(PASSWORD) is Reason.CODE_MISSING
    scene.hands.at += 1
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE


async def test_of_parallel_wrong_codes_five_are_looked_at(scene: Scene) -> None:
    await scene.enrol()
    scene.turns = Turns(at_once=100)
    scene.directory.answers.clear()
    guesses = asyncio.gather(*(scene.outcome(f"{PASSWORD}00000{number}") for number in range(9)))
    async with asyncio.timeout(5):
        while len(scene.directory.asked) < 9:  # noqa: ASYNC110  (a database in between holds no event)
            await asyncio.sleep(0.01)
    scene.directory.answers.set()
    outcomes = sorted(str(outcome) for outcome in await guesses)
    assert outcomes == [Reason.CODE_WRONG] * 5 + [Reason.CODES_USED_UP] * 4


async def test_wrong_passwords_take_nothing_from_the_allowance_of_codes(scene: Scene) -> None:
    await scene.enrol()
    for number in range(9):
        assert await scene.outcome(f"wrong00000{number}") is Reason.WRONG_PASSWORD
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE


async def test_trouble_of_the_store_takes_nothing_from_the_allowance_of_codes(scene: Scene) -> None:
    await scene.enrol()
    scene.directory.down = True
    for number in range(9):
        assert await scene.outcome(f"{PASSWORD}00000{number}") is Reason.BACKEND_UNAVAILABLE
    scene.directory.down = False
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE


async def hundred_in_a_row(scene: Scene) -> None:
    """At the pace that the throttle allows, from one network after another."""
    for number in range(90):
        scene.hands.at += 3600
        origin = Origin.of(f"10.{number}.0.1", 1)
        assert await scene.outcome(f"wrong{number}", origin=origin) is Reason.WRONG_PASSWORD, number


async def test_a_hundred_in_a_row_lock_the_password_and_nothing_else(scene: Scene) -> None:
    await scene.enrol()
    secret, _ = await scene.app_password()
    scene.policy = replace(scene.policy, grant_limit=365 * 86400.0, grant_idle=365 * 86400.0)
    granted = PASSWORD + scene.code()
    assert await scene.outcome(granted) is Factor.CODE
    await hundred_in_a_row(scene)
    assert await scene.outcome("wrong", origin=AWAY) is Reason.LOCKED
    assert await scene.outcome(PASSWORD + scene.code(), origin=AWAY) is Reason.LOCKED
    for number in range(10):
        scene.hands.at += 3600
        await scene.outcome(f"wrong from home {number}")
    scene.hands.at += 20 * 86400
    assert await scene.outcome(PASSWORD + scene.code()) is Reason.LOCKED
    assert await scene.outcome(secret) is Factor.APP_PASSWORD
    assert await scene.outcome(granted) is Factor.GRANT
    await scene.store.accounts.unlock(ANN, actor="operator:root")
    assert await scene.outcome(PASSWORD + scene.code(), origin=AWAY) is Factor.CODE


async def test_strangers_do_not_lock_a_network_that_is_known(scene: Scene) -> None:
    await scene.enrol()
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE
    await hundred_in_a_row(scene)
    assert await scene.outcome(PASSWORD + scene.code(), origin=AWAY) is Reason.LOCKED
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE
    assert await scene.outcome(PASSWORD + scene.code(1), origin=AWAY) is Reason.CODE_WRONG, "it is unlocked"


async def test_a_flood_of_strangers_makes_a_known_network_wait_for_nothing(scene: Scene) -> None:
    await scene.enrol()
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE
    scene.hands.at += 60
    for number in range(40):
        await scene.outcome(f"wrong{number}", origin=Origin.of(f"10.{number}.0.1", 1))
    assert await scene.outcome(PASSWORD + scene.code(), origin=AWAY) is Reason.THROTTLED
    assert await scene.outcome(PASSWORD + scene.code()) is Factor.CODE


async def test_where_too_many_wait_neither_app_password_nor_grant_does(scene: Scene) -> None:
    await scene.enrol()
    secret, _ = await scene.app_password()
    string = PASSWORD + scene.code()
    assert await scene.outcome(string) is Factor.CODE
    asked = len(scene.directory.asked)
    scene.turns = Turns(most=Most(overall=1))
    with scene.turns.room("bob@example.org", AWAY.network):
        for name in (ANN, "nobody"):
            assert await scene.outcome(PASSWORD, name=name) is Reason.THROTTLED
            assert (await scene.last())[::2] == (Event.LOGIN_DEFERRED, "throttled")
        assert await scene.outcome(secret) is Factor.APP_PASSWORD
        assert await scene.outcome(string) is Factor.GRANT
    assert len(scene.directory.asked) == asked
    assert await scene.outcome("wrong") is Reason.WRONG_PASSWORD
