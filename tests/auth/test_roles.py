"""Over whose accounts a role reaches."""

import itertools

import pytest

from mailguard.auth.accounts import Account, AccountName
from mailguard.auth.roles import EVERYTHING, Over, Role, RoleLimit

STAFF = Account("a1", AccountName("ann@example.org"), group="staff")
OTHER = Account("b1", AccountName("bob@example.net"))
LIMITS = [EVERYTHING, *map(RoleLimit.parse, ["domain:example.org", "domain:example.net", "group:staff", "group:front"])]


@pytest.mark.parametrize(
    "written", ["", "domain:example.org", "domain:xn--mller-kva.example", "group:staff", "group:a b"]
)
def test_a_limit_is_written_as_it_is_read(written: str) -> None:
    assert str(RoleLimit.parse(written)) == written


def test_a_domain_is_read_in_the_form_that_names_have() -> None:
    assert RoleLimit.parse("domain:Example.ORG") == RoleLimit(Over.DOMAIN, "example.org")


@pytest.mark.parametrize(
    "written",
    [
        "staff",
        "group:",
        "group: staff",
        "domain:",
        "domain:müller.example",
        "domain:@example.org",
        "all",
        ":",
        "role:x",
    ],
)
def test_what_is_no_limit_is_refused(written: str) -> None:
    """Never taken for none: a slip of the pen would reach everybody."""
    with pytest.raises(ValueError, match="must be domain"):
        RoleLimit.parse(written)


@pytest.mark.parametrize(
    ("limit", "reached"),
    [
        ("", [STAFF, OTHER]),
        ("domain:example.org", [STAFF]),
        ("domain:example.net", [OTHER]),
        ("domain:org", []),
        ("group:staff", [STAFF]),
        ("group:front", []),
    ],
)
def test_whom_a_limit_reaches(limit: str, reached: list[Account]) -> None:
    assert [account for account in (STAFF, OTHER) if RoleLimit.parse(limit).reaches(account)] == reached


@pytest.mark.parametrize(("narrow", "wide"), [*itertools.product(LIMITS, LIMITS)], ids=lambda each: str(each) or "all")
def test_a_limit_within_another_reaches_nobody_beyond_it(narrow: RoleLimit, wide: RoleLimit) -> None:
    assert narrow.within(wide) is (wide in (narrow, EVERYTHING))
    if narrow.within(wide):
        assert all(wide.reaches(account) for account in (STAFF, OTHER) if narrow.reaches(account))


@pytest.mark.parametrize("role", Role)
def test_whoever_has_a_role_is_an_administrator(role: Role) -> None:
    assert Account("a1", AccountName("ann@example.org"), role=role).administrator is (role is not Role.NONE)
