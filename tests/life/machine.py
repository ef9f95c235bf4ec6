"""An account's life in any order, by two processes at once, with SECURITY.md's promises held against a model."""

import asyncio
import base64
import copy
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import wraps
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mailguard import config
from mailguard.auth import recovery, totp
from mailguard.auth import vault as vaults
from mailguard.auth.accounts import AppPassword, CodeKind
from mailguard.auth.attempt import MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.passwords import digest_app_password, generate_app_password, grouped
from mailguard.auth.policy import Policies, Policy, TwoFactor
from mailguard.auth.ports import AuditRow
from mailguard.auth.standing import Standing
from mailguard.desk import app_passwords, authenticators, recovery_codes
from mailguard.desk.desk import Desk
from mailguard.keyring import Keyring
from mailguard.net.threads import Threads
from mailguard.secret import Secret
from mailguard.store import ChangeRefused, Store, new_id
from tests.auth.test_authenticator import Hands
from tests.life.guards import Came, Process, Try
from tests.life.judge import judge
from tests.life.model import DAY, Device, Model, Signed
from tests.life.model import AppPassword as Known
from tests.life.model import Code as OneTime
from tests.store.words import ANN, OPERATOR, put, sql

T = TypeVar("T")

HOME, HOME6 = Origin.of("192.0.2.7", 40001), Origin.of("2001:db8::7", 40001)
AWAY, AWAY6 = Origin.of("198.51.100.9", 40002), Origin.of("2001:db8:1::9", 40002)
USUAL = Policy(grant_connections=2)
POLICIES = [
    USUAL,
    replace(USUAL, two_factor=TwoFactor.ENFORCE),
    replace(USUAL, grant_limit=None),
    replace(USUAL, codes_in_mail_clients=False),
]
WAITS = [1.0, 29.0, 30.0, 31.0, 61.0, 119.0, 121.0, 600.0, 3599.0, 3601.0, 13 * 3600.0, DAY + 1, 8 * DAY]
SOON = [0.0, 0.0, 1.0, 61.0, 119.0, 121.0, 3599.0, 3601.0]
SIGNED_IN_FOR = 12 * 3600.0  # the pages end a sign-in long before the records forget a revocation
WATCHED = 8  # sessions that are looked at after each step
CREDENTIALS = (
    "accounts",
    "totp_devices",
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

    @rule(process=processes, origin=origins, protocol=st.sampled_from(MailProtocol), trouble=troubles, which=any_)
    @when(lambda self: self.model.app_passwords)
    def app_password_by_mail(
        self, process: int, origin: Origin, protocol: MailProtocol, trouble: str, which: int
    ) -> None:
        it = self.model.app_passwords[which % len(self.model.app_passwords)]
        self.attempt(process, self.told(it.secret, origin, protocol=protocol, trouble=trouble))

    @rule(at=comings, which=any_, offset=offsets, again=st.lists(st.tuples(st.sampled_from(SOON), comings), max_size=4))
    @when(lambda self: self.model.devices)
    def mail_programs_day(self, at: Coming, which: int, offset: int, again: list[tuple[float, Coming]]) -> None:
        """A string with a code, and the same string again: from here and elsewhere, soon and late."""
        string = self.with_code(which, offset)
        self.comes(at, string)
        for seconds, coming in again:
            self.hands.at += seconds
            self.comes(coming, string)

    def comes(self, at: Coming, string: str) -> None:
        self.attempt(at.process, self.told(string, at.origin, trouble=at.trouble, leg=at.leg))

    @rule(process=processes, origin=origins, trouble=troubles, which=any_)
    @when(lambda self: self.model.grants)
    def same_string_again(self, process: int, origin: Origin, trouble: str, which: int) -> None:
        string = self.model.grants[-1 - which % min(3, len(self.model.grants))].string
        self.attempt(process, self.told(string, origin, trouble=trouble))

    @rule(process=processes, origin=origins, trouble=troubles)
    def bare_password_by_mail(self, process: int, origin: Origin, trouble: str) -> None:
        self.attempt(process, self.told(self.model.password, origin, trouble=trouble))

    @rule(process=processes, origin=origins, wrong=st.integers(0, 999_999), at_all=st.booleans())
    def guess_by_mail(self, process: int, origin: Origin, wrong: int, at_all: bool) -> None:
        password = self.model.password if at_all else "wrong horse"
        self.attempt(process, self.told(f"{password}{wrong:06}", origin))

    @rule(process=processes, origin=origins, which=any_)
    @when(lambda self: self.model.codes)
    def one_time_code_by_mail(self, process: int, origin: Origin, which: int) -> None:
        text = self.model.codes[which % len(self.model.codes)].text
        self.attempt(process, self.told(self.model.password + text, origin))

    @rule(process=processes, origin=origins, trouble=troubles)
    def sign_in_by_password(self, process: int, origin: Origin, trouble: str) -> None:
        self.attempt(process, self.told(self.model.password, origin, second="", trouble=trouble))

    @rule(process=processes, origin=origins, trouble=troubles, which=any_, offset=offsets)
    @when(lambda self: self.model.devices)
    def sign_in_by_code(self, process: int, origin: Origin, trouble: str, which: int, offset: int) -> None:
        code = self.with_code(which, offset)[-6:]
        self.attempt(process, self.told(self.model.password, origin, second=code, trouble=trouble))

    @rule(process=processes, origin=origins, trouble=troubles, which=any_, right=st.sampled_from([True, True, False]))
    @when(lambda self: self.model.codes)
    def sign_in_by_one_time_code(self, process: int, origin: Origin, trouble: str, which: int, right: bool) -> None:
        code = self.model.codes[-1 - which % min(4, len(self.model.codes))]
        password = self.model.password if right else "wrong horse"
        self.attempt(process, self.told(password, origin, second=code.text, trouble=trouble))

    def everything_is_tried(self) -> None:
        """Each kind of credential that was there, as its owner or a thief would."""
        if self.model.app_passwords:
            self.attempt(0, self.told(self.model.app_passwords[-1].secret, HOME))
        for grant in self.model.grants[-1:]:
            self.attempt(1, self.told(grant.string, HOME))
        for code in self.model.codes[-1:]:
            self.attempt(0, self.told(self.model.password, HOME, second=code.text))
        if self.model.devices:
            self.attempt(1, self.told(self.with_code(0, 0), HOME))
        self.attempt(0, self.told(self.model.password, HOME))
        self.attempt(1, self.told(self.model.password, HOME, second=""))

    # At once

    @rule(origins=st.tuples(origins, origins), which=any_, offset=offsets, form=st.booleans())
    @when(lambda self: self.model.devices)
    def one_code_twice_at_once(self, origins: tuple[Origin, Origin], which: int, offset: int, form: bool) -> None:
        string = self.with_code(which, offset)
        first = self.told(string, origins[0])
        code = {"typed": self.model.password, "second": string[-6:]}
        self.race(first, self.told(origin=origins[1], **(code if form else {"typed": string})))

    @rule(origins=st.tuples(origins, origins), which=any_)
    @when(lambda self: self.model.codes)
    def one_time_code_twice_at_once(self, origins: tuple[Origin, Origin], which: int) -> None:
        code = self.model.codes[-1 - which % min(4, len(self.model.codes))]
        self.race(*(self.told(self.model.password, origin, second=code.text) for origin in origins))

    @rule(origin=origins, which=any_, offset=offsets, end=st.sampled_from(["suspend", "reset", "password", "unbind"]))
    @when(lambda self: self.model.exists and self.model.devices)
    def code_while_it_ends(self, origin: Origin, which: int, offset: int, end: str) -> None:
        told, device = self.told(self.with_code(which, offset), origin), self.device(which)
        match end:
            case "suspend":
                self.race_with(told, lambda: self.store.accounts.suspend(ANN, actor=OPERATOR), Model.suspend)
            case "reset":
                self.race_with(
                    told,
                    lambda: self.store.devices.reset(ANN, actor=OPERATOR),
                    lambda model: model.reset(app_passwords_too=False, factor_required=True),
                )
            case "password":
                # The identity source answers with the old one or the new: asked before the change, as here.
                new = self.new_password()
                self.race_with(told, self.password_set, lambda model: model.change_password(new))
            case _:
                self.race_with(
                    told,
                    lambda: self.store.devices.remove(ANN, device.id, actor=OPERATOR),
                    lambda model: model.unbind(next(each for each in model.devices if each.id == device.id)),
                )

    @rule(origin=origins, which=any_)
    @when(lambda self: self.usable_app_passwords)
    def app_password_while_it_is_revoked(self, origin: Origin, which: int) -> None:
        usable = self.usable_app_passwords
        it = usable[which % len(usable)]
        self.race_with(
            self.told(it.secret, origin),
            lambda: self.store.app_passwords.revoke(ANN, it.id, actor=OPERATOR),
            lambda model: model.revoke(it.id),
        )

    # What people do once they signed in

    def desk(self) -> Desk:
        return Desk(
            store=self.store,
            keyring=self.ground.ring,
            clock=self.hands,
            policies=Policies(self.model.policy),
            limits=replace(config.Policy(), app_password_limit=1000),
            own=frozenset(),
            beside=self.threads,
            issuer="mail.example.org",
        )

    def may(self, it: Signed, *standings: Standing) -> bool:
        signed, model = it.signed, self.model
        runs = signed.until is None or self.hands.at < signed.until
        phished = signed.standing is Standing.ENROLS and signed.factor.value == "password" and model.demands_factor
        return runs and signed.standing in standings and not (it.fallen or phished or model.suspended)

    def done(self, work: Coroutine[Any, Any, T], *, may: bool) -> T | None:
        """What came of a change; it is refused where it may not be, and only there."""
        before = self.credentials()
        if may:
            return self.run(work)
        with pytest.raises(ChangeRefused):
            self.run(work)
        assert self.credentials() == before
        return None

    def a_signed(self, which: int) -> Signed:
        return self.model.signed[-1 - which % min(3, len(self.model.signed))]

    def device(self, which: int) -> Device:
        return self.model.devices[which % len(self.model.devices)]

    @property
    def usable_app_passwords(self) -> list[Known]:
        return [it for it in self.model.app_passwords if not it.revoked and not it.gone]

    @rule(which=any_)
    @when(lambda self: self.model.signed)
    def enrol(self, which: int) -> None:
        it = self.a_signed(which)
        may = self.may(it, Standing.FULL, Standing.ENROLS) and len(self.model.devices) < 10
        made = self.done(authenticators.enrol(self.desk(), it.signed, "phone"), may=may)
        if made is not None:
            seed = made[0].seed.reveal().decode()
            self.secrets |= {seed, base64.b32decode(seed).decode("latin-1")}
            self.model.devices.append(Device(made[0].id, seed, self.hands.at))

    @rule(which=any_, whose=any_, offset=st.sampled_from([0, -1, 0, 1]))
    @when(lambda self: self.model.signed and self.model.devices)
    def confirm(self, which: int, whose: int, offset: int) -> None:
        it, device = self.a_signed(whose), self.model.devices[-1 - which % len(self.model.devices)]
        may = self.may(it, Standing.FULL, Standing.ENROLS) and not device.confirmed and offset <= 0
        may = may and not (it.signed.standing is Standing.ENROLS and self.model.confirmed)
        step = int(self.hands.at) // 30 + offset
        now = self.done(authenticators.confirm(self.desk(), it.signed, device.id, device.shows(step)), may=may)
        if now is not None:
            self.model.confirm(device, step)
            if now != it.signed:
                self.model.signed.append(Signed(now))

    @rule(which=any_, whose=any_)
    @when(lambda self: self.model.signed and self.model.devices)
    def remove_own_authenticator(self, which: int, whose: int) -> None:
        it, device = self.a_signed(whose), self.device(which)
        left = [each for each in self.model.confirmed if each is not device]
        may = self.may(it, Standing.FULL) and bool(left or not self.model.demands_factor)
        self.done(authenticators.remove(self.desk(), it.signed, device.id), may=may)
        if may:
            self.model.unbind(device)

    @rule(which=any_, protocols=st.sets(st.sampled_from(MailProtocol), min_size=1), life=st.sampled_from([None, 600.0]))
    @when(lambda self: self.model.signed)
    def make_app_password(self, which: int, protocols: set[MailProtocol], life: float | None) -> None:
        it = self.a_signed(which)
        wish = app_passwords.Wish("laptop", frozenset(protocols), life=life)
        may = self.may(it, Standing.FULL, Standing.BYPASS)
        made = self.done(app_passwords.issue(self.desk(), it.signed, wish), may=may)
        if made is not None:
            if it.signed.until is not None:
                assert made.row.expires_at is not None
                assert made.row.expires_at <= it.signed.until, "what a bypass makes ends with it"
            self.issued(made.row, made.secret)

    def issued(self, row: AppPassword, secret: Secret) -> None:
        text = grouped(secret)
        self.secrets |= {text, secret.reveal().decode()}
        network = str(row.networks[0]) if row.networks else ""
        self.model.app_passwords.append(Known(row.id, text, row.protocols, network, row.expires_at))

    @rule(which=any_)
    @when(lambda self: self.model.signed)
    def make_recovery_codes(self, which: int) -> None:
        it = self.a_signed(which)
        may = self.may(it, Standing.FULL) and bool(self.model.confirmed)
        made = self.done(recovery_codes.issue(self.desk(), it.signed), may=may)
        if made is not None:
            self.coded(CodeKind.RECOVERY, made)

    def coded(self, kind: CodeKind, codes: tuple[Secret, ...], **more: Any) -> None:
        self.model.withdraw(kind)
        for code in codes:
            self.secrets |= {recovery.grouped(code), code.reveal().decode()}
            self.model.codes.append(OneTime(recovery.grouped(code), kind, **more))

    # What administrators do

    @rule(kind=st.sampled_from(CodeKind), may_enrol=st.booleans())
    @when(lambda self: self.model.exists)
    def issue_one_time_code(self, kind: CodeKind, may_enrol: bool) -> None:
        made = recovery.make(2 if kind is CodeKind.RECOVERY else 1)
        end = None if kind is CodeKind.RECOVERY else self.hands.at + 8 * 3600.0
        enrols = may_enrol and kind is CodeKind.BYPASS
        may = {CodeKind.RECOVERY: bool(self.model.confirmed), CodeKind.ENROLMENT: not self.model.confirmed}
        work = self.store.codes.issue(ANN, kind, made, actor=OPERATOR, expires_at=end, may_enrol=enrols)
        if self.done(work, may=may.get(kind, True)) is not None:
            self.coded(kind, made.codes, expires=end, may_enrol=enrols)

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
        self.run(self.store.app_passwords.revoke(ANN, it.id, actor=OPERATOR))
        self.model.revoke(it.id)

    @rule(resumes=st.sampled_from([True, True, False]))
    @when(lambda self: self.model.exists and not self.model.suspended)
    def suspend(self, resumes: bool) -> None:
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
    @when(lambda self: self.model.exists and self.model.devices)
    def reset(self, app_passwords_too: bool, factor_required: bool) -> None:
        how = {"app_passwords_too": app_passwords_too, "factor_required": factor_required}
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
    @when(lambda self: any(self.lives(each.id) for each in self.model.grants))
    def revoke_grant(self, which: int) -> None:
        found = [each for each in self.model.grants if self.lives(each.id)]
        grant = found[which % len(found)]
        self.run(self.store.grants.revoke(grant.id, actor=OPERATOR))
        self.model.revoke(grant.id)

    def lives(self, grant_id: str) -> bool:
        return any(
            each.id == grant_id and not each.single and self.model.lives(each, self.hands.at)
            for each in self.model.grants
        )

    def new_password(self) -> str:
        new = f"correct horse {len(self.secrets)} battery"
        self.secrets.add(new)
        return new

    def password_set(self) -> Coroutine[Any, Any, None]:
        return self.store.passwords.set(ANN, "$argon2id$of it", actor=OPERATOR, needs_factor=False)

    @rule()
    @when(lambda self: self.model.exists)
    def change_password(self) -> None:
        self.run(self.password_set())
        self.model.change_password(self.new_password())
        self.everything_is_tried()

    @rule(policy=st.sampled_from(POLICIES))
    def change_policy(self, policy: Policy) -> None:
        self.model.policy = policy

    @rule(added=st.booleans())
    @when(lambda self: self.model.exists)
    def remove_account(self, added: bool) -> None:
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

    # Time

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
        self.run(self.store.sessions.ended([(session.session, self.end_of(session.session))]))
        self.model.left(session, self.hands.at)

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
