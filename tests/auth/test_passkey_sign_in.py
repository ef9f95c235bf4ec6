"""A person signs in with a passkey: real records, real signatures, in the one decision."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mailguard.auth.accounts import AccountName, CodeKind, Passkey
from mailguard.auth.attempt import Factor, Reason, Refused
from mailguard.auth.authenticator import new_session_id
from mailguard.auth.events import Event
from mailguard.auth.policy import Policy
from mailguard.auth.signin import Presented, SignIn, SignIns
from mailguard.auth.standing import SignedIn, Standing
from mailguard.config.choices import TwoFactor
from mailguard.keyring import Keyring
from mailguard.net.threads import Threads
from mailguard.proxy.turns import Turns
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, Store
from mailguard.web.passkeys import Answer, RelyingParty, new_challenge
from tests.auth.test_authenticator import ANN, HOME, PASSWORD, Hands
from tests.auth.test_signin import OPERATOR, Listening, Scene
from tests.support.passkeys import ORIGIN, Authenticator

PARTY = RelyingParty.of(ORIGIN, "mail.example.org")
BOB = AccountName("bob@example.org")
FULL = (Factor.PASSKEY, Standing.FULL)


@dataclass
class Keyed(Scene):
    """A sign-in scene with somebody who holds a passkey."""

    token: Authenticator = field(default_factory=Authenticator)

    def with_passkey(self, answer: Answer, *, name: str = ANN, password: str = PASSWORD, second: str = "") -> SignIn:
        house = SignIns(self.by, self.store.sign_ins, self.threads, self.creates)
        presented = Presented(name, Secret(password.encode()), Secret(second.encode()), answer)
        return house.attempt(presented, HOME, new_session_id())

    async def by_passkey(self, answer: Answer | None = None, **how: str) -> tuple[Factor, Standing] | Reason:
        attempt = self.with_passkey(answer or self.answer(), **how)
        done = await attempt.decide(self.directory)
        return done.reason if isinstance(done, Refused) else (done.factor, done.standing)

    def answer(self, by: Authenticator | None = None) -> Answer:
        challenge = new_challenge()
        return PARTY.answer((by or self.token).get(PARTY.request(challenge)), challenge)

    async def add(self, by: Authenticator | None = None, name: AccountName = ANN) -> Passkey:
        challenge, by = new_challenge(), by or self.token
        signed = SignedIn(name, "id", Standing.ENROLS, Factor.PASSWORD, "", 0, 0.0)
        made = PARTY.made(by.create(PARTY.creation(signed, [], challenge)), challenge)
        assert made is not None
        return await self.store.passkeys.add(name, "token", made, actor=OPERATOR)

    async def only_a_passkey(self) -> Passkey:
        await self.account()
        return await self.add()

    async def last_reason(self) -> str:
        return (await self.store.audit.list())[-1].row.reason


@pytest.fixture
async def keyed(tmp_path: Path, ring: Keyring) -> AsyncIterator[Keyed]:
    hands, threads = Hands(), Threads()
    store = await Store.open(f"sqlite:///{tmp_path / 'mailguard.db'}", ring, now=hands.now)
    yield Keyed(store, ring, hands, Listening(), threads)
    await store.close()
    threads.close()


async def test_password_and_passkey_let_in(keyed: Keyed) -> None:
    passkey = await keyed.only_a_passkey()
    done = await keyed.with_passkey(keyed.answer()).decide(keyed.directory)
    assert isinstance(done, SignedIn)
    assert (done.standing, done.factor, done.device) == (Standing.FULL, Factor.PASSKEY, passkey.id)
    last = (await keyed.store.audit.list())[-1].row
    assert (last.event, last.factor, last.credential) == (Event.SIGN_IN_GRANTED, Factor.PASSKEY, passkey.id)
    (kept,) = await keyed.store.passkeys.list(ANN)
    assert (kept.sign_count, kept.last_used_at) == (1, keyed.hands.at)
    assert await keyed.by_passkey() == FULL


async def test_the_password_is_asked_all_the_same(keyed: Keyed) -> None:
    await keyed.only_a_passkey()
    assert await keyed.by_passkey(password="wrong") is Reason.WRONG_PASSWORD
    assert await keyed.by_passkey(password="") is Reason.WRONG_PASSWORD
    assert await keyed.outcome() is Reason.CODE_MISSING
    assert len(keyed.directory.asked) == 2


async def test_an_authenticator_and_a_passkey_stand_beside_each_other(keyed: Keyed) -> None:
    await keyed.enrol()
    await keyed.add()
    assert await keyed.by_passkey() == FULL
    assert await keyed.outcome(keyed.digits()) == (Factor.CODE, Standing.FULL)
    assert await keyed.by_mail(PASSWORD + keyed.digits(-1)) is Reason.CODE_REUSED
    assert await keyed.by_mail(PASSWORD) is Reason.CODE_MISSING


@pytest.mark.parametrize("mode", TwoFactor)
async def test_with_a_passkey_alone_the_bare_password_opens_no_mail(keyed: Keyed, mode: TwoFactor) -> None:
    keyed.policy = Policy(two_factor=mode)
    await keyed.account()
    before = await keyed.by_mail(PASSWORD)
    assert before is (Reason.SECOND_FACTOR_REQUIRED if mode is TwoFactor.ENFORCE else Factor.PASSWORD)
    passkey = await keyed.add()
    assert await keyed.by_mail(PASSWORD) is Reason.PASSKEY_ONLY
    assert await keyed.by_mail(PASSWORD + "123456") is Reason.WRONG_PASSWORD
    assert await keyed.by_mail("wrong") is Reason.WRONG_PASSWORD
    await keyed.store.passkeys.remove(ANN, passkey.id, actor=OPERATOR)
    keyed.hands.at += 3600
    assert await keyed.by_mail(PASSWORD) is before


async def test_an_answer_is_taken_once(keyed: Keyed) -> None:
    """Passkeys that are copied from phone to phone do not count: whoever sees a form could send it once more."""
    keyed.token = Authenticator(counts=False)
    await keyed.only_a_passkey()
    answer = keyed.answer()
    assert await keyed.by_passkey(answer) == FULL
    assert await keyed.by_passkey(answer) is Reason.CODE_REUSED
    challenge = answer.challenge
    same = PARTY.answer(keyed.token.get(PARTY.request(challenge)), challenge)
    assert await keyed.by_passkey(same) is Reason.CODE_REUSED, "the challenge is, whatever the answer"
    assert await keyed.by_passkey() == FULL


async def test_who_sends_a_form_twice_is_called_no_copy(keyed: Keyed) -> None:
    await keyed.only_a_passkey()
    answer = keyed.answer()
    assert await keyed.by_passkey(answer) == FULL
    assert await keyed.by_passkey(answer) is Reason.CODE_REUSED
    assert await keyed.last_reason() == Reason.CODE_REUSED


async def test_a_count_that_goes_back_is_refused_and_told(keyed: Keyed) -> None:
    passkey = await keyed.only_a_passkey()
    thief = replace(keyed.token)
    for _ in range(3):
        assert await keyed.by_passkey() == FULL
    assert await keyed.by_passkey(keyed.answer(thief)) is Reason.PASSKEY_CLONED
    last = (await keyed.store.audit.list())[-1].row
    assert (last.event, last.reason, last.credential) == (Event.SIGN_IN_REFUSED, Reason.PASSKEY_CLONED, passkey.id)
    assert await keyed.by_passkey(keyed.answer(thief), password="wrong") is Reason.WRONG_PASSWORD
    assert await keyed.by_passkey() == FULL, "its owner goes on"


async def test_anothers_passkey_is_none(keyed: Keyed) -> None:
    await keyed.only_a_passkey()
    await keyed.store.accounts.add(BOB, actor=OPERATOR)
    bobs = Authenticator()
    await keyed.add(bobs, BOB)
    assert await keyed.by_passkey(keyed.answer(bobs)) is Reason.PASSKEY_WRONG
    assert await keyed.by_passkey(keyed.answer(Authenticator())) is Reason.PASSKEY_WRONG
    assert await keyed.by_passkey(PARTY.answer("nonsense", b"")) is Reason.PASSKEY_WRONG
    assert await keyed.by_passkey(keyed.answer(replace(keyed.token, origin="https://0rg"))) is Reason.PASSKEY_WRONG
    assert await keyed.by_passkey() == FULL


async def test_who_has_no_account_costs_the_same_question(keyed: Keyed) -> None:
    keyed.creates = False
    assert await keyed.by_passkey(name="nobody") is Reason.UNKNOWN_ACCOUNT
    assert len(keyed.directory.asked) == 1


async def test_a_passkey_makes_no_account(keyed: Keyed) -> None:
    assert await keyed.by_passkey() is Reason.PASSKEY_WRONG
    assert await keyed.store.accounts.list() == ()


async def test_guesses_beside_a_passkey_are_counted(keyed: Keyed) -> None:
    await keyed.only_a_passkey()
    outcomes = [await keyed.by_passkey(password=f"guess {n}") for n in range(12)]
    assert outcomes[0] is Reason.WRONG_PASSWORD
    assert outcomes[-1] is Reason.THROTTLED


async def test_wrong_passkeys_take_no_code_its_place(keyed: Keyed) -> None:
    """A signature is not to be guessed: what is counted of codes is theirs."""
    await keyed.enrol()
    for _ in range(5):
        assert await keyed.by_passkey() is Reason.PASSKEY_WRONG
    keyed.hands.at += 3600
    assert await keyed.outcome(keyed.digits()) == (Factor.CODE, Standing.FULL)


async def test_beside_a_passkey_the_field_is_not_looked_at(keyed: Keyed) -> None:
    await keyed.enrol()
    bypass = await keyed.code(CodeKind.BYPASS)
    assert await keyed.by_passkey(second=bypass) is Reason.PASSKEY_WRONG
    assert await keyed.by_passkey(second=keyed.digits()) is Reason.PASSKEY_WRONG
    assert await keyed.outcome(bypass) == (Factor.BYPASS, Standing.BYPASS)


async def test_recovery_codes_stand_in_for_a_passkey(keyed: Keyed) -> None:
    await keyed.only_a_passkey()
    assert await keyed.outcome(await keyed.code(CodeKind.RECOVERY)) == (Factor.RECOVERY_CODE, Standing.FULL)


async def test_a_directory_that_is_down_burns_no_answer(keyed: Keyed) -> None:
    await keyed.only_a_passkey()
    answer = keyed.answer()
    keyed.directory.down = True
    assert await keyed.by_passkey(answer) is Reason.BACKEND_UNAVAILABLE
    keyed.directory.down = False
    assert await keyed.by_passkey(answer) == FULL


async def test_a_clock_that_jumped_takes_none(keyed: Keyed) -> None:
    await keyed.only_a_passkey()
    keyed.hands.believed = False
    assert await keyed.by_passkey() is Reason.CLOCK_UNTRUSTED
    assert keyed.directory.asked == []


async def test_removed_while_the_directory_thinks_it_lets_nobody_in(keyed: Keyed) -> None:
    passkey = await keyed.only_a_passkey()
    await keyed.add(Authenticator())
    keyed.directory.answers.clear()
    waiting = asyncio.gather(keyed.by_passkey())
    await keyed.directory.heard.acquire()
    await keyed.store.passkeys.remove(ANN, passkey.id, actor=OPERATOR)
    keyed.directory.answers.set()
    assert list(await waiting) == [Reason.REVOKED_IN_FLIGHT]


async def test_a_first_passkey_meanwhile_stands_in_the_way_of_the_bare_password(keyed: Keyed) -> None:
    await keyed.account()
    keyed.directory.answers.clear()
    waiting = asyncio.gather(keyed.by_mail(PASSWORD), keyed.outcome())
    await keyed.directory.heard.acquire()
    await keyed.add()
    keyed.directory.answers.set()
    outcomes = await waiting
    assert outcomes[0] in (Reason.REVOKED_IN_FLIGHT, Reason.PASSKEY_ONLY)
    assert outcomes[1] in (Reason.REVOKED_IN_FLIGHT, Reason.CODE_MISSING)


@pytest.mark.parametrize("counts", [True, False])
async def test_two_at_once_with_one_answer_and_one_is_in(keyed: Keyed, counts: bool) -> None:
    """In one process they come after one another, in two they race for the challenge."""
    keyed.token = Authenticator(counts=counts)
    await keyed.only_a_passkey()
    for other in (keyed, replace(keyed, turns=Turns())):
        answer = keyed.answer()
        keyed.directory.answers.clear()
        waiting = asyncio.gather(keyed.by_passkey(answer), other.by_passkey(answer))
        for _ in range(1 if other is keyed else 2):
            await keyed.directory.heard.acquire()
        keyed.directory.answers.set()
        outcomes = await waiting
        assert sorted(outcomes, key=str) == sorted([FULL, Reason.CODE_REUSED], key=str)
        while not keyed.directory.heard.locked():
            await keyed.directory.heard.acquire()


async def test_an_altered_passkey_opens_nothing_and_is_a_factor_still(keyed: Keyed, tmp_path: Path) -> None:
    """Somebody who can write the file puts in a key of their own."""
    await keyed.only_a_passkey()
    thief = Authenticator(credential=keyed.token.credential)
    database = sqlite3.connect(tmp_path / "mailguard.db")
    with database:
        database.execute("UPDATE passkeys SET public_key = ?", (thief.public_key,))
    database.close()
    assert await keyed.by_passkey(keyed.answer(thief)) is Reason.PASSKEY_WRONG
    assert Event.ROW_ALTERED in await keyed.events()
    assert await keyed.by_mail(PASSWORD) is Reason.PASSKEY_ONLY


async def test_a_reset_takes_passkeys_too(keyed: Keyed) -> None:
    await keyed.only_a_passkey()
    await keyed.store.devices.reset(ANN, actor=OPERATOR)
    assert await keyed.by_passkey() is Reason.PASSKEY_WRONG
    assert await keyed.outcome() is Reason.SECOND_FACTOR_REQUIRED
    assert await keyed.by_mail(PASSWORD) is Reason.SECOND_FACTOR_REQUIRED
    with pytest.raises(ChangeRefused, match="there already"):
        await keyed.add(await keyed_again(keyed))


async def keyed_again(keyed: Keyed) -> Authenticator:
    """After the reset the same token is added once more: allowed. A second time: not."""
    await keyed.add()
    assert await keyed.by_passkey() == FULL
    return keyed.token
