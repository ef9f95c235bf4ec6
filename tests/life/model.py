"""What SECURITY.md promises of one account, as a small model: no hash, no SQL, no transaction, one thing at a time."""

from dataclasses import dataclass, field

import pyotp

from mailguard.auth.accounts import CodeKind
from mailguard.auth.attempt import Admission, Factor, MailProtocol, Origin
from mailguard.auth.policy import Policy
from mailguard.auth.standing import SignedIn, Standing
from mailguard.config.choices import TwoFactor

JOINS_WITHIN = 120.0
PERMIT_LASTS = 60.0
DAY = 24 * 3600.0
GUESSES = 10  # distinct wrong strings after which an account's owner may have to wait


@dataclass
class Device:
    """An authenticator."""

    id: str
    seed: str
    created: float
    confirmed: bool = False
    last_step: int = 0

    def shows(self, step: int) -> str:
        return pyotp.TOTP(self.seed).at(step * 30)


@dataclass
class AppPassword:
    id: str
    secret: str
    protocols: frozenset[MailProtocol]
    network: str  # "" for any
    expires: float | None
    revoked: bool = False
    told: bool = False  # that it has run out
    gone: bool = False  # with its account


@dataclass
class Code:
    """A one-time code."""

    text: str
    kind: CodeKind
    expires: float | None = None
    may_enrol: bool = False
    spent: bool = False


@dataclass
class Opened:
    """A session, or rather what it stands on."""

    admission: Admission
    session: str
    at: float
    fallen: bool = False


@dataclass
class Grant:
    id: str
    string: str
    device: str
    networks: list[str]
    opened: float
    until: float
    idle: float | None
    idle_since: float
    single: bool = False
    ended: bool = False


@dataclass
class Signed:
    signed: SignedIn
    fallen: bool = False


