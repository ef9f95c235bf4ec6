"""decide() over every combination of facts: it never grants without a proof, and says the right reason."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth.accounts import Account, AccountKind, AccountName, AppPassword, Grant, SuspendedBy, TotpDevice
from mailguard.auth.attempt import (
    Admission,
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
    Step,
    Verdict,
    Watched,
)
from mailguard.auth.decision import Door, decide, lapsed
from mailguard.auth.policy import Policies, Policy, TrustedNetwork
from mailguard.auth.roles import Role
from mailguard.config.choices import TwoFactor
from mailguard.secret import Secret

NOW = 1_000_000.0
ANN = Account("a1", AccountName("ann@example.org"))
SUSPENDED = replace(ANN, suspended_by=SuspendedBy.OPERATOR)
HERE, THERE = Origin.of("192.0.2.1", 50111), Origin.of("198.51.100.7", 4000)
SIX = Origin.of("2001:db8::1", 4000)
DOOR = Door(MailProtocol.IMAP, LoginForm.MASTER, creates=True)
OWN = Door(MailProtocol.IMAP, LoginForm.OWN, creates=True)
PHONE = AppPassword("p1", "a1", "phone", frozenset(MailProtocol), created_at=NOW - 100)
GRANT = Grant("g1", "a1", "d1", HERE.network, NOW - 10, NOW + 50)
STEP = Step(TotpDevice("d1", "a1", "app", Secret(b"")), 33)
YES, NO = Answer(Verdict.YES), Answer(Verdict.NO)
SHORT = Answer(Verdict.YES, short=True)
STALE = Answer(Verdict.UNAVAILABLE, Reason.VAULT_STALE, "changed")
DOWN = Answer(Verdict.UNAVAILABLE, Reason.BACKEND_UNAVAILABLE, "connection refused")
VOUCHED = replace(DOWN, vouched=True)


def decided(
    proof: Proof,
    *,
    account: Account | None = ANN,
    door: Door = DOOR,
    origin: Origin = HERE,
    policy: Policy = Policy(),  # noqa: B008
    now: float = NOW,
) -> Decision:
    return decide(account, proof, door, origin, policy=policy, now=now)


@pytest.mark.parametrize(
    ("credential", "account", "door", "reason"),
    [
        pytest.param(PHONE, ANN, DOOR, None, id="passes"),
        pytest.param(PHONE, None, DOOR, Reason.APP_PASSWORD_OF_ANOTHER, id="no such account"),
        pytest.param(replace(PHONE, account_id="b"), ANN, DOOR, Reason.APP_PASSWORD_OF_ANOTHER, id="another's"),
        pytest.param(PHONE, SUSPENDED, DOOR, Reason.SUSPENDED, id="suspended"),
        pytest.param(replace(PHONE, revoked_at=NOW - 1), ANN, DOOR, Reason.APP_PASSWORD_REVOKED, id="revoked"),
        pytest.param(replace(PHONE, expires_at=NOW), ANN, DOOR, Reason.APP_PASSWORD_EXPIRED, id="expired"),
        pytest.param(replace(PHONE, idle=100.0), ANN, DOOR, Reason.APP_PASSWORD_EXPIRED, id="never used"),
        pytest.param(
            replace(PHONE, protocols=frozenset({MailProtocol.SUBMISSION})),
            ANN, DOOR, Reason.APP_PASSWORD_SCOPE, id="protocol",
        ),
        pytest.param(
            replace(PHONE, networks=(ip_network("198.51.100.0/24"), ip_network("2001:db8::/32"))),
            ANN, DOOR, Reason.APP_PASSWORD_SCOPE, id="network",
        ),
        pytest.param(replace(PHONE, networks=(ip_network("192.0.2.0/24"),)), ANN, DOOR, None, id="its network"),
        pytest.param(PHONE, ANN, OWN, Reason.APP_PASSWORD_NEEDS_VAULT, id="own, from before the vault"),
    ],
)  # fmt: skip
def test_an_app_password(credential: AppPassword, account: Account | None, door: Door, reason: Reason | None) -> None:
    decision = decided(Proof(app_password=credential), account=account, door=door)
    if reason is None:
        assert decision == Granted(Factor.APP_PASSWORD)
    else:
        assert isinstance(decision, Refused)
        assert decision.reason is reason


DESK = Account("a1", AccountName("reception@example.org"), AccountKind.SHARED)
SCANNER = Account("a1", AccountName("scanner@example.org"), AccountKind.SERVICE)
HERS = replace(PHONE, person_id="p")
PERSON = Account("p", AccountName("ann@example.org"))


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [
        pytest.param(
            decided(Proof(app_password=HERS, holder=PERSON), account=DESK), Granted(Factor.APP_PASSWORD), id="hers"
        ),
        pytest.param(decided(Proof(app_password=HERS), account=DESK), Reason.SUSPENDED, id="of somebody who is gone"),
        pytest.param(
            decided(Proof(app_password=HERS, holder=replace(SUSPENDED, id="p")), account=DESK),
            Reason.SUSPENDED, id="of somebody suspended",
        ),
        pytest.param(
            decided(Proof(app_password=PHONE), account=SCANNER), Granted(Factor.APP_PASSWORD), id="a service's"
        ),
        pytest.param(decided(Proof(answer=YES), account=DESK), Reason.NO_PASSWORD_HERE, id="shared, right password"),
        pytest.param(decided(Proof(answer=YES), account=SCANNER), Reason.NO_PASSWORD_HERE, id="service, right one"),
        pytest.param(decided(Proof(answer=NO), account=DESK), Reason.WRONG_PASSWORD, id="shared, wrong password"),
        pytest.param(decided(Proof(answer=DOWN), account=DESK), Reason.BACKEND_UNAVAILABLE, id="shared, source down"),
    ],
)  # fmt: skip
def test_what_nobody_signs_in_to_opens_by_app_passwords_alone(decision: Decision, outcome: Granted | Reason) -> None:
    assert (decision.reason if isinstance(decision, Refused) else decision) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(YES, Granted(Factor.APP_PASSWORD), id="leg open"),
        pytest.param(STALE, Refused(Reason.VAULT_STALE, "changed"), id="the store no longer takes what lies there"),
        pytest.param(DOWN, Refused(Reason.BACKEND_UNAVAILABLE, "connection refused"), id="down"),
    ],
)
def test_under_own_the_leg_opens_with_what_lies_in_the_vault(answer: Answer, outcome: Decision) -> None:
    assert decided(Proof(app_password=PHONE, answer=answer), door=OWN) == outcome
    dead = decided(Proof(app_password=replace(PHONE, revoked_at=NOW - 1), answer=answer), door=OWN)
    assert dead == Refused(Reason.APP_PASSWORD_REVOKED)


def test_an_idle_app_password_lapses_from_its_last_use() -> None:
    assert not lapsed(replace(PHONE, idle=100.0, last_used_at=NOW - 99), NOW)
    assert lapsed(replace(PHONE, idle=100.0, last_used_at=NOW - 100), NOW)
    assert not lapsed(PHONE, NOW + 1e9)


def test_one_that_was_never_used_in_time_lapses_and_one_that_was_does_not() -> None:
    fresh = replace(PHONE, first_use_by=NOW)
    assert not lapsed(fresh, NOW - 1)
    assert lapsed(fresh, NOW)
    assert decided(Proof(app_password=fresh)) == Refused(Reason.APP_PASSWORD_EXPIRED)
    used = replace(fresh, last_used_at=NOW - 1)
    assert not lapsed(used, NOW + 1e9)
    assert lapsed(replace(used, idle=100.0), NOW + 99)
    assert lapsed(replace(fresh, idle=10.0, created_at=NOW - 50), NOW - 40)


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [
        pytest.param(decided(Proof(grant=GRANT)), Granted(Factor.GRANT), id="passes"),
        pytest.param(decided(Proof(grant=GRANT), origin=THERE), Reason.REPLAY, id="from elsewhere"),
        pytest.param(decided(Proof(grant=GRANT), account=None), Reason.UNKNOWN_ACCOUNT, id="nobody's"),
        pytest.param(
            decided(Proof(grant=replace(GRANT, account_id="b"))), Reason.UNKNOWN_ACCOUNT, id="another account's"
        ),
        pytest.param(
            decided(Proof(grant=GRANT), account=SUSPENDED),
            Reason.SUSPENDED,
            id="suspended",
        ),
        pytest.param(
            decided(Proof(grant=GRANT), policy=Policy(codes_in_mail_clients=False)), Reason.CODES_NOT_ALLOWED, id="off"
        ),
        pytest.param(
            decided(Proof(grant=GRANT), policy=Policy(grant_limit=None)), Reason.CODE_REUSED, id="grants switched off"
        ),
        pytest.param(
            decided(Proof(grant=GRANT), policy=Policy(grant_limit=10.0)), Reason.CODE_REUSED, id="made shorter"
        ),
        pytest.param(
            decided(Proof(grant=replace(GRANT, single=True)), policy=Policy(grant_limit=None)),
            Granted(Factor.GRANT),
            id="a permit",
        ),
        pytest.param(decided(Proof(grant=GRANT, answer=YES), door=OWN), Granted(Factor.GRANT), id="own, leg open"),
        pytest.param(decided(Proof(grant=GRANT, answer=NO), door=OWN), Reason.WRONG_PASSWORD, id="own, store says no"),
        pytest.param(decided(Proof(grant=GRANT), door=OWN), Reason.WRONG_PASSWORD, id="own, not asked"),
        pytest.param(decided(Proof(grant=GRANT, answer=DOWN), door=OWN), Reason.BACKEND_UNAVAILABLE, id="own, down"),
    ],
)
def test_a_grant(decision: Decision, outcome: Granted | Reason) -> None:
    assert (decision.reason if isinstance(decision, Refused) else decision) == outcome


ENFORCE = Policy(two_factor=TwoFactor.ENFORCE)
CODE = Proof(code=CodeReading.RIGHT, step=STEP, answer=YES)


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [
        pytest.param(decided(Proof(answer=YES)), Granted(Factor.PASSWORD), id="optional, bare password"),
        pytest.param(decided(Proof(answer=NO)), Reason.WRONG_PASSWORD, id="wrong password"),
        pytest.param(decided(Proof()), Reason.WRONG_PASSWORD, id="not asked"),
        pytest.param(decided(Proof(answer=DOWN)), Reason.BACKEND_UNAVAILABLE, id="source down"),
        pytest.param(decided(Proof(answer=YES), account=None), Granted(Factor.PASSWORD), id="new account"),
        pytest.param(decided(Proof(answer=NO), account=None), Reason.UNKNOWN_ACCOUNT, id="unknown"),
        pytest.param(
            decided(Proof(answer=YES), account=None, door=replace(DOOR, creates=False)),
            Reason.UNKNOWN_ACCOUNT, id="unknown names refused",
        ),
        pytest.param(
            decided(Proof(answer=YES), account=None, policy=ENFORCE), Reason.SECOND_FACTOR_REQUIRED, id="new, enforced"
        ),
        pytest.param(decided(Proof(answer=YES), policy=ENFORCE), Reason.SECOND_FACTOR_REQUIRED, id="enforced"),
        pytest.param(
            decided(Proof(answer=YES), account=replace(ANN, role=Role.OWNER)),
            Reason.SECOND_FACTOR_REQUIRED, id="administrator",
        ),
        pytest.param(
            decided(
                Proof(answer=YES), account=replace(ANN, role=Role.OWNER),
                policy=Policy(administrators=TwoFactor.OPTIONAL),
            ),
            Granted(Factor.PASSWORD), id="administrator, optional",
        ),
        pytest.param(
            decided(Proof(answer=YES), account=replace(ANN, factor_required=True)),
            Reason.SECOND_FACTOR_REQUIRED, id="after a reset",
        ),
        pytest.param(decided(Proof(answer=SHORT)), Reason.SECOND_FACTOR_REQUIRED, id="too short to stand alone"),
        pytest.param(decided(Proof(answer=SHORT), account=None), Reason.SECOND_FACTOR_REQUIRED, id="short and new"),
        pytest.param(decided(replace(CODE, answer=SHORT)), Granted(Factor.CODE, STEP), id="short, with its code"),
        pytest.param(
            decided(Proof(code=CodeReading.MISSING, answer=YES)), Reason.CODE_MISSING, id="factor, bare password"
        ),
        pytest.param(
            decided(Proof(code=CodeReading.BARRED, answer=YES)), Reason.PASSKEY_ONLY, id="passkey, bare password"
        ),
        pytest.param(decided(Proof(code=CodeReading.WRONG, answer=YES)), Reason.CODE_WRONG, id="wrong code"),
        pytest.param(decided(Proof(code=CodeReading.WRONG, answer=NO)), Reason.WRONG_PASSWORD, id="both wrong"),
        pytest.param(decided(Proof(code=CodeReading.AMBIGUOUS, answer=YES)), Reason.CODE_WRONG, id="six or eight"),
        pytest.param(decided(Proof(code=CodeReading.AMBIGUOUS, answer=NO)), Reason.CODE_WRONG, id="which password"),
        pytest.param(
            decided(Proof(code=CodeReading.RIGHT, step=STEP, answer=NO)), Reason.WRONG_PASSWORD, id="code, no password"
        ),
        pytest.param(decided(CODE), Granted(Factor.CODE, STEP), id="password and code"),
        pytest.param(decided(CODE, policy=ENFORCE), Granted(Factor.CODE, STEP), id="enforced, password and code"),
        pytest.param(decided(replace(CODE, step=None)), Reason.CODE_WRONG, id="a code without a step"),
        pytest.param(
            decided(CODE, policy=Policy(codes_in_mail_clients=False)), Reason.CODES_NOT_ALLOWED, id="codes off"
        ),
        pytest.param(decided(CODE, account=SUSPENDED), Reason.SUSPENDED, id="suspended"),
    ],
)  # fmt: skip
def test_a_password(decision: Decision, outcome: Granted | Reason) -> None:
    assert (decision.reason if isinstance(decision, Refused) else decision) == outcome


def test_a_policy_belongs_to_a_group() -> None:
    policies = Policies(Policy(), {"doctors": ENFORCE})
    assert policies.of(replace(ANN, group="doctors")) is ENFORCE
    assert policies.of(replace(ANN, group="others")) == policies.of(None) == Policy()


accounts = st.none() | st.builds(
    replace,
    st.just(ANN),
    kind=st.sampled_from(AccountKind),
    suspended_by=st.sampled_from(SuspendedBy),
    role=st.sampled_from(Role),
    factor_required=st.booleans(),
)
app_passwords = st.none() | st.builds(
    replace,
    st.just(PHONE),
    account_id=st.sampled_from(["a1", "b1"]),
    protocols=st.sets(st.sampled_from(MailProtocol)).map(frozenset),
    expires_at=st.sampled_from([None, NOW - 1, NOW + 1]),
    revoked_at=st.sampled_from([None, NOW - 1]),
)
grants = st.none() | st.builds(
    replace,
    st.just(GRANT),
    account_id=st.sampled_from(["a1", "b1"]),
    network=st.sampled_from([HERE.network, THERE.network]),
)
proofs = st.builds(
    Proof,
    app_password=app_passwords,
    holder=st.sampled_from([None, PERSON, replace(SUSPENDED, id="p")]),
    grant=grants,
    code=st.sampled_from(CodeReading),
    step=st.sampled_from([None, STEP]),
    answer=st.sampled_from([None, YES, NO, DOWN]),
)
policies = st.builds(
    Policy,
    two_factor=st.sampled_from(TwoFactor),
    administrators=st.sampled_from(TwoFactor),
    codes_in_mail_clients=st.booleans(),
    enforce_from=st.sampled_from([None, NOW, NOW + 1]),
    trusted_networks=st.sampled_from([(), (TrustedNetwork(ip_network("192.0.2.0/24"), NOW + 1),)])
    | st.sampled_from([NOW - 1, NOW]).map(lambda until: (TrustedNetwork(ip_network("192.0.2.0/24"), until),)),
    shared_networks=st.sampled_from([(), (ip_network("192.0.2.1/32"),), (ip_network("::/0"),)]),
    grant_limit=st.sampled_from([None, 5.0, 3600.0]),
)
doors = st.builds(Door, st.sampled_from(MailProtocol), st.sampled_from(LoginForm), st.booleans())


@given(
    account=accounts,
    proof=proofs,
    door=doors,
    written=policies,
    origin=st.sampled_from([HERE, THERE, SIX]),
    crowded=st.booleans(),
)
def test_nobody_passes_without_a_proof(
    *, account: Account | None, proof: Proof, door: Door, written: Policy, origin: Origin, crowded: bool
) -> None:
    policy = written.where(origin, crowded=crowded)
    decision = decide(account, proof, door, origin, policy=policy, now=NOW)
    if isinstance(decision, Refused):
        return
    assert decision.watched is None or decision.factor is Factor.PASSWORD
    assert account is None or not account.suspended
    match decision.factor:
        case Factor.APP_PASSWORD:
            assert account is not None
            assert proof.app_password is not None
            assert proof.app_password.account_id == account.id
            assert proof.app_password.revoked_at is None
            assert door.protocol in proof.app_password.protocols
            assert account.kind is not AccountKind.SHARED or proof.holder is PERSON
        case Factor.GRANT:
            assert account is not None
            assert proof.grant is not None
            assert proof.grant.account_id == account.id
            joins = origin is SIX  # the other family, ten seconds after it was opened
            assert proof.grant.network == origin.network or joins
            assert policy.codes_in_mail_clients
            assert policy.grant_limit is not None
            assert not crowded or written.shares(origin.address)
            assert door.form is LoginForm.MASTER or proof.answer is YES
        case Factor.CODE:
            assert account is not None
            assert account.kind is AccountKind.PERSON
            assert (proof.code, proof.answer) == (CodeReading.RIGHT, YES)
            assert decision.step is not None
        case Factor.PASSWORD:
            assert proof.answer is YES
            assert proof.code is CodeReading.NONE or account is None
            assert account is None or account.kind is AccountKind.PERSON
            assert account is not None or door.creates
            if policy.demands_factor(account, NOW):
                assert decision.watched is Watched.TRUSTED_NETWORK
                assert origin is HERE
                assert any(each.until > NOW for each in policy.trusted_networks)
                assert account is None or not (account.administrator or account.factor_required)
                assert not crowded or written.shares(origin.address)
            else:
                assert written.two_factor is not TwoFactor.ENFORCE or written.enforce_from == NOW + 1
                assert (decision.watched is None) == (policy.mode(account, NOW) is TwoFactor.OPTIONAL)


def test_an_address_has_one_network() -> None:
    assert Origin.of("::ffff:192.0.2.1", 1) == Origin.of("192.0.2.1", 1)
    assert Origin.of("192.0.2.1", 1).network == "192.0.2.1/32"
    assert Origin.of("2001:db8:1:2:3::4", 1).network == "2001:db8:1:2::/64"
    assert Origin.of("fe80::1%eth0", 1).network == "fe80::/64"


@pytest.mark.parametrize("leg", [YES, VOUCHED])
@pytest.mark.parametrize(
    ("proof", "account", "policy", "reason"),
    [
        pytest.param(Proof(code=CodeReading.MISSING), ANN, Policy(), Reason.CODE_MISSING, id="no code"),
        pytest.param(Proof(code=CodeReading.BARRED), ANN, Policy(), Reason.PASSKEY_ONLY, id="passkey"),
        pytest.param(Proof(code=CodeReading.WRONG), ANN, Policy(), Reason.CODE_WRONG, id="wrong code"),
        pytest.param(Proof(), ANN, Policy(TwoFactor.ENFORCE), Reason.SECOND_FACTOR_REQUIRED, id="bare"),
        pytest.param(Proof(), None, Policy(TwoFactor.ENFORCE), Reason.SECOND_FACTOR_REQUIRED, id="nobody yet"),
        pytest.param(Proof(), SUSPENDED, Policy(), Reason.SUSPENDED, id="suspended"),
    ],
)
def test_trouble_of_the_leg_does_not_tell_that_a_password_is_right(
    leg: Answer, proof: Proof, account: Account | None, policy: Policy, reason: Reason
) -> None:
    """A directory took it, the store is down or has no such mailbox: a temporary reply would say so to a guesser."""
    assert decided(replace(proof, answer=leg), account=account, policy=policy) == Refused(reason)


@pytest.mark.parametrize(
    "proof", [Proof(answer=VOUCHED), Proof(code=CodeReading.RIGHT, step=STEP, answer=VOUCHED)], ids=["bare", "code"]
)
def test_trouble_of_the_leg_is_told_to_who_would_have_come_in(proof: Proof) -> None:
    assert decided(proof) == Refused(Reason.BACKEND_UNAVAILABLE, "connection refused")


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("100.64.0.9", "100.64.0.9"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("fd00::5", "fd00::5"),
        ("::1", "::1"),
        ("192.0.2.1", ""),
        ("2001:db8::1", ""),
    ],
)
def test_a_private_address_is_told_from_one_of_the_internet(address: str, private: str) -> None:
    assert Origin.of(address, 1).private == private


BARE = Admission(ANN.name, ANN.id, Factor.PASSWORD, "", "", 0, account=ANN)
TRUST = Policy(two_factor=TwoFactor.ENFORCE, trusted_networks=(TrustedNetwork(ip_network("192.0.2.0/24"), NOW + 9),))
LATER = Policy(two_factor=TwoFactor.ENFORCE, enforce_from=NOW + 5)


@pytest.mark.parametrize(
    ("admission", "policies", "origin", "now", "stays"),
    [
        pytest.param(BARE, Policies(), HERE, NOW, True, id="optional"),
        pytest.param(BARE, Policies(ENFORCE), HERE, NOW, False, id="enforced"),
        pytest.param(BARE, Policies(LATER), HERE, NOW + 4, True, id="before the day"),
        pytest.param(BARE, Policies(LATER), HERE, NOW + 5, False, id="the day has come"),
        pytest.param(BARE, Policies(TRUST), HERE, NOW + 8, True, id="trusted"),
        pytest.param(BARE, Policies(TRUST), THERE, NOW, False, id="elsewhere"),
        pytest.param(BARE, Policies(TRUST), HERE, NOW + 9, False, id="trust has ended"),
        pytest.param(replace(BARE, group="staff"), Policies(groups={"staff": ENFORCE}), HERE, NOW, False, id="group"),
        pytest.param(replace(BARE, account=replace(ANN, role=Role.OWNER)), Policies(), HERE, NOW, False, id="chief"),
        pytest.param(replace(BARE, factor=Factor.CODE), Policies(ENFORCE), HERE, NOW, True, id="code"),
        pytest.param(
            replace(BARE, factor=Factor.GRANT), Policies(Policy(codes_in_mail_clients=False)), HERE, NOW, False,
            id="codes off",
        ),
        pytest.param(
            replace(BARE, factor=Factor.APP_PASSWORD), Policies(replace(ENFORCE, codes_in_mail_clients=False)),
            HERE, NOW, True, id="app password",
        ),
    ],
)  # fmt: skip
def test_what_a_policy_leaves_of_a_session(
    admission: Admission, policies: Policies, origin: Origin, now: float, stays: bool
) -> None:
    assert policies.still_allow(admission, origin, now) is stays


@pytest.mark.parametrize(
    ("origin", "now", "outcome"),
    [
        pytest.param(HERE, NOW, Granted(Factor.PASSWORD, watched=Watched.TRUSTED_NETWORK), id="from there"),
        pytest.param(HERE, NOW + 9, Refused(Reason.SECOND_FACTOR_REQUIRED), id="when it is over"),
        pytest.param(THERE, NOW, Refused(Reason.SECOND_FACTOR_REQUIRED), id="from elsewhere"),
    ],
)
def test_a_trusted_network_stands_in_for_a_factor(origin: Origin, now: float, outcome: Decision) -> None:
    assert decided(Proof(answer=YES), policy=TRUST, origin=origin, now=now) == outcome


def test_a_policy_changes_by_itself_at_the_days_it_names() -> None:
    policies = Policies(LATER, {"staff": TRUST})
    assert not policies.changes_between(NOW, NOW + 4)
    assert policies.changes_between(NOW + 4, NOW + 5)
    assert not policies.changes_between(NOW + 5, NOW + 8)
    assert policies.changes_between(NOW + 8, NOW + 20)
    assert LATER.enforced_on() == "1970-01-12"


def test_an_address_is_shared_on_purpose_if_every_group_says_so() -> None:
    shares = Policy(shared_networks=(ip_network("192.0.2.0/24"),))
    assert Policies(shares).meant(HERE.address)
    assert not Policies(shares, {"staff": Policy()}).meant(HERE.address)
    assert not Policies(shares).meant(SIX.address)
