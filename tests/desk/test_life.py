"""An account's life in any order, at two processes by turns: whatever happens, the promises hold.

The owner has the password, a phone, and what an administrator hands her. The thief has the password alone.
"""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mailguard import keyring
from mailguard.auth.accounts import CodeKind, TotpDevice
from mailguard.auth.attempt import Factor, Reason
from mailguard.auth.passwords import grouped
from mailguard.auth.policy import Policy
from mailguard.auth.ports import Questions
from mailguard.auth.standing import SignedIn, Standing
from mailguard.desk import app_passwords, authenticators, recovery_codes
from mailguard.net.threads import Threads
from mailguard.proxy.turns import Turns
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, Store
from tests.auth.test_authenticator import ANN, AWAY, PASSWORD, Hands
from tests.auth.test_signin import ENFORCE, OPERATOR, Listening
from tests.desk.conftest import Office
from tests.desk.test_app_passwords import WISH

T = TypeVar("T")


class Life(RuleBasedStateMachine):
    @initialize(enforce=st.booleans())
    def begin(self, enforce: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.ring, self.hands, self.threads = keyring.create(Path(self.folder.name) / "keys.toml"), Hands(), Threads()
        self.directory = self.run(self.listening())
        self.policy = ENFORCE if enforce else Policy()
        self.offices = [self.run(self.office()), self.run(self.office())]
        self.run(self.here.account())
        self.phone: TotpDevice | None = None
        self.signed: SignedIn | None = None
        self.codes: list[str] = []
        self.spent: set[str] = set()
        self.links: list[Secret] = []
        self.suspended = False

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.runner.run(work)

    async def listening(self) -> Listening:
        return Listening()

    async def office(self) -> Office:
        url = f"sqlite:///{self.folder.name}/mailguard.db"
        store = await Store.open(url, self.ring, now=self.hands.now)
        many = Questions(10_000, 1800.0)
        return Office(
            store, self.ring, self.hands, self.directory, self.threads, self.policy, turns=Turns(), questions=many
        )

    @property
    def here(self) -> Office:
        """The process whose turn it is."""
        self.offices.reverse()
        return self.offices[0]

    @rule(seconds=st.sampled_from([30, 60, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.hands.at += seconds

    @rule(kind=st.sampled_from(CodeKind), may_enrol=st.booleans())
    def the_administrator_hands_out_a_code(self, kind: CodeKind, may_enrol: bool) -> None:
        try:
            self.codes.append(self.run(self.here.code(kind, may_enrol=may_enrol)))
        except ChangeRefused:
            assert kind is (CodeKind.ENROLMENT if self.phone else CodeKind.RECOVERY)

    @precondition(lambda self: self.codes)
    @rule(data=st.data())
    def she_signs_in_with_a_code_on_paper(self, data: st.DataObject) -> None:
        code = data.draw(st.sampled_from(self.codes))
        done = self.run(self.here.decided(code))
        if isinstance(done, SignedIn):
            assert code not in self.spent, "a code counts once"
            assert not self.suspended
            self.spent.add(code)
            self.signed = done
            if done.recovery_code is not None:
                self.codes.append(done.recovery_code.reveal().decode())

    @precondition(lambda self: self.phone)
    @rule(by_mail=st.booleans())
    def she_uses_her_phone(self, by_mail: bool) -> None:
        assert self.phone is not None
        code = self.here.shown_by(self.phone.seed.reveal())
        if by_mail:
            won = self.run(self.here.by_mail(PASSWORD + code)) is Factor.CODE
        else:
            done = self.run(self.here.decided(code))
            won = isinstance(done, SignedIn)
            if isinstance(done, SignedIn):
                assert done.standing is Standing.FULL
                self.signed = done
        step = f"{self.phone.id} {int(self.hands.at) // 30}"
        assert not (won and step in self.spent), "a time step counts once"
        assert not (won and self.suspended)
        self.spent |= {step} if won else set()

    @precondition(lambda self: self.signed)
    @rule()
    def she_sets_up_a_phone(self) -> None:
        assert self.signed is not None
        desk = self.here.desk
        try:
            made, _ = self.run(authenticators.enrol(desk, self.signed, "phone"))
            code = self.here.shown_by(made.seed.reveal())
            self.signed = self.run(authenticators.confirm(desk, self.signed, made.id, code))
        except ChangeRefused:
            return
        self.spent.add(f"{made.id} {int(self.hands.at) // 30}")
        self.phone = made

    @precondition(lambda self: self.signed)
    @rule()
    def she_makes_an_app_password_and_recovery_codes(self) -> None:
        assert self.signed is not None
        try:
            made = self.run(app_passwords.issue(self.here.desk, self.signed, WISH))
            assert self.signed.standing in (Standing.FULL, Standing.BYPASS)
            assert self.run(self.here.by_mail(grouped(made.secret))) is Factor.APP_PASSWORD
            self.codes.append(self.run(recovery_codes.issue(self.here.desk, self.signed))[0].reveal().decode())
        except ChangeRefused:
            return
        assert self.signed.standing is Standing.FULL

    @rule(what=st.sampled_from(["reset", "suspend", "resume"]))
    def the_administrator_acts(self, what: str) -> None:
        store = self.here.store
        match what:
            case "reset":
                self.run(store.devices.reset(ANN, actor=OPERATOR))
                self.spent |= set(self.codes)  # they have ended
                self.phone = self.signed = None
            case "suspend":
                self.run(store.accounts.suspend(ANN, actor=OPERATOR))
                self.suspended, self.signed = True, None
            case _:
                self.run(store.accounts.resume(ANN, actor=OPERATOR))
                self.suspended = False

    @invariant()
    def a_phished_password_opens_nothing_where_a_factor_is_there_or_demanded(self) -> None:
        if not hasattr(self, "signed"):
            return
        account = self.run(self.here.store.accounts.get(ANN))
        assert account is not None
        if self.phone is None and not self.policy.demands_factor(account):
            return
        self.run(self.here.store.accounts.unlock(ANN, actor=OPERATOR))
        assert isinstance(self.run(self.here.by_mail(PASSWORD)), Reason)
        thief = self.run(self.here.decided(origin=AWAY))
        if isinstance(thief, SignedIn):
            assert thief.standing is Standing.NEEDS_CODE
            assert self.phone is None
            with pytest.raises(ChangeRefused, match="enrolment code"):
                self.run(authenticators.enrol(self.here.desk, thief, "thief's"))

    @invariant()
    def what_counts_as_a_factor_is_hers(self) -> None:
        if not hasattr(self, "signed"):
            return
        facts = self.run(self.here.store.ledger.facts(ANN, (), (), self.hands.at))
        assert (self.phone.id if self.phone else None) in {None, *(device.id for device in facts.devices)}
        assert bool(facts.devices) is (self.phone is not None)

    def teardown(self) -> None:
        if not hasattr(self, "signed"):
            return
        for office in self.offices:
            self.run(office.store.close())
        self.threads.close()
        self.runner.close()
        self.folder.cleanup()


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=12, stateful_step_count=16, deadline=None, suppress_health_check=list(HealthCheck)
)