@dataclass
class Model:
    """The account, and everybody's way into it."""

    password: str
    exists: bool = True
    suspended: bool = False
    factor_required: bool = False
    policy: Policy = field(default_factory=Policy)
    devices: list[Device] = field(default_factory=list)
    passkeys: list[str] = field(default_factory=list)  # ids: factors that no string can show
    app_passwords: list[AppPassword] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    signed: list[Signed] = field(default_factory=list)
    counted: set[tuple[str, int]] = field(default_factory=set)  # every step of every authenticator that ever counted
    wrong: set[str] = field(default_factory=set)  # strings that the throttle may know

    @property
    def confirmed(self) -> list[Device]:
        return [device for device in self.devices if device.confirmed]

    @property
    def enrolled(self) -> bool:
        return bool(self.confirmed or self.passkeys)

    @property
    def demands_factor(self) -> bool:
        return self.policy.two_factor is TwoFactor.ENFORCE or (self.exists and self.factor_required)

    # What gets in

    def by_app_password(self, it: AppPassword, origin: Origin, protocol: MailProtocol, now: float) -> bool:
        lives = not (it.gone or it.revoked or self.suspended) and (it.expires is None or now < it.expires)
        return lives and protocol in it.protocols and it.network in ("", origin.network)

    def by_string(self, string: str, origin: Origin, now: float) -> Factor | None:
        """By what a password field lets its owner in that holds no app password."""
        if self.suspended:
            return None
        if (grant := self.grant_of(string, now)) is not None:
            limit = self.policy.grant_limit
            allowed = grant.single or (limit is not None and now < grant.opened + limit)
            holds = self.policy.codes_in_mail_clients and allowed and self.reaches(grant, origin, now)
            return Factor.GRANT if holds else None
        if not self.enrolled:
            return Factor.PASSWORD if string == self.password and not self.demands_factor else None
        counts = string[:-6] == self.password and self.step_of(string[-6:], now) is not None
        return Factor.CODE if counts and self.policy.codes_in_mail_clients else None

    def by_form(self, password: str, second: str, now: float) -> Factor | None:
        """By what a person signs in."""
        if password != self.password or self.suspended:
            return None
        if not second:
            return None if self.enrolled or self.demands_factor else Factor.PASSWORD
        if second.isdigit():
            return Factor.CODE if self.step_of(second, now) is not None else None
        code = self.code(second)
        if code is None or code.spent or (code.expires is not None and now >= code.expires):
            return None
        match code.kind:
            case CodeKind.RECOVERY:
                return Factor.RECOVERY_CODE if self.enrolled else None
            case CodeKind.ENROLMENT:
                return None if self.enrolled else Factor.ENROLMENT_CODE
            case CodeKind.BYPASS:
                return Factor.BYPASS

    def standing(self, factor: Factor, second: str) -> Standing:
        match factor:
            case Factor.CODE | Factor.RECOVERY_CODE:
                return Standing.FULL
            case Factor.BYPASS:
                code = self.code(second)
                if code is None or not code.may_enrol:
                    return Standing.BYPASS
                return Standing.FULL if self.enrolled else Standing.ENROLS
            case Factor.ENROLMENT_CODE:
                return Standing.ENROLS
            case _:
                return Standing.ENROLS

    def code(self, text: str) -> Code | None:
        return next((code for code in self.codes if code.text == text), None)

    def step_of(self, code: str, now: float) -> tuple[Device, int] | None:
        """The step that a code would use up: the current one or the one before, later than any that counted."""
        for device in self.confirmed:
            for step in (int(now) // 30, int(now) // 30 - 1):
                if device.shows(step) == code and step > device.last_step:
                    return device, step
        return None

    def grant_of(self, string: str, now: float) -> Grant | None:
        return next((grant for grant in self.grants if grant.string == string and self.lives(grant, now)), None)

    def lives(self, grant: Grant, now: float) -> bool:
        kept = grant.idle is None or now < grant.idle_since + grant.idle or bool(self.sessions_of(grant))
        return not grant.ended and now < grant.until and kept

    def sessions_of(self, grant: Grant) -> list[Opened]:
        return [each for each in self.opened if each.admission.credential == grant.id and not each.fallen]

    @staticmethod
    def reaches(grant: Grant, origin: Origin, now: float) -> bool:
        if origin.network in grant.networks:
            return True
        other_family = (":" in grant.networks[0]) != (":" in origin.network)
        return not grant.single and other_family and len(grant.networks) == 1 and now < grant.opened + JOINS_WITHIN

    def must_wait(self, key: str) -> bool:
        """Whether the throttle may stand in the way: this string was refused before, or many were."""
        return key in self.wrong or len(self.wrong) >= GUESSES

    # What came of it

    def code_counted(self, code: str, now: float) -> tuple[Device, int]:
        used = self.step_of(code, now)
        assert used is not None, "a code counts once"
        device, step = used
        assert (device.id, step) not in self.counted, "a code counts once"
        self.counted.add((device.id, step))
        device.last_step = step
        return used

    def let_in(self, string: str, origin: Origin, now: float, admission: Admission, session: str, *, leg: bool) -> None:
        """A login was granted; `leg`: and the store let it in as well."""
        self.exists = True
        self.wrong.discard(string)
        if admission.factor is Factor.CODE:
            device, _ = self.code_counted(string[-6:], now)
            limit = self.policy.grant_limit
            if limit is not None:
                until, idle = now + limit, self.policy.grant_idle
                assert admission.credential, "a grant was opened"
                self.grants.append(
                    Grant(admission.credential, string, device.id, [origin.network], now, until, idle, now)
                )
            elif not leg:
                self.leave_permit(string, device.id, origin, now, now + PERMIT_LASTS)
            self.make_room(admission.credential)
        elif admission.factor is Factor.GRANT:
            grant = self.grant_of(string, now)
            assert grant is not None
            assert grant.single or grant.id == admission.credential
            self.make_room(admission.credential)
            if grant.single:
                grant.ended = True
                if not leg:
                    self.leave_permit(string, grant.device, origin, now, grant.until)
            else:
                grant.idle_since = now
                if origin.network not in grant.networks:
                    grant.networks.append(origin.network)
        if leg:
            self.opened.append(Opened(admission, session, now))

    def leave_permit(self, string: str, device: str, origin: Origin, now: float, until: float) -> None:
        permit = Grant(f"permit {string}", string, device, [origin.network], now, until, None, now, single=True)
        self.grants.append(permit)

    def make_room(self, credential: str) -> None:
        """Another session under a grant: at its cap those that are open longest fall."""
        under = [each for each in self.opened if each.admission.credential == credential and not each.fallen]
        under.sort(key=lambda each: (each.at, each.session))
        if credential:
            for each in under[: max(0, len(under) + 1 - self.policy.grant_connections)]:
                each.fallen = True

    def person_in(self, second: str, now: float, signed: SignedIn, fresh: str) -> None:
        self.exists = True
        if signed.factor is Factor.CODE:
            self.code_counted(second, now)
        code = self.code(second)
        if code is not None and not second.isdigit():
            assert not code.spent, "a one-time code is used once"
            code.spent = True
            if code.kind is CodeKind.RECOVERY:
                self.codes.append(Code(fresh, CodeKind.RECOVERY))
        self.signed.append(Signed(signed))

    # What ends what

    def suspend(self) -> None:
        self.suspended = True
        self.end_everything()

    def resume(self) -> None:
        self.suspended = False
        self.wrong.clear()

    def reset(self, *, app_passwords_too: bool, factor_required: bool) -> None:
        self.devices.clear()
        self.passkeys.clear()
        self.factor_required = factor_required
        self.withdraw(*CodeKind)
        self.wrong.clear()
        self.end_everything()
        if app_passwords_too:
            for each in self.app_passwords:
                each.revoked = True

    def remove(self) -> None:
        self.exists = self.suspended = self.factor_required = False
        self.devices.clear()
        self.passkeys.clear()
        self.end_everything()
        self.codes.clear()
        self.grants.clear()
        for each in self.app_passwords:
            each.gone = True

    def end_everything(self) -> None:
        for grant in self.grants:
            grant.ended = True
        for session in self.opened:
            session.fallen = True
        for signed in self.signed:
            signed.fallen = True

    def change_password(self, new: str) -> None:
        self.password = new
        self.wrong.clear()
        for grant in self.grants:
            grant.ended = True
        for each in self.opened:
            each.fallen |= each.admission.factor is not Factor.APP_PASSWORD
        for signed in self.signed:
            signed.fallen = True

    def confirm(self, device: Device, step: int) -> None:
        device.confirmed, device.last_step = True, step
        self.counted.add((device.id, step))
        self.bound()

    def bound(self) -> None:
        """A factor counts from now on."""
        self.factor_required = False
        self.withdraw(CodeKind.ENROLMENT)
        self.wrong.clear()
        for each in self.opened:
            each.fallen |= each.admission.factor is Factor.PASSWORD

    def unbind(self, device: Device) -> None:
        self.devices.remove(device)
        for grant in self.grants:
            grant.ended |= grant.device == device.id
        for each in self.opened:
            each.fallen |= each.admission.device == device.id
        for signed in self.signed:
            signed.fallen |= signed.signed.device == device.id
        self.unbound()

    def unbound(self) -> None:
        """A factor is gone."""
        self.wrong.clear()
        if not self.enrolled:
            self.withdraw(CodeKind.RECOVERY)

    def revoke(self, credential: str) -> None:
        """An app password or a grant."""
        for app_password in self.app_passwords:
            app_password.revoked |= app_password.id == credential
        for grant in self.grants:
            grant.ended |= grant.id == credential
        for each in self.opened:
            each.fallen |= each.admission.credential == credential

    def withdraw(self, *kinds: CodeKind) -> None:
        for code in self.codes:
            code.spent |= code.kind in kinds

    def left(self, session: Opened, now: float) -> None:
        self.opened.remove(session)
        for grant in self.grants:
            if grant.id == session.admission.credential and not self.sessions_of(grant):
                grant.idle_since = now

    def time_ends(self, now: float) -> None:
        """What a worker's jobs do when they come round."""
        self.devices = [each for each in self.devices if each.confirmed or each.created >= now - DAY]
        for grant in self.grants:
            if not grant.ended and not self.lives(grant, now):
                self.revoke(grant.id)
        for each in self.app_passwords:
            if each.expires is not None and each.expires <= now and not (each.told or each.revoked or each.gone):
                each.told = True
                for session in self.opened:
                    session.fallen |= session.admission.credential == each.id
