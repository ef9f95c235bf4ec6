"""A person signs in: the order of it, beside that of a login (auth.authenticator) and with the same throttle.

    facts → throttle → code → one-time code → exactly one identity question → judge() → one transaction

A mail client has one field; a person has two. The second takes a code of the authenticator, a recovery code, an
enrolment code or a bypass; or the person answers with a passkey in its place. Which of them would be taken shows in
nothing: what does not fit is one refusal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailguard.auth import credential, recovery, throttle, totp
from mailguard.auth.accounts import AccountKind, AccountName, CodeKind
from mailguard.auth.attempt import Factor, Reason, Refused, Step, Verdict
from mailguard.auth.authenticator import CROWDED, LOOKS
from mailguard.auth.entering import Entering
from mailguard.auth.events import Event
from mailguard.auth.names import NameRefused
from mailguard.auth.ports import AuditRow, Crowded, Lost, Reserved, Stake, StoreUnavailable, temporary
from mailguard.auth.question import ask
from mailguard.auth.standing import Proven, SignedIn, Site, standing_of
from mailguard.secret import Secret

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account, OneTimeCode
    from mailguard.auth.attempt import Answer, Origin
    from mailguard.auth.authenticator import Authenticator
    from mailguard.auth.entering import SignInRecords
    from mailguard.auth.passkeys import PasskeyAnswer, PasskeyUse
    from mailguard.auth.ports import Beside, Facts, Identity, Questions, Reservation

_LOST = {Lost.REVOKED: Reason.REVOKED_IN_FLIGHT}  # else another sign-in was faster with the same code
_BY_CODE = {
    CodeKind.RECOVERY: Factor.RECOVERY_CODE,
    CodeKind.ENROLMENT: Factor.ENROLMENT_CODE,
    CodeKind.BYPASS: Factor.BYPASS,
}


@dataclass(frozen=True, slots=True)
class Presented:
    """What a person typed into the form. `second` is empty where the field was left so, and not looked at beside a
    passkey."""

    username: str
    password: Secret
    second: Secret
    passkey: PasskeyAnswer | None = None


@dataclass(frozen=True, slots=True)
class Second:
    """The second field, read. Of the two readings at most one is there."""

    given: bool
    digits: str | None = None  # of an authenticator
    code: Secret | None = None  # a one-time code, normalised

    @classmethod
    def of(cls, typed: Secret) -> Second:
        """Spaces do not matter: authenticators show `123 456`."""
        bare = b"".join(typed.reveal().split())
        digits = bare.decode() if bare.isdigit() and len(bare) in totp.LENGTHS else None
        return cls(bool(bare), digits, recovery.normalise(typed.reveal()))


@dataclass(frozen=True, slots=True)
class Shown:
    """What held of the second field when it was checked."""

    given: bool
    step: Step | None = None
    code: OneTimeCode | None = None
    held: bool = False  # a code that was not looked at: there were too many wrong ones
    passkey: PasskeyUse | None = None
    amiss: Reason | None = None  # of a passkey: why it is not taken


def judge(account: Account | None, answer: Answer, shown: Shown, *, enrolled: bool, creates: bool) -> Factor | Refused:
    """Say by what this person is in, from facts alone. Nothing about the account turns it before a right password."""
    match answer.verdict:
        case Verdict.NO:
            return Refused(Reason.UNKNOWN_ACCOUNT if account is None else Reason.WRONG_PASSWORD)
        case Verdict.UNAVAILABLE:
            return Refused(answer.reason, answer.detail)
    if account is None and not creates:
        return Refused(Reason.UNKNOWN_ACCOUNT, answer.detail)
    if account is not None and account.suspended:
        return Refused(Reason.SUSPENDED)
    if account is not None and account.kind is not AccountKind.PERSON:
        return Refused(Reason.NO_PASSWORD_HERE)
    if shown.step is not None:
        return Factor.CODE
    if shown.amiss is not None:
        return Refused(shown.amiss)
    if shown.passkey is not None:
        return Factor.PASSKEY
    # Recovery codes stand in for a factor that is there, enrolment codes for one that is not yet.
    if shown.code is not None and shown.code.kind is not (CodeKind.ENROLMENT if enrolled else CodeKind.RECOVERY):
        return _BY_CODE[shown.code.kind]
    if shown.given:
        return Refused(Reason.CODES_USED_UP if shown.held else Reason.CODE_WRONG)
    return Refused(Reason.CODE_MISSING) if enrolled else Factor.PASSWORD


@dataclass(frozen=True, slots=True)
class SignIns:
    """What every sign-in is decided with: what logins are decided with, and more."""

    by: Authenticator
    records: SignInRecords
    beside: Beside
    creates: bool  # a name that the identity source vouches for becomes an account

    def attempt(self, presented: Presented, origin: Origin, session: str) -> SignIn:
        """One attempt, to be decided."""
        return SignIn(self, presented, origin, session)


class SignIn:
    """One attempt on its way through the decision. Decide once."""

    def __init__(self, house: SignIns, presented: Presented, origin: Origin, session: str) -> None:
        self._house = house
        self._by = house.by
        self._origin = origin
        self._typed = presented.username
        self._password = credential.read(presented.password).string
        self._passkey = presented.passkey
        self._second = Second.of(presented.second) if self._passkey is None else Second(given=True)
        self._string = self._staked(presented)
        self._row = AuditRow(
            event=Event.SIGN_IN_REFUSED,
            at=house.by.clock.now(),
            origin=origin,
            protocol=Site.PORTAL,
            mechanism="form",
            session=session,
        )
        self.proven: Proven | None = None
        self._locked = False

    def _staked(self, presented: Presented) -> Secret:
        """What the throttle counts. With digits it is the string of a mail client: wrong there, it is spent here. A
        bare password is another: mail may have refused it, and here it leads to the set-up."""
        if self._second.digits is not None:
            return Secret(self._password.reveal() + self._second.digits.encode())
        if self._passkey is not None:
            return Secret(b"\0passkey\0" + self._password.reveal() + b"\0" + self._passkey.string.reveal())
        second = self._second.code or presented.second
        return Secret(b"\0sign-in\0" + self._password.reveal() + b"\0" + second.reveal())

    async def decide(self, identity: Identity) -> SignedIn | Refused:
        """Run the attempt to its end. Committed and recorded when this returns; never raises for trouble of a store."""
        try:
            try:
                name = self._by.naming.canonical(self._typed)
            except NameRefused as refused:
                stake = await self._stake(self._reservation(AccountName(self._typed)))
                why = Refused(Reason.BAD_NAME, str(refused))
                return stake if isinstance(stake, Refused) else await self._refuse(why, stake)
            self._row = replace(self._row, account=name)
            return await self._named(name, identity)
        except StoreUnavailable as trouble:
            return Refused(Reason.RECORDS_UNAVAILABLE, str(trouble))

    async def prove(self, signed: SignedIn, identity: Identity) -> Proven | Refused:
        """Is it the password of whoever is signed in already? It counts like a sign-in, and opens nothing by itself."""
        self._string = Secret(b"\0prove\0" + self._password.reveal())
        self._row = replace(self._row, account=signed.name)
        where = self._origin.network
        try:
            try:
                with self._by.turns.room(signed.name, where):
                    async with self._by.turns.take(signed.name, where):
                        return await self._proven(signed, identity)
            except Crowded:
                return await self._refuse(Refused(Reason.THROTTLED, CROWDED), None)
        except StoreUnavailable as trouble:
            return Refused(Reason.RECORDS_UNAVAILABLE, str(trouble))

    async def _proven(self, signed: SignedIn, identity: Identity) -> Proven | Refused:
        stake = await self._stake(self._reservation(signed.name, self._by.questions, known=True))
        if isinstance(stake, Refused):
            return stake
        answer = await ask(identity, signed.name, self._password)
        if answer.verdict is not Verdict.YES:
            no = answer.verdict is Verdict.NO
            why = Refused(Reason.WRONG_PASSWORD) if no else Refused(answer.reason, answer.detail)
            return await self._refuse(why, stake)
        await self._house.records.right(stake)
        return Proven(signed.account_id, self._password)

    async def _named(self, name: AccountName, identity: Identity) -> SignedIn | Refused:
        if self._second.given and not self._by.clock.trusted():
            # A clock set back would take a bypass that has ended, as it would take old codes of an authenticator.
            return await self._refuse(Refused(Reason.CLOCK_UNTRUSTED), None)
        turns, reservation = self._by.turns, self._reservation(name, self._by.questions)
        said, where = reservation.mark.hex(), self._origin.network
        try:
            with turns.room(name, where):
                async with turns.behind_first(name, said), turns.take(name, where):
                    return await self._in_turn(name, identity, reservation)
        except Crowded:
            return await self._refuse(Refused(Reason.THROTTLED, CROWDED), None)

    async def _in_turn(self, name: AccountName, identity: Identity, reservation: Reservation) -> SignedIn | Refused:
        facts = await self._by.ledger.facts(name, (), (), self._row.at)
        stake = await self._stake(replace(reservation, known=facts.account is not None), facts.account)
        if isinstance(stake, Refused):
            return stake
        shown = await self._shown(facts, compares=stake.compares)
        answer = await ask(identity, name, self._password)
        return await self._conclude(name, facts, shown, answer, stake)

    async def _shown(self, facts: Facts, *, compares: bool) -> Shown:
        """Look at the second field: against the authenticators, or against the one-time codes; or at the passkey. What
        was sent alone says which, so that the time it takes says nothing about the account."""
        second = self._second
        if self._passkey is not None:
            return await self._answered(facts.account, self._passkey)
        if second.digits is not None:
            window = self._by.policies.of(facts.account).window
            for device in facts.devices if compares else ():
                step = totp.step_of(device, second.digits, self._row.at, window)
                if step is not None:
                    return Shown(given=True, step=Step(device, step))
        if second.code is None:
            return Shown(second.given, held=bool(second.digits and facts.devices and not compares))
        return Shown(given=True, code=await self._one_time(facts.account, second.code))

    async def _one_time(self, account: Account | None, typed: Secret) -> OneTimeCode | None:
        usable = await self._house.records.codes(account, self._row.at)
        return await self._house.beside.run(lambda: recovery.find(typed, usable))

    async def _answered(self, account: Account | None, answer: PasskeyAnswer) -> Shown:
        there = await self._house.records.passkeys(account, answer.challenge, self._row.at)
        use = await self._house.beside.run(lambda: answer.find(there.passkeys))
        if use is None:
            return Shown(given=True, amiss=Reason.PASSKEY_WRONG)
        if there.spent:  # said before its count is looked at: who sends a form twice holds no copy of the passkey
            return Shown(given=True, amiss=Reason.CODE_REUSED)
        self._row = replace(self._row, credential=use.passkey.id)
        return Shown(given=True, passkey=use, amiss=None if use.forward else Reason.PASSKEY_CLONED)

    async def _conclude(
        self, name: AccountName, facts: Facts, shown: Shown, answer: Answer, stake: Stake
    ) -> SignedIn | Refused:
        enrolled = facts.enrolled
        # As at a mail client: no first right password makes an account of a name beyond ASCII, or of a second name.
        creates = self._house.creates and name.isascii() and not answer.another
        factor = judge(facts.account, answer, shown, enrolled=enrolled, creates=creates)
        if isinstance(factor, Refused):
            return await self._refuse(factor, stake)
        policy = self._by.policies.of(facts.account, answer.group)
        may_enrol = shown.code is not None and shown.code.may_enrol
        standing = standing_of(factor, facts.account, policy, enrolled=enrolled, may_enrol=may_enrol, now=self._row.at)
        if standing is None:
            # Counted as a wrong one is: whoever guesses would tell the right one by a stake that came back.
            return await self._refuse(Refused(Reason.SECOND_FACTOR_REQUIRED), stake)
        fresh = None
        if shown.code is not None and shown.code.kind is CodeKind.RECOVERY:
            salt = shown.code.salt
            fresh = await self._house.beside.run(lambda: recovery.make(1, salt))
        place = throttle.place(self._by.keyring, name, self._origin.network, self._origin.private)
        device = _device_of(shown)
        used = shown.code.id if shown.code is not None else device
        entered = await self._house.records.enter(
            Entering(
                name=name,
                account_id=facts.account.id if facts.account is not None else None,
                group=answer.group or "",
                factor=factor,
                enrolled=enrolled,
                step=shown.step,
                passkey=shown.passkey,
                code=shown.code,
                instead=fresh.hashes[0] if fresh is not None else b"",
                revision=facts.revision,
                place=place,
                audit=replace(
                    self._row, event=Event.SIGN_IN_GRANTED, factor=factor, credential=used, detail=standing.value
                ),
                stake=stake,
                store_password=self._password if self._by.seals else None,
            )
        )
        if isinstance(entered, Lost):
            return await self._refuse(Refused(_LOST.get(entered, Reason.CODE_REUSED)), stake)
        self.proven = Proven(entered, self._password)
        return SignedIn(
            name=name,
            account_id=entered,
            standing=standing,
            factor=factor,
            device=device,
            revision=facts.revision,
            at=self._row.at,
            until=shown.code.expires_at if shown.code is not None and factor is Factor.BYPASS else None,
            recovery_code=fresh.codes[0] if fresh is not None else None,
        )

    def _reservation(
        self, name: AccountName, questions: Questions | None = None, *, known: bool = False
    ) -> Reservation:
        return throttle.reservation(self._by.keyring, name, self._origin, self._string, questions, known=known)

    async def _stake(self, reservation: Reservation, account: Account | None = None) -> Stake | Refused:
        for _ in range(LOOKS):
            stake = await self._by.ledger.reserve(reservation, self._row.at)
            if stake.state is Reserved.LOCKED and not reservation.unlocks and await self._recovers(account):
                self._locked, reservation = True, replace(reservation, unlocks=True)
            elif stake.state in throttle.HELD:
                return await self._refuse(Refused(throttle.HELD[stake.state]), None)
            elif stake.state is Reserved.BUSY:
                await self._by.turns.rest()
            else:
                return stake
        return await self._refuse(Refused(Reason.THROTTLED), None)

    async def _recovers(self, account: Account | None) -> bool:
        """Does it come with a recovery code? That opens a locked account, and nothing is asked before."""
        if self._second.code is None:
            return False
        code = await self._one_time(account, self._second.code)
        return code is not None and code.kind is CodeKind.RECOVERY

    async def _refuse(self, refused: Refused, stake: Stake | None) -> Refused:
        row = replace(self._row, reason=refused.reason, detail=refused.detail)
        if temporary(refused.reason):
            await self._by.ledger.defer(replace(row, event=Event.SIGN_IN_DEFERRED), stake)
        else:
            await self._by.ledger.refuse(row, stake)
        # The answer at a locked account is the same whatever is right: else it would tell of the recovery code.
        return Refused(Reason.LOCKED) if self._locked else refused


def _device_of(shown: Shown) -> str:
    if shown.passkey is not None:
        return shown.passkey.passkey.id
    return shown.step.device.id if shown.step is not None else ""
