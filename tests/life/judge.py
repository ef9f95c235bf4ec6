"""Compares what came of an attempt with what the model says, and takes it over."""

from mailguard.auth.attempt import Factor, Reason
from mailguard.auth.ports import temporary
from tests.life.guards import Came, Try
from tests.life.model import AppPassword, Model

KNOWN_WRONG = (Reason.WRONG_REPEATED, Reason.THROTTLED)
TOLD = (
    Reason.SUSPENDED,
    Reason.REVOKED_IN_FLIGHT,
    Reason.APP_PASSWORD_REVOKED,
    Reason.APP_PASSWORD_EXPIRED,
    Reason.APP_PASSWORD_SCOPE,
)


def judge(model: Model, told: Try, came: Came) -> None:
    """AssertionError where a promise is broken."""
    app_password = next((it for it in model.app_passwords if it.secret == told.typed and not it.gone), None)
    if told.trouble == "full":
        assert came.reason is Reason.RECORDS_UNAVAILABLE
    elif told.second is None and app_password is not None:
        _by_app_password(model, app_password, told, came)
    else:
        _by_password(model, told, came)


def _by_app_password(model: Model, it: AppPassword, told: Try, came: Came) -> None:
    """Neither throttle nor identity source nor clock stands in its way; the dead are told why."""
    if not model.by_app_password(it, told.origin, told.protocol, told.now):
        assert came.reason in TOLD, came
        return
    assert came.admission is not None, came
    assert (came.admission.factor, came.admission.credential) == (Factor.APP_PASSWORD, it.id)
    model.let_in(told.typed, told.origin, told.now, came.admission, came.session, leg=told.leg)


def _by_password(model: Model, told: Try, came: Came) -> None:
    granted = came.admission or came.signed
    expected = _expected(model, told)
    if granted is not None:
        assert granted.factor is expected, (granted, expected)
    elif expected is not None:
        throttled = expected is not Factor.GRANT and model.must_wait(_staked(told))
        assert throttled, (came, expected)
        assert came.reason in KNOWN_WRONG, (came, expected)
    if came.reason is not None and not temporary(came.reason):
        model.wrong.add(_staked(told))
    if came.admission is not None:
        model.let_in(told.typed, told.origin, told.now, came.admission, came.session, leg=told.leg)
    if came.signed is not None:
        standing = model.standing(came.signed.factor, told.second or "")
        assert came.signed.standing is standing, (came, standing)
        model.wrong.discard(_staked(told))
        model.person_in(told.second or "", told.now, came.signed, came.fresh)


def _expected(model: Model, told: Try) -> Factor | None:
    if told.second is None:
        expected = model.by_string(told.typed, told.origin, told.now)
        needs_clock, needs_source = told.typed[-6:].isdigit(), expected is not Factor.GRANT
    else:
        expected = model.by_form(told.typed, told.second, told.now)
        needs_clock, needs_source = bool(told.second), True
    if (told.trouble == "clock" and needs_clock) or (told.trouble == "down" and needs_source):
        return None
    return expected


def _staked(told: Try) -> str:
    """What the throttle knows the attempt by: the string of a mail client, or the form."""
    if told.second is None or told.second.isdigit():
        return told.typed + (told.second or "")
    return f"form {told.typed} {told.second}"
