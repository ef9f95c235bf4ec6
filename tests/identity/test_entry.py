"""What entries of several directories say."""

import pytest

from mailguard.identity.entry import Entry, disabled, known_as, mark

NOON = 1_795_521_600.0  # 2026-11-24
FILETIME = 10_000_000


def entry(**attributes: str) -> Entry:
    return Entry("uid=ann,dc=example,dc=org", {name.lower(): [value] for name, value in attributes.items()})


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"userAccountControl": "514"}, id="Active Directory, disabled"),
        pytest.param({"accountExpires": str(int(NOON + 11_644_473_600) * FILETIME)}, id="Active Directory, expired"),
        pytest.param({"nsAccountLock": "TRUE"}, id="389 Directory Server"),
        pytest.param({"loginDisabled": "true"}, id="eDirectory"),
        pytest.param({"pwdAccountLockedTime": "000001010000Z"}, id="OpenLDAP, by an administrator"),
        pytest.param({"shadowExpire": str(int(NOON // 86400))}, id="RFC 2307"),
    ],
)
def test_a_closed_entry(attributes: dict[str, str]) -> None:
    assert disabled(entry(**attributes), NOON)


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({}, id="nothing told"),
        pytest.param({"userAccountControl": "512"}, id="Active Directory"),
        pytest.param({"userAccountControl": "?"}, id="nonsense"),
        pytest.param({"accountExpires": "0"}, id="never"),
        pytest.param({"accountExpires": "9223372036854775807"}, id="never, said otherwise"),
        pytest.param({"accountExpires": str(int(NOON + 1 + 11_644_473_600) * FILETIME)}, id="tomorrow"),
        pytest.param({"nsAccountLock": "FALSE"}, id="not locked"),
        pytest.param({"pwdAccountLockedTime": "20261124120000Z"}, id="guessed at too often: lifts by itself"),
        pytest.param({"shadowExpire": "-1"}, id="no end"),
        pytest.param({"shadowExpire": str(int(NOON // 86400) + 1)}, id="ends tomorrow"),
    ],
)
def test_an_open_entry(attributes: dict[str, str]) -> None:
    assert not disabled(entry(**attributes), NOON)


def test_the_mark_is_that_of_the_password_alone() -> None:
    assert mark(entry()) == ""
    assert mark(entry(pwdLastSet="1", shadowLastChange="2")) == "pwdLastSet 1"
    assert mark(entry(pwdChangedTime="20261124120000Z")) != mark(entry(pwdChangedTime="20261124120001Z"))


@pytest.mark.parametrize(
    ("mail", "is_it"),
    [
        ([], True),
        (["Ann@Example.org"], True),
        (["bob@example.org"], False),
        (["ann@example.org", "a@x.example"], False),
    ],
)
def test_a_second_name_of_an_entry_is_told_from_its_only_one(mail: list[str], *, is_it: bool) -> None:
    assert known_as(Entry("uid=ann,dc=example,dc=org", {"mail": mail}), "ann@example.org") is is_it
