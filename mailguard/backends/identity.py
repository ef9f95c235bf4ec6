"""Ask the mail store whether a password is the user's, by logging in with it."""

from __future__ import annotations

from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Answer, Reason, Verdict
from mailguard.backends.dial import TIMEOUT, open_leg
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import own
from mailguard.backends.target import Caller, Target
from mailguard.secret import Secret


async def ask(
    target: Target, name: AccountName, password: Secret, caller: Caller, *, timeout: float = TIMEOUT
) -> Answer:
    """Is this the user's password? One login, ended at once; trouble of the store is an answer, not an exception."""
    try:
        leg = await open_leg(target, own(target, name, password), caller, timeout=timeout)
    except BackendFailure as failure:
        return answer(failure)
    leg.abort()
    return Answer(Verdict.YES)


def answer(failure: BackendFailure) -> Answer:
    """What a failed login with the user's own password says about the password."""
    match failure.kind:
        case FailureKind.REFUSED:
            return Answer(Verdict.NO, detail=failure.text)
        case FailureKind.UNSAFE:
            return Answer(Verdict.UNAVAILABLE, Reason.BACKEND_UNSAFE, failure.text)
        case _:
            return Answer(Verdict.UNAVAILABLE, Reason.BACKEND_UNAVAILABLE, failure.text)
