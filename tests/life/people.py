"""What people do to their own credentials once they signed in."""

import base64
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from mailguard import config
from mailguard.auth import recovery
from mailguard.auth.accounts import AppPassword, CodeKind
from mailguard.auth.attempt import MailProtocol
from mailguard.auth.passwords import grouped
from mailguard.auth.policy import Policies
from mailguard.auth.standing import Standing
from mailguard.desk import app_passwords, authenticators, recovery_codes
from mailguard.desk.desk import Desk
from mailguard.secret import Secret
from mailguard.store import ChangeRefused
from tests.life.attempts import Attempts
from tests.life.machine import T, any_, when
from tests.life.model import AppPassword as Known
from tests.life.model import Code as OneTime
from tests.life.model import Device, Signed


class People(Attempts):
    """What people do to their own credentials once they signed in."""

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
        may = may and not (it.signed.standing is Standing.ENROLS and self.model.enrolled)
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
        left = [*self.model.passkeys, *(each.id for each in self.model.confirmed if each is not device)]
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

    @rule(which=any_)
    @when(lambda self: self.model.signed)
    def make_recovery_codes(self, which: int) -> None:
        it = self.a_signed(which)
        may = self.may(it, Standing.FULL) and self.model.enrolled
        made = self.done(recovery_codes.issue(self.desk(), it.signed), may=may)
        if made is not None:
            self.coded(CodeKind.RECOVERY, made)

    def issued(self, row: AppPassword, secret: Secret) -> None:
        text = grouped(secret)
        self.secrets |= {text, secret.reveal().decode()}
        network = str(row.networks[0]) if row.networks else ""
        self.model.app_passwords.append(Known(row.id, text, row.protocols, network, row.expires_at))

    def coded(self, kind: CodeKind, codes: tuple[Secret, ...], **more: Any) -> None:
        self.model.withdraw(kind)
        for code in codes:
            self.secrets |= {recovery.grouped(code), code.reveal().decode()}
            self.model.codes.append(OneTime(recovery.grouped(code), kind, **more))
