"""May they do this to that account? Every role, act and kind of account, and that nobody grows beyond who let them."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mailguard.admin.acting import Acting, Means, operator
from mailguard.admin.gate import DANGEROUS, Act, Denial, may, may_give
from mailguard.auth.accounts import Account, AccountKind, AccountName
from mailguard.auth.roles import EVERYTHING, Role, RoleLimit, Scope

ORG, STAFF = RoleLimit.parse("domain:example.org"), RoleLimit.parse("group:staff")
LIMITS = (EVERYTHING, ORG, STAFF)
ROLES = (Role.OWNER, Role.HELPDESK, Role.AUDITOR)


def account(name: str, role: Role = Role.NONE, limit: RoleLimit = EVERYTHING, group: str = "") -> Account:
    return Account(f"id of {name}", AccountName(name), role=role, role_limit=limit, group=group)


def acting(role: Role, limit: RoleLimit = EVERYTHING, means: Means = Means.SIGN_IN, name: str = "me@x.org") -> Acting:
    return Acting(means, f"administrator:{name}", role, limit, f"id of {name}", name)


ORDINARY = account("ann@example.org")
CHIEF = account("chief@example.org", Role.OWNER)
HELPER = account("helper@example.org", Role.HELPDESK)
READER = account("reader@example.org", Role.AUDITOR)
ME = account("me@x.org", Role.OWNER)

R, A, S, E = Denial.ROLE, Denial.ADMINISTRATOR, Denial.SELF, None
TARGETS = ("nobody", "ordinary", "owner", "helpdesk", "auditor", "oneself")
TABLE: dict[Act, dict[Role, tuple[Denial | None, ...]]] = {
    Act.READ: dict.fromkeys(ROLES, (E, E, E, E, E, E)),
    Act.MAKE_KEY: {Role.OWNER: (E, E, E, E, E, S), Role.HELPDESK: (R,) * 6, Role.AUDITOR: (R,) * 6},
    **{
        act: {Role.OWNER: (E, E, E, E, E, S), Role.HELPDESK: (E, E, A, A, A, A), Role.AUDITOR: (R,) * 6}
        for act in (Act.CLAIM_LINK, Act.BYPASS, Act.ENROLMENT_CODE, Act.UNLOCK)
    },
    Act.REVOKE: {Role.OWNER: (E, E, E, E, E, E), Role.HELPDESK: (E, E, A, A, A, A), Role.AUDITOR: (R,) * 6},
    Act.SET_ROLE: {Role.OWNER: (E, E, E, E, E, E), Role.HELPDESK: (R,) * 6, Role.AUDITOR: (R,) * 6},
    **{
        act: {Role.OWNER: (E, E, E, E, E, S), Role.HELPDESK: (R,) * 6, Role.AUDITOR: (R,) * 6}
        for act in (
            Act.END_ALL, Act.BYPASS_ENROLS, Act.REMOVE_FACTOR, Act.RESET, Act.ADD, Act.SET_GROUP, Act.SUSPEND,
            Act.RESUME, Act.REMOVE,
        )
    },
}  # fmt: skip


def target(kind: str, role: Role) -> Account | None:
    return {
        "nobody": None,
        "ordinary": ORDINARY,
        "owner": CHIEF,
        "helpdesk": HELPER,
        "auditor": READER,
        "oneself": replace(ME, role=role),
    }[kind]


CELLS = [
    pytest.param(role, act, kind, expected, id=f"{role}: {act} of {kind}")
    for act, rows in TABLE.items()
    for role, row in rows.items()
    for kind, expected in zip(TARGETS, row, strict=True)
]


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(Act)
    assert all(set(rows) == set(ROLES) for rows in TABLE.values())


@pytest.mark.parametrize(("role", "act", "kind", "expected"), CELLS)
def test_who_does_what_to_whom(role: Role, act: Act, kind: str, expected: Denial | None) -> None:
    assert may(acting(role), act, target(kind, role)) is expected


@pytest.mark.parametrize("act", Act)
def test_whoever_has_no_role_does_nothing(act: Act) -> None:
    assert may(acting(Role.NONE), act, ORDINARY) is Denial.ROLE
    assert may(acting(Role.NONE), act, None) is Denial.ROLE


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("limit", [ORG, STAFF], ids=str)
def test_beyond_the_limit_there_is_nobody(act: Act, limit: RoleLimit) -> None:
    for role in ROLES:
        outside = account("ann@example.net")
        assert may(acting(role, limit), act, outside) in (Denial.REACH, Denial.ROLE)
        inside = account("ann@example.org", group="staff")
        assert may(acting(role, limit), act, inside, outside) in (Denial.REACH, Denial.ROLE), "moved out of it"
        assert may(acting(role, limit), act, outside, inside) in (Denial.REACH, Denial.ROLE), "moved into it"


def test_an_owner_of_few_acts_on_no_owner_of_more() -> None:
    few, all_of_it = acting(Role.OWNER, ORG), replace(CHIEF, group="staff")
    for act in set(Act) - {Act.READ}:
        assert may(few, act, all_of_it) is Denial.ADMINISTRATOR, act
        assert may(few, act, replace(CHIEF, role_limit=STAFF, group="staff")) is Denial.ADMINISTRATOR, act
        assert may(few, act, replace(CHIEF, role_limit=ORG)) is None, act


@pytest.mark.parametrize("act", Act)
def test_the_last_owner_stays_one_but_for_operators(act: Act) -> None:
    weakens = act in {Act.SUSPEND, Act.REMOVE, Act.RESET, Act.REMOVE_FACTOR, Act.SET_ROLE}
    program = acting(Role.OWNER, means=Means.SIGN_IN)
    assert may(program, act, CHIEF, last_owner=True) is (Denial.LAST_OWNER if weakens else None)
    assert may(operator("operator:root"), act, CHIEF, last_owner=True) is None
    still = replace(CHIEF, group="staff")
    assert may(program, Act.SET_ROLE, CHIEF, still, last_owner=True) is None
    for less in (replace(CHIEF, role=Role.NONE), replace(CHIEF, role=Role.AUDITOR), replace(CHIEF, role_limit=ORG)):
        assert may(program, Act.SET_ROLE, CHIEF, less, last_owner=True) is Denial.LAST_OWNER


def test_who_is_the_last_owner_gives_it_up_to_nobody() -> None:
    assert may(acting(Role.OWNER), Act.SET_ROLE, ME, replace(ME, role=Role.NONE), last_owner=True) is Denial.LAST_OWNER
    assert may(acting(Role.OWNER), Act.SET_ROLE, ME, replace(ME, role=Role.NONE)) is None


GOOD_FOR = {
    Scope.READ: {Act.READ},
    Scope.ISSUE: {Act.CLAIM_LINK, Act.BYPASS, Act.BYPASS_ENROLS, Act.ENROLMENT_CODE},
    Scope.REVOKE: {Act.REVOKE, Act.END_ALL},
    Scope.ACCOUNTS: {
        Act.UNLOCK, Act.REMOVE_FACTOR, Act.RESET, Act.ADD, Act.SET_GROUP, Act.SUSPEND, Act.RESUME, Act.REMOVE,
    },
}  # fmt: skip


@pytest.mark.parametrize("act", Act)
def test_a_key_does_what_its_scopes_say_and_gives_no_power_away(act: Act) -> None:
    for scope in Scope:
        key = replace(acting(Role.OWNER, means=Means.API_KEY), scopes=frozenset({scope}))
        expected = None if act in GOOD_FOR[scope] else Denial.SCOPE
        assert may(key, act, ORDINARY) is (Denial.PEOPLE_ONLY if act in {Act.SET_ROLE, Act.MAKE_KEY} else expected)


def test_what_lets_in_or_takes_away_takes_a_fresh_sign_in() -> None:
    assert {Act.RESET, Act.REMOVE_FACTOR, Act.BYPASS, Act.BYPASS_ENROLS, Act.ENROLMENT_CODE} < DANGEROUS
    assert {Act.SET_ROLE, Act.REMOVE, Act.MAKE_KEY} < DANGEROUS
    assert {Act.READ, Act.REVOKE, Act.SUSPEND, Act.END_ALL}.isdisjoint(DANGEROUS), "a thief is shut out at once"


@pytest.mark.parametrize("kind", [AccountKind.SHARED, AccountKind.SERVICE])
def test_what_nobody_signs_in_to_gets_in_by_what_operators_make_alone(kind: AccountKind) -> None:
    mailbox = replace(ORDINARY, kind=kind)
    program = acting(Role.OWNER, means=Means.API_KEY)
    for act in set(Act) - {Act.SET_ROLE, Act.MAKE_KEY}:
        expected = Denial.GUARD_ONLY if act in {Act.ADD, Act.CLAIM_LINK} else None
        assert may(acting(Role.OWNER), act, mailbox) is may(program, act, mailbox) is expected, act
        assert may(operator("operator:root"), act, mailbox) is None
    assert may(acting(Role.OWNER, STAFF), Act.ADD, mailbox) is Denial.REACH, "who is not reached is not spoken of"


EVERYBODY = [
    account(f"{role or 'none'}-{number}@{domain}", role, limit, group)
    for role, (number, limit) in itertools.product(Role, enumerate(LIMITS))
    for domain, group in itertools.product(("example.org", "example.net"), ("", "staff"))
    if role is not Role.NONE or limit == EVERYTHING
]


def powers(role: Role, limit: RoleLimit) -> frozenset[tuple[Act, str]]:
    """Everything that somebody in this place could do, to whomever; each is somebody else."""
    somebody = acting(role, limit)
    return frozenset((act, each.name) for act in Act for each in EVERYBODY if may(somebody, act, each) is None)


POWERS = {(role, limit): powers(role, limit) for role in ROLES for limit in LIMITS}


def risen(before: Account) -> Iterator[Account]:
    """Whatever could become of an account."""
    for role, limit, group in itertools.product(Role, LIMITS, ("", "staff")):
        if role is not Role.NONE or limit == EVERYTHING:
            yield replace(before, role=role, role_limit=limit, group=group)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: str(limit) or "all")
@pytest.mark.parametrize("role", ROLES)
def test_no_act_makes_anybody_mightier_than_whoever_did_it(role: Role, limit: RoleLimit) -> None:
    """Nor oneself, as one of them; nor a key, which has a role and a limit of its own."""
    mine = POWERS[role, limit]
    for before in EVERYBODY:
        for me in (acting(role, limit), replace(acting(role, limit), account_id=before.id)):
            for act, after in itertools.product(set(Act) - {Act.READ}, risen(before)):
                if after.administrator and after != before and may(me, act, before, after) is None:
                    assert POWERS[after.role, after.role_limit] <= mine, (act, before, after)
    for (given, reach), theirs in POWERS.items():
        if may_give(acting(role, limit), given, reach) is None:
            assert theirs <= mine
            assert may(acting(role, limit), Act.MAKE_KEY, None) is None


def test_powers_differ() -> None:
    """Or else the test above proves nothing."""
    everything = POWERS[Role.OWNER, EVERYTHING]
    assert all(POWERS[other] < everything for other in POWERS if other != (Role.OWNER, EVERYTHING))
    assert POWERS[Role.AUDITOR, ORG] < POWERS[Role.HELPDESK, ORG] < POWERS[Role.OWNER, ORG]


def test_a_helpdesk_takes_nothing_away_that_keeps_it_out() -> None:
    """What a phished password and a helpdesk's own acts lead to is one sign-in, told to everybody; never a factor."""
    helper = acting(Role.HELPDESK)
    for act in (Act.RESET, Act.REMOVE_FACTOR, Act.BYPASS_ENROLS, Act.SET_GROUP):
        assert may(helper, act, ORDINARY) is Denial.ROLE
