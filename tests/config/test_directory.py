"""The table about a directory."""

from pathlib import Path

import pytest

from mailguard.config.directory import GroupRule, Search
from tests.config.test_load import problems, read

SEARCH = 'search = { base = "dc=example,dc=org", filter = "(&(objectClass=person)(|(mail={address})(uid={local})))" }'
TABLE = ("[names]", 'domain = "example.org"', "[identity]", 'source = "ldap"', "[identity.ldap]")
URL = 'url = "ldaps://directory.internal"'


def test_a_whole_table(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        *TABLE,
        'url = "ldap://one.internal:3389 ldap://[fd00::1]/"',
        'tls = "starttls"',
        'ca = "ca.pem"',
        'bind = "cn=mailguard,dc=example,dc=org"',
        'bind_secret_file = "secret"',
        SEARCH,
        'groups = [{ group = "cn=staff,dc=example,dc=org", policy = "staff" }]',
        '[policy.group.staff]\ntwo_factor = "enforce"',
    )
    ldap = settings.identity.ldap
    assert ldap is not None
    assert ldap.search == Search("dc=example,dc=org", "(&(objectClass=person)(|(mail={address})(uid={local})))")
    assert ldap.groups == (GroupRule("cn=staff,dc=example,dc=org", "staff"),)
    assert (ldap.ca, ldap.bind_secret_file) == (tmp_path / "ca.pem", tmp_path / "secret")
    assert 'identity.ldap.tls = "starttls"' in [f"{name} = {value}" for name, value, _ in settings.lines()]


def test_it_may_stand_there_before_it_is_asked(tmp_path: Path) -> None:
    assert read(tmp_path, "[identity.ldap]", URL, SEARCH).identity.ldap is not None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([SEARCH], 'identity.ldap.url: is missing; write url = "ldaps://directory.internal"'),
        ([URL], 'identity.ldap.search: is missing; write search = { base = "dc=example,dc=org", filter = "(mail='),
        (['url = "http://x"', SEARCH], "identity.ldap.url: must be ldaps://HOST, or several with spaces between, not"),
        (['url = "ldap://x"', SEARCH], 'identity.ldap.url: ldap://x does not go with tls = "implicit"; write ldaps://'),
        (
            ['url = "ldaps://x"', 'tls = "starttls"', SEARCH],
            'identity.ldap.url: ldaps://x does not go with tls = "starttls"; write ldap://HOST',
        ),
        ([URL, 'tls = "none"', SEARCH], 'identity.ldap.tls: must be implicit or starttls, not "none"'),
        (
            [URL, SEARCH, 'bind = "cn=x"'],
            "identity.ldap.bind_secret_file: is missing beside bind; write both or neither",
        ),
        ([URL, SEARCH, 'bind_secret_file = "x"'], "identity.ldap.bind: is missing beside bind_secret_file"),
        ([URL, 'search = "dc=example"'], "identity.ldap.search: must be { base, filter }; write search ="),
        ([URL, 'search = { base = "", filter = "(mail={address})" }'], "identity.ldap.search: has no base"),
        (
            [URL, 'search = { base = "dc=x", filter = "(mail=*)" }'],
            "identity.ldap.search: has a filter without {address}",
        ),
        (
            [URL, 'search = { base = "dc=x", filter = "mail={local}" }'],
            "identity.ldap.search: has a filter that is none",
        ),
        (
            [URL, 'search = { base = "dc=x", filter = "(mail={local}" }'],
            "identity.ldap.search: has a filter that is none",
        ),
        (
            [URL, 'search = { base = "dc=x", filter = "(|(mail={local})(x={name}))" }'],
            "identity.ldap.search: has a filter that is none",
        ),
        (
            [URL, SEARCH, 'groups = ["cn=x"]'],
            "identity.ldap.groups: must be a list of { group, policy }; write groups = []",
        ),
        (
            [URL, SEARCH, 'groups = [{ group = "cn=x", policy = "staff" }]'],
            "identity.ldap.groups: names the policy staff; write [policy.group.staff] too",
        ),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, lines: list[str], said: str) -> None:
    (problem,) = problems(tmp_path, *TABLE, *lines)
    assert problem.startswith(f"config.toml: {said}")


def test_a_directory_that_hears_no_domain_needs_to_have_one(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, *TABLE[2:], URL, SEARCH)
    assert problem.startswith(
        "config.toml: names.domain: is empty while identity.ldap.search looks for {local}: the dir"
    )
    assert read(tmp_path, *TABLE[2:], URL, SEARCH.replace("{local}", "{address}")).names.domain == ""
