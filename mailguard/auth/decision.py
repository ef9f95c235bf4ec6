"""The one decision: facts in, Granted or Refused out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailguard.auth import drift
from mailguard.auth.accounts import AccountKind
from mailguard.auth.attempt import (
    Answer,
    CodeReading,
    Decision,
    Factor,
    Granted,
    LoginForm,
    MailProtocol,
    Origin,
    Proof,
    Reason,
    Refused,
    Verdict,
    Watched,
)
from mailguard.auth.grants import Reach, reach
from mailguard.auth.policy import Bare

if TYPE_CHECKING:
    from mailguard.auth.accounts import Account, AppPassword, Grant
    from mailguard.auth.policy import Policy


@dataclass(frozen=True, slots=True)
class Door:
    """Through which a login comes, and what the store behind it wants to hear."""

    protocol: MailProtocol
    form: LoginForm
    creates: bool  # a name that the identity source vouches for becomes an account


def decide(
    account: Account | None, proof: Proof, door: Door, origin: Origin, *, policy: Policy, now: float
) -> Decision:
    """Say whether this login may pass, from facts alone.

    Hashing, the clock and the stores have been asked already: `proof` says what held and holds no secret.
    Order matters: nothing about the account turns the outcome before a right proof.
    """
    if proof.app_password is not None:
        barrier = barred(account, proof.app_password, proof.holder, door, origin, now=now)
        return barrier or _by_app_password(proof.answer, door)
    if proof.grant is not None:
        return _by_grant(account, proof.grant, proof.answer, door, origin, policy=policy, now=now)
    return _by_password(account, proof, door, origin, policy=policy, now=now)


def _by_app_password(answer: Answer | None, door: Door) -> Decision:
    if door.form is LoginForm.OWN:  # the leg itself must open with the password from the vault
        if answer is None:
            return Refused(Reason.APP_PASSWORD_NEEDS_VAULT)
        if answer.verdict is not Verdict.YES:
            return Refused(answer.reason, answer.detail)
    return Granted(Factor.APP_PASSWORD)


def barred(
    account: Account | None, credential: AppPassword, holder: Account | None, door: Door, origin: Origin, *, now: float
) -> Refused | None:
    """Why an app password does not pass here, whatever the store says; None: it does.

    Asked before its vault is opened: what is dead never reaches the store.
    """
    if account is None or credential.account_id != account.id:
        return Refused(Reason.APP_PASSWORD_OF_ANOTHER)
    if account.suspended:
        return Refused(Reason.SUSPENDED)
    if credential.revoked_at is not None:
        return Refused(Reason.APP_PASSWORD_REVOKED)
    if lapsed(credential, now):
        return Refused(Reason.APP_PASSWORD_EXPIRED)
    if account.kind is AccountKind.SHARED and (holder is None or holder.suspended):
        return Refused(Reason.SUSPENDED, "the person who holds this app password is")
    if door.protocol not in credential.protocols:
        return Refused(Reason.APP_PASSWORD_SCOPE, f"not for {door.protocol}")
    if credential.networks and not any(
        origin.address.version == network.version and origin.address in network for network in credential.networks
    ):
        return Refused(Reason.APP_PASSWORD_SCOPE, f"not from {origin.address}")
    return None


def lapsed(credential: AppPassword, now: float) -> bool:
    """Past its fixed end, unused for longer than its idle limit, or never used in its first day."""
    if credential.expires_at is not None and now >= credential.expires_at:
        return True
    return credential.lapses_at is not None and now >= credential.lapses_at


def _by_grant(
    account: Account | None,
    grant: Grant,
    answer: Answer | None,
    door: Door,
    origin: Origin,
    *,
    policy: Policy,
    now: float,
) -> Decision:
    if account is None or grant.account_id != account.id:
        return Refused(Reason.UNKNOWN_ACCOUNT)
    if account.suspended:
        return Refused(Reason.SUSPENDED)
    if reach(grant, origin, now) is Reach.ELSEWHERE:
        if answer is not None and answer.verdict is Verdict.UNAVAILABLE:
            return Refused(answer.reason, answer.detail)
        return Refused(Reason.REPLAY)
    if not policy.codes_in_mail_clients:
        return Refused(Reason.CODES_NOT_ALLOWED)
    if not grant.single and (policy.grant_limit is None or now >= grant.opened_at + policy.grant_limit):
        return Refused(Reason.CODE_REUSED, "opened when the policy allowed more")
    if door.form is LoginForm.OWN:  # the leg itself must open with the password inside the string
        if answer is None or answer.verdict is Verdict.NO:
            return Refused(Reason.WRONG_PASSWORD)
        if answer.verdict is Verdict.UNAVAILABLE:
            return Refused(answer.reason, answer.detail)
    return Granted(Factor.GRANT)


def _by_password(
    account: Account | None, proof: Proof, door: Door, origin: Origin, *, policy: Policy, now: float
) -> Decision:
    if proof.answer is None or proof.answer.verdict is Verdict.NO:
        if proof.code is CodeReading.AMBIGUOUS:
            # Split the other way its password may be right. Called wrong it would be looked at again, at a later step.
            return Refused(Reason.CODE_WRONG, "or the password: the authenticators' codes differ in length")
        return Refused(Reason.UNKNOWN_ACCOUNT if account is None else Reason.WRONG_PASSWORD)
    unavailable = proof.answer.verdict is Verdict.UNAVAILABLE
    trouble = Refused(proof.answer.reason, proof.answer.detail)
    if unavailable and not proof.answer.vouched:
        return trouble
    # Trouble of the leg behind a right password is told to those alone who would have come in: else it tells the others
    # that their password is right.
    decision = _by_right_password(account, proof, door, origin, policy=policy, now=now)
    return trouble if unavailable and isinstance(decision, Granted) else decision


def _by_right_password(
    account: Account | None, proof: Proof, door: Door, origin: Origin, *, policy: Policy, now: float
) -> Decision:
    if account is None:
        if not door.creates:
            return Refused(Reason.UNKNOWN_ACCOUNT, proof.answer.detail if proof.answer is not None else "")
        return _by_bare(account, proof, origin, policy, now)
    if account.suspended:
        return Refused(Reason.SUSPENDED)
    if account.kind is not AccountKind.PERSON:
        return Refused(Reason.NO_PASSWORD_HERE)
    if proof.code is CodeReading.NONE:
        return _by_bare(account, proof, origin, policy, now)
    if proof.code is CodeReading.BARRED:
        return Refused(Reason.PASSKEY_ONLY)
    if proof.code is CodeReading.MISSING:
        return Refused(Reason.CODE_MISSING)
    if proof.code is CodeReading.HELD:
        return Refused(Reason.CODES_USED_UP)
    if proof.code is not CodeReading.RIGHT or proof.step is None:
        return Refused(Reason.CODE_WRONG, drift.said(proof.drift))
    if not policy.codes_in_mail_clients:
        return Refused(Reason.CODES_NOT_ALLOWED)
    return Granted(Factor.CODE, proof.step)


def _by_bare(account: Account | None, proof: Proof, origin: Origin, policy: Policy, now: float) -> Decision:
    """A right password of who has no factor."""
    if proof.answer is not None and proof.answer.short:  # it was chosen beside a factor that is gone by now
        return Refused(Reason.SECOND_FACTOR_REQUIRED, "a password this short must not stand alone")
    match policy.bare(account, origin.address, now):
        case Bare.TRUSTED:
            return Granted(Factor.PASSWORD, watched=Watched.TRUSTED_NETWORK)
        case Bare.WARNED:
            day = policy.enforced_on()
            detail = f"from {day} on" if day else "once two-factor is enforced"
            return Granted(Factor.PASSWORD, watched=Watched.WARNED, detail=detail)
        case Bare.OBSERVED:
            return Granted(Factor.PASSWORD, watched=Watched.WOULD_BE_REFUSED)
        case Bare.PASSES:
            return Granted(Factor.PASSWORD)
        case _:
            return Refused(Reason.SECOND_FACTOR_REQUIRED)
