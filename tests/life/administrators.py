"""What administrators do, and time."""

from ipaddress import ip_network

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from mailguard.auth import recovery, totp
from mailguard.auth import vault as vaults
from mailguard.auth.accounts import AppPassword, CodeKind
from mailguard.auth.attempt import MailProtocol, Origin
from mailguard.auth.passwords import digest_app_password, generate_app_password
from mailguard.auth.policy import Policy
from mailguard.store import Store, new_id
from tests.life.machine import (
    AWAY6,
    BRIEF,
    BRIEF_LIMIT,
    CODE_GOOD,
    HOME,
    POLICIES,
    SIGNED_IN_FOR,
    USUAL,
    WAITS,
    any_,
    origins,
    when,
)
from tests.life.model import DAY, Device
from tests.life.people import People
from tests.store.words import ANN, OPERATOR, put, token


class Administrators(People):
    """What administrators do, and time."""

    @initialize(policy=st.sampled_from(POLICIES), phone=st.booleans())
    def begin(self, policy: Policy, phone: bool) -> None:
        put(self.database, self.ground.empty)
        self.model.policy = policy

        async def work() -> None:
            self.store = await Store.open(f"sqlite:///{self.database}", self.ground.ring, now=self.hands.now)
            self.guards = await self.ground.processes(self.database)
            await self.store.accounts.add(ANN, actor=OPERATOR)
            await self.store.addresses.add(ANN, "ann@home.example", actor=OPERATOR)
            self.hands.at += 4 * DAY

        self.run(work())
        if phone:
            self.bind()
            self.issue_app_password(origin=None, life=None)

    @rule(
        kind=st.sampled_from(CodeKind), may_enrol=st.booleans(), waits=st.sampled_from([None, 0.0, 3601.0, CODE_GOOD])
    )
    @when(lambda self: self.model.exists)
    def issue_one_time_code(self, kind: CodeKind, may_enrol: bool, waits: float | None) -> None:
        made = recovery.make(2 if kind is CodeKind.RECOVERY else 1)
        end = None if kind is CodeKind.RECOVERY else self.hands.at + CODE_GOOD
        enrols = may_enrol and kind is CodeKind.BYPASS
        may = {CodeKind.RECOVERY: self.model.enrolled, CodeKind.ENROLMENT: not self.model.enrolled}
        work = self.store.codes.issue(ANN, kind, made, actor=OPERATOR, expires_at=end, may_enrol=enrols)
        if self.done(work, may=may.get(kind, True)) is not None:
            self.coded(kind, made.codes, expires=end, may_enrol=enrols)
            if waits is not None:
                self.hands.at += waits
                for _ in range(2):
                    self.attempt(0, self.told(self.model.password, HOME, second=recovery.grouped(made.codes[0])))

    @rule()
    @when(lambda self: self.model.exists and len(self.model.devices) < 4)
    def bind(self) -> None:
        """At the operator's desk, with the phone there."""
        text, now = totp.new_seed(), self.hands.at

        async def work() -> str:
            made = await self.store.devices.enrol(ANN, "phone", text, actor=OPERATOR)
            await self.store.devices.confirm(made.id, int(now) // 30 - 1, actor=OPERATOR)
            return made.id

        device = Device(self.run(work()), text.reveal().decode(), now)
        self.secrets |= {device.seed}
        self.model.devices.append(device)
        self.model.confirm(device, int(now) // 30 - 1)

    @rule()
    @when(lambda self: self.model.exists and len(self.model.passkeys) < 2)
    def add_passkey(self) -> None:
        """From here on no string opens mail that holds no code of an authenticator."""
        self.strings_are_tried()
        self.model.passkeys.append(self.run(token(self.store)).id)
        self.model.bound()
        self.what_was_ended_is_known_to_have_ended()
        self.strings_are_tried()

    @rule(which=any_)
    @when(lambda self: self.model.exists and self.model.passkeys)
    def remove_passkey(self, which: int) -> None:
        gone = self.model.passkeys.pop(which % len(self.model.passkeys))
        self.run(self.store.passkeys.remove(ANN, gone, actor=OPERATOR))
        self.model.unbound()

    @rule(origin=st.sampled_from([None, HOME, AWAY6]), life=st.sampled_from([None, 3600.0]))
    @when(lambda self: self.model.exists)
    def issue_app_password(self, origin: Origin | None, life: float | None) -> None:
        secret, row_id = generate_app_password(), new_id()

        async def work() -> AppPassword:
            account = await self.store.accounts.get(ANN)
            assert account is not None
            row = AppPassword(
                id=row_id,
                account_id=account.id,
                label="scanner",
                protocols=frozenset(MailProtocol),
                networks=() if origin is None else (ip_network(origin.network),),
                created_at=self.hands.at,
                expires_at=None if life is None else self.hands.at + life,
                issued_by=OPERATOR,
                public=vaults.public_half(secret, row_id),
            )
            digest = digest_app_password(self.ground.ring, secret.reveal())
            await self.store.app_passwords.issue(ANN, row, digest, actor=OPERATOR)
            return row

        self.issued(self.run(work()), secret)

    @rule(which=any_)
    @when(lambda self: self.usable_app_passwords)
    def revoke_app_password(self, which: int) -> None:
        it = self.usable_app_passwords[which % len(self.usable_app_passwords)]
        self.use(it)
        self.run(self.store.app_passwords.revoke(ANN, it.id, actor=OPERATOR))
        self.model.revoke(it.id)
        self.what_was_ended_is_known_to_have_ended()
        self.use(it)

    @rule(resumes=st.sampled_from([True, True, False]))
    @when(lambda self: self.model.exists and not self.model.suspended)
    def suspend(self, resumes: bool) -> None:
        self.everything_is_tried()
        self.run(self.store.accounts.suspend(ANN, actor=OPERATOR))
        self.model.suspend()
        self.what_was_ended_is_known_to_have_ended()
        self.everything_is_tried()
        if resumes:
            self.resume()

    @rule()
    @when(lambda self: self.model.exists and self.model.suspended)
    def resume(self) -> None:
        self.run(self.store.accounts.resume(ANN, actor=OPERATOR))
        self.model.resume()

    @rule(app_passwords_too=st.booleans(), factor_required=st.booleans())
    @when(lambda self: self.model.exists and (self.model.devices or self.model.passkeys))
    def reset(self, app_passwords_too: bool, factor_required: bool) -> None:
        how = {"app_passwords_too": app_passwords_too, "factor_required": factor_required}
        self.everything_is_tried()
        self.run(self.store.devices.reset(ANN, actor=OPERATOR, **how))
        self.model.reset(**how)
        self.what_was_ended_is_known_to_have_ended()
        self.everything_is_tried()

    @rule(which=any_)
    @when(lambda self: self.model.exists and self.model.devices)
    def remove_authenticator(self, which: int) -> None:
        device = self.device(which)
        self.run(self.store.devices.remove(ANN, device.id, actor=OPERATOR))
        self.model.unbind(device)

    @rule(which=any_)
    def revoke_grant(self, which: int) -> None:
        now = self.hands.at
        found = [each for each in self.model.grants if not each.single and self.model.lives(each, now)]
        for grant in found[-1 - which % 2 :][:1]:
            self.run(self.store.grants.revoke(grant.id, actor=OPERATOR))
            self.model.revoke(grant.id)

    @rule()
    @when(lambda self: self.model.exists)
    def change_password(self) -> None:
        self.everything_is_tried()
        self.run(self.password_set())
        self.model.change_password(self.new_password())
        self.what_was_ended_is_known_to_have_ended()
        self.strings_are_tried()
        self.everything_is_tried()

    @rule(end=st.sampled_from(["password", "idle", "hard end", "shorter limit"]), at=origins, leaves=st.booleans())
    @when(lambda self: self.model.exists and not self.model.suspended and len(self.model.devices) < 4)
    def grant_until_it_ends(self, end: str, at: Origin, leaves: bool) -> None:
        """A mail program that a new code let in goes on with its string, until the grant is over."""
        self.change_policy(BRIEF if end == "hard end" else USUAL)
        self.bind()
        string = self.with_code(len(self.model.devices) - 1, 0)
        self.tried_by_both(string, at)
        if leaves or end == "idle":
            self.everybody_leaves()
        match end:
            case "password":
                self.run(self.password_set())
                self.model.change_password(self.new_password())
            case "idle":
                self.time_passes(USUAL.grant_idle - 1)
                self.attempt(0, self.told(string, at))
                self.everybody_leaves()
                self.time_passes(USUAL.grant_idle)
            case _:
                self.change_policy(USUAL if end == "hard end" else BRIEF)
                self.time_passes(BRIEF_LIMIT - 1)
                self.tried_by_both(string, at)
                self.time_passes(1.0)
        self.tried_by_both(string, at)

    def tried_by_both(self, string: str, at: Origin) -> None:
        for process in range(2):
            self.attempt(process, self.told(string, at))

    @rule(policy=st.sampled_from(POLICIES))
    def change_policy(self, policy: Policy) -> None:
        self.model.policy = policy

    @rule(added=st.booleans())
    @when(lambda self: self.model.exists)
    def remove_account(self, added: bool) -> None:
        self.everything_is_tried()
        self.run(self.store.accounts.remove(ANN, actor=OPERATOR))
        self.model.remove()
        self.everything_is_tried()
        if added and not self.model.exists:
            self.add_account()

    @rule()
    @when(lambda self: not self.model.exists)
    def add_account(self) -> None:
        self.run(self.store.accounts.add(ANN, actor=OPERATOR))
        self.model.exists = True

    @rule(seconds=st.sampled_from(WAITS))
    def time_passes(self, seconds: float) -> None:
        self.hands.at += seconds
        young = self.hands.at - SIGNED_IN_FOR
        self.model.signed = [each for each in self.model.signed if each.signed.at > young]

    @rule()
    def jobs_come_round(self) -> None:
        async def work() -> None:
            await self.store.grants.expire()
            await self.store.app_passwords.expire()
            await self.store.purge()

        self.run(work())
        self.model.time_ends(self.hands.at)

    @rule(which=any_)
    @when(lambda self: self.model.opened)
    def client_leaves(self, which: int) -> None:
        session = self.model.opened[which % len(self.model.opened)]
        self.leaves(session)
