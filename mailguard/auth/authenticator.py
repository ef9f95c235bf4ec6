"""The order of a login: load facts through ports, check, decide, commit, record."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailguard.auth import credential, drift, throttle, totp
from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import (
    Admission,
    Answer,
    CodeReading,
    Factor,
    Granted,
    LoginForm,
    Proof,
    Reason,
    Refused,
    Step,
    Verdict,
)
from mailguard.auth.decision import Door, barred, decide
from mailguard.auth.events import Event
from mailguard.auth.grants import Reach, reach
from mailguard.auth.names import NameRefused
from mailguard.auth.opening import Opening
from mailguard.auth.ports import (
    Asked,
    AuditRow,
    Clock,
    Crowded,
    Entry,
    Facts,
    Identity,
    Ledger,
    Lost,
    Permit,
    Questions,
    Reserved,
    Stake,
    StoreUnavailable,
    Winning,
    temporary,
)
from mailguard.auth.question import ask
from mailguard.auth.reading import read_code

if TYPE_CHECKING:
    from mailguard.auth.accounts import AppPassword, Grant, KeyedHash
    from mailguard.auth.attempt import LoginAttempt, Origin
    from mailguard.auth.names import Naming
    from mailguard.auth.policy import Policies, Policy
    from mailguard.auth.ports import Reservation, Turns
    from mailguard.keyring import Keyring
    from mailguard.secret import Secret

PERMIT_SECONDS = 60.0
CROWDED = "too many logins that are not decided yet"
LOOKS = 100  # with a rest of a tenth of a second between, for questions in flight to be answered

_LOST = {
    Lost.STEP_USED: Reason.CODE_REUSED,
    Lost.ELSEWHERE: Reason.REPLAY,
    Lost.PERMIT_USED: Reason.CODE_REUSED,
    Lost.REVOKED: Reason.REVOKED_IN_FLIGHT,
}


@dataclass(frozen=True, slots=True)
class Authenticator:
    """What every login is decided with. Frozen: a reload of the policy makes a new one."""

    ledger: Ledger
    clock: Clock
    keyring: Keyring
    policies: Policies
    naming: Naming
    turns: Turns
    questions: Questions
    daily: bool = False  # logins by app password are recorded by the day
    seals: bool = False  # some leg opens with the user's own password: what proves right goes into the vault

    def login(self, attempt: LoginAttempt, door: Door, origin: Origin, session: str) -> Login:
        """One attempt, to be decided."""
        return Login(self, attempt, door, origin, session)


class Login:
    """One attempt on its way through the decision. Decide once; then report how the leg went."""

    def __init__(self, by: Authenticator, attempt: LoginAttempt, door: Door, origin: Origin, session: str) -> None:
        self._by = by
        self._door = door
        self._origin = origin
        self._offered = credential.read(attempt.secret)
        self._typed = attempt.username
        self._permit: Permit | None = None
        self._admitted: Admission | None = None
        self._proven: Secret | None = None
        self._row = AuditRow(
            event=Event.LOGIN_REFUSED,
            at=by.clock.now(),
            origin=origin,
            protocol=door.protocol,
            mechanism=attempt.mechanism,
            session=session,
        )
        self.name: AccountName | None = None
        self.counted = False  # it was a wrong secret that had not come before

    async def decide(self, identity: Asked) -> Admission | Refused:
        """Run the attempt to its end. Committed and recorded when this returns; never raises for trouble of a store."""
        try:
            try:
                self.name = self._by.naming.canonical(self._typed)
            except NameRefused as refused:
                return await self._nameless(Refused(Reason.BAD_NAME, str(refused)))
            return await self._named(self.name, identity)
        except StoreUnavailable as trouble:
            return Refused(Reason.RECORDS_UNAVAILABLE, str(trouble))

    async def _nameless(self, refused: Refused) -> Refused:
        """A name that no account can have takes the same way through the throttle as any other."""
        typed = AccountName(self._typed)
        stake = await self._stake(throttle.reservation(self._by.keyring, typed, self._origin, self._offered.string))
        return stake if isinstance(stake, Refused) else await self._refuse(refused, stake)

    async def _named(self, name: AccountName, identity: Asked) -> Admission | Refused:
        by = self._by
        facts = await self._facts(name)
        if facts.app_password is not None:
            person = facts.holder.name if facts.holder is not None else ""
            self._row = replace(self._row, account=name, credential=facts.app_password.id, person=person)
            return await self._by_app_password(name, facts, facts.app_password, identity)
        self._row = replace(self._row, account=name)
        if self._offered.may_hold_code and not by.clock.trusted():
            # Asked of the string alone, so that the answer tells nothing about the account.
            return await self._refuse(Refused(Reason.CLOCK_UNTRUSTED), None)
        if facts.grant is not None and self._reached(facts.grant):
            return await self._under_grant(name, facts, facts.grant, identity)
        string, known = self._offered.string, facts.account is not None
        reservation = throttle.reservation(by.keyring, name, self._origin, string, by.questions, known=known)
        # The same string on several connections is one question: its answer marks it as wrong, or opens a grant.
        said = reservation.mark.hex()
        where = self._origin.network
        try:
            with by.turns.room(name, where):
                async with by.turns.behind_first(name, said) as passed, by.turns.take(name, where):
                    outcome = await self._in_turn(name, facts, identity, reservation)
                    if isinstance(outcome, Admission) or temporary(outcome.reason):
                        passed()
                    return outcome
        except Crowded:
            return await self._refuse(Refused(Reason.THROTTLED, CROWDED), None)

    async def _in_turn(
        self, name: AccountName, facts: Facts, identity: Identity, reservation: Reservation
    ) -> Admission | Refused:
        for _ in range(LOOKS):
            if self._offered.may_hold_code:  # what was in flight may have won its step meanwhile
                facts = await self._facts(name)
                if facts.grant is not None and self._reached(facts.grant):
                    return await self._under_grant(name, facts, facts.grant, identity)
                self._row = replace(self._row, credential="" if facts.grant is None else facts.grant.id)
            stake = await self._stake(reservation, Reason.WRONG_REPEATED if facts.grant is None else Reason.REPLAY)
            if isinstance(stake, Refused):
                return stake
            if stake.state is not Reserved.BUSY:
                return await self._by_question(name, facts, identity, stake)
            await self._by.turns.rest()
        return await self._refuse(Refused(Reason.THROTTLED), None)

    async def _by_app_password(
        self, name: AccountName, facts: Facts, app_password: AppPassword, identity: Asked
    ) -> Admission | Refused:
        proof = Proof(app_password=app_password, holder=facts.holder)
        opens = self._door.form is LoginForm.OWN and app_password.public is not None
        here, offered = (self._door, self._origin), self._offered.app_password
        barrier = barred(facts.account, app_password, facts.holder, *here, now=self._row.at)
        if opens and offered is not None and barrier is None:
            opening = Opening(self._by.ledger, self._by.clock, name, app_password, self._row)
            # All devices of an account stand on one password. Should the store have a new one, the first to come is
            # to find that out for all: a directory behind the store would lock its account after so many wrong ones.
            async with self._by.turns.behind_first(name, "vault") as passed:
                answer = await opening.ask(identity, offered)
                if answer.verdict is Verdict.YES:
                    passed()
            proof = replace(proof, answer=answer)
        return await self._conclude(name, facts, proof, None)

    async def _facts(self, name: AccountName) -> Facts:
        keyring, offered = self._by.keyring, self._offered
        app_passwords, strings = offered.app_password_digests(keyring), offered.string_digests(keyring, name)
        return await self._by.ledger.facts(name, app_passwords, strings, self._row.at, self._origin.private)

    async def _by_question(
        self, name: AccountName, facts: Facts, identity: Identity, stake: Stake
    ) -> Admission | Refused:
        if facts.grant is not None:
            return await self._from_elsewhere(name, facts, facts.grant, identity, stake)
        window = self._by.policies.of(facts.account).window
        reading, step, password = read_code(
            self._offered, facts.devices, self._row.at, window, passkeys=facts.passkeys, compares=stake.compares
        )
        # Before the answer: it costs time.
        ahead = drift.of(facts.devices, self._offered, self._row.at) if reading is CodeReading.WRONG else None
        # Asked of names without an account too, where none is made: else the time that the store takes, or its trouble,
        # would tell which names have one.
        answer = await ask(identity, name, password)
        if self._by.seals and answer.verdict is Verdict.YES:
            self._proven = password
        return await self._conclude(name, facts, Proof(code=reading, step=step, drift=ahead, answer=answer), stake)

    async def _under_grant(
        self, name: AccountName, facts: Facts, grant: Grant, identity: Identity
    ) -> Admission | Refused:
        self._row = replace(self._row, credential=grant.id)
        if self._door.form is LoginForm.MASTER:
            return await self._conclude(name, facts, Proof(grant=grant), None)
        answer = await self._ask_without_code(name, facts, grant, identity)
        proof = Proof(grant=grant, answer=answer)
        if answer.verdict is Verdict.NO:
            refused = Refused(Reason.WRONG_PASSWORD, "the store no longer takes the password of this grant")
            await self._by.ledger.end_grant(grant.id, self._refusal(refused))
            return refused
        return await self._conclude(name, facts, proof, None)

    async def _from_elsewhere(
        self, name: AccountName, facts: Facts, grant: Grant, identity: Identity, stake: Stake
    ) -> Admission | Refused:
        """A replay. It is staked and asked about like any wrong string: who phished it must not find out that it was
        right by what is throttled, or by the store's trouble."""
        answer = await self._ask_without_code(name, facts, grant, identity)
        return await self._conclude(name, facts, Proof(grant=grant, answer=answer), stake)

    async def _ask_without_code(self, name: AccountName, facts: Facts, grant: Grant, identity: Identity) -> Answer:
        digits = next((d.digits for d in facts.devices if d.id == grant.device_id), totp.USUAL_DIGITS)
        split = self._offered.split(digits)
        return Answer(Verdict.NO) if split is None else await ask(identity, name, split[0])

    def _reached(self, grant: Grant) -> bool:
        return reach(grant, self._origin, self._row.at) is not Reach.ELSEWHERE

    async def _stake(self, reservation: Reservation, repeated: Reason = Reason.WRONG_REPEATED) -> Stake | Refused:
        stake = await self._by.ledger.reserve(reservation, self._row.at)
        if stake.state is Reserved.REPEATED:
            return await self._refuse(Refused(repeated), None)
        return await self._refuse(Refused(throttle.HELD[stake.state]), None) if stake.state in throttle.HELD else stake

    async def _conclude(
        self, name: AccountName, facts: Facts, proof: Proof, stake: Stake | None
    ) -> Admission | Refused:
        told = proof.answer.group if proof.answer is not None else None
        policy = self._policy(facts, told)
        # A store that compares names without their accents opens ann's mailbox for ánn: no first right password makes
        # an account of such a name, an administrator does. Nor where a directory may know her by two names: the second
        # would be an account without the first one's authenticator.
        another = proof.answer is not None and proof.answer.another
        door = self._door if name.isascii() and not another else replace(self._door, creates=False)
        decision = decide(facts.account, proof, door, self._origin, policy=policy, now=self._row.at)
        if isinstance(decision, Refused):
            return await self._refuse(decision, stake)
        entry = self._entry(name, facts, proof, decision, stake, policy=policy)
        match await self._by.ledger.admit(entry):
            case Lost() as lost:
                if lost is Lost.ELSEWHERE:
                    await self._name_grant(name)
                return await self._refuse(Refused(_LOST[lost]), stake)
            case admission:
                self._admitted = admission
                self._permit = self._permit_after(admission, entry, proof)
                group = told if told is not None else facts.account.group if facts.account is not None else ""
                return replace(admission, account=facts.account, group=group)

    def _policy(self, facts: Facts, told: str | None) -> Policy:
        return self._by.policies.of(facts.account, told).where(self._origin, crowded=facts.crowded)

    async def _name_grant(self, name: AccountName) -> None:
        """A replay that was in flight while its string won elsewhere: the record says which grant it was."""
        grant = (await self._facts(name)).grant
        self._row = replace(self._row, credential="" if grant is None else grant.id)

    def _entry(
        self, name: AccountName, facts: Facts, proof: Proof, granted: Granted, stake: Stake | None, *, policy: Policy
    ) -> Entry:
        credential, device, permit = "", "", ""
        if proof.app_password is not None:
            credential = proof.app_password.id
        elif proof.grant is not None:
            credential, device = proof.grant.id, proof.grant.device_id
            permit = proof.grant.id if proof.grant.single else ""
        elif granted.step is not None:
            device = granted.step.device.id
        return Entry(
            name=name,
            account_id=facts.account.id if facts.account is not None else None,
            factor=granted.factor,
            credential=credential,
            device=device,
            revision=facts.revision,
            audit=replace(
                self._row,
                event=Event.LOGIN_GRANTED,
                factor=granted.factor,
                credential=credential or device,
                reason=granted.watched or "",
                detail=granted.detail,
                daily=self._by.daily and granted.factor is Factor.APP_PASSWORD,
            ),
            app_password=proof.app_password,
            person=proof.holder.id if proof.holder is not None else "",
            stake=stake,
            place=throttle.place(self._by.keyring, name, self._origin.network, self._origin.private),
            winning=None if granted.step is None else self._winning(name, policy, granted.step),
            permit=permit,
            first_use=proof.app_password is not None and proof.app_password.last_used_at is None,
            group=proof.answer.group or "" if proof.answer is not None else "",
            store_password=self._proven,
            connections=policy.grant_connections,
            digest=self._app_password() if facts.rehash else None,
        )

    def _winning(self, name: AccountName, policy: Policy, step: Step) -> Winning:
        return Winning(
            device_id=step.device.id,
            step=step.step,
            string=self._string(name),
            network=self._origin.network,
            grant_until=None if policy.grant_limit is None else self._row.at + policy.grant_limit,
            grant_idle=policy.grant_idle,
        )

    def _app_password(self) -> KeyedHash:
        return self._offered.app_password_digests(self._by.keyring)[0]

    def _string(self, name: AccountName) -> KeyedHash:
        return self._offered.string_digests(self._by.keyring, name)[0]

    def _permit_after(self, outcome: Admission, entry: Entry, proof: Proof) -> Permit | None:
        """What to leave behind should the leg fail, where a code opens one session only and no grant stays."""
        if entry.winning is not None and entry.winning.grant_until is None:
            until = self._row.at + PERMIT_SECONDS
        elif proof.grant is not None and proof.grant.single:
            until = proof.grant.until
        else:
            return None
        string = self._string(outcome.name)
        return Permit(outcome.account_id, outcome.device, string, self._origin.network, until, outcome.revision)

    def _refusal(self, refused: Refused) -> AuditRow:
        event = Event.LOGIN_DEFERRED if temporary(refused.reason) else Event.LOGIN_REFUSED
        row = self._row
        if self._admitted is not None:  # and yet not let in
            row = replace(row, factor=self._admitted.factor, credential=self._admitted.credential)
        return replace(row, event=event, reason=refused.reason, detail=refused.detail)

    async def _refuse(self, refused: Refused, stake: Stake | None) -> Refused:
        row = self._refusal(refused)
        if row.event is Event.LOGIN_DEFERRED:
            await self._by.ledger.defer(row, stake)
        else:
            await self._by.ledger.refuse(row, stake)
            self.counted = stake is not None and stake.state is Reserved.NEW
        return refused

    async def defer(self, refused: Refused) -> Refused:
        """The store cannot be entered, or not now. Nothing is burnt: the same string works again."""
        try:
            row = replace(self._refusal(refused), at=self._by.clock.now())
            await self._by.ledger.defer(row, None, self._permit)
        except StoreUnavailable as trouble:
            return Refused(refused.reason, f"{refused.detail}; and {trouble}")
        return refused

    async def still_stands(self, admission: Admission, policies: Policies, followed: int) -> Refused | None:
        """Asked once the session is registered: was anything revoked that this login stands on, since its facts? Do
        the policies of now, that may have come into force meanwhile, still allow it?

        `followed` is the last revocation that registered sessions were judged by. What comes after it finds the session
        registered, so that the records need only be asked where something was followed that the facts do not know of.
        """
        try:
            allowed = policies.still_allow(admission, self._origin, self._by.clock.now())
            if allowed and not (followed > admission.revision and await self._revoked(admission)):
                return None
            refused = Refused(Reason.REVOKED_IN_FLIGHT)
            await self._by.ledger.record(replace(self._refusal(refused), at=self._by.clock.now()))
        except StoreUnavailable as trouble:
            return Refused(Reason.RECORDS_UNAVAILABLE, str(trouble))
        return refused

    async def _revoked(self, admission: Admission) -> bool:
        return await self._by.ledger.revoked_since(admission.revision, admission, self._row.session)


def new_session_id() -> str:
    """A session's name in logs, the record and the store's own log (ID `x-session-id`)."""
    return "mg-" + secrets.token_hex(6)
