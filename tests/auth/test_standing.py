"""What a sign-in may do."""

import pytest

from mailguard.auth.accounts import Account, AccountName
from mailguard.auth.attempt import Factor
from mailguard.auth.policy import Policy
from mailguard.auth.roles import Role
from mailguard.auth.standing import FRESH_SECONDS, SignedIn, Standing, standing_of
from mailguard.config.choices import FirstEnrolment, TwoFactor

ANN = Account("a1", AccountName("ann@example.org"))
RESET = Account("a1", AccountName("ann@example.org"), factor_required=True)
CHIEF = Account("a1", AccountName("ann@example.org"), role=Role.OWNER)
OPTIONAL, CLAIM = Policy(), Policy(first_enrolment=FirstEnrolment.CLAIM)
ENFORCE = Policy(two_factor=TwoFactor.ENFORCE)


@pytest.mark.parametrize(
    ("account", "policy", "standing"),
    [
        (ANN, OPTIONAL, Standing.ENROLS),
        (None, OPTIONAL, Standing.ENROLS),
        (ANN, CLAIM, None),
        (None, CLAIM, None),
        (ANN, ENFORCE, None),
        (None, ENFORCE, None),
        (RESET, OPTIONAL, None),
        (CHIEF, OPTIONAL, None),
    ],
)
def test_a_bare_password_enrols_only_where_no_factor_is_demanded(
    account: Account | None, policy: Policy, standing: Standing | None
) -> None:
    assert standing_of(Factor.PASSWORD, account, policy, enrolled=False, may_enrol=False, now=0.0) is standing


@pytest.mark.parametrize("policy", [OPTIONAL, CLAIM, ENFORCE])
@pytest.mark.parametrize(
    ("factor", "enrolled", "may_enrol", "standing"),
    [
        (Factor.CODE, True, False, Standing.FULL),
        (Factor.RECOVERY_CODE, True, False, Standing.FULL),
        (Factor.ENROLMENT_CODE, False, True, Standing.ENROLS),
        (Factor.BYPASS, True, False, Standing.BYPASS),
        (Factor.BYPASS, False, False, Standing.BYPASS),
        (Factor.BYPASS, True, True, Standing.FULL),
        (Factor.BYPASS, False, True, Standing.ENROLS),
    ],
)
def test_what_else_was_shown_says_what_may_be_done(
    policy: Policy, factor: Factor, enrolled: bool, may_enrol: bool, standing: Standing
) -> None:
    assert standing_of(factor, ANN, policy, enrolled=enrolled, may_enrol=may_enrol, now=0.0) is standing


def test_a_sign_in_is_fresh_for_five_minutes() -> None:
    signed = SignedIn(AccountName("ann@example.org"), "a", Standing.FULL, Factor.CODE, "", 0, at=1000.0)
    assert [signed.fresh(at) for at in (1000.0, 1000.0 + FRESH_SECONDS - 1, 1000.0 + FRESH_SECONDS)] == [
        True,
        True,
        False,
    ]
    assert not signed.fresh(1000.0 - FRESH_SECONDS), "a clock set back makes nothing fresh again"
