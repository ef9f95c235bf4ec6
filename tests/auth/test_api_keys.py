"""API keys: what they look like, and what is left of one."""

from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth import api_keys
from mailguard.auth.api_keys import ApiKey, lesser, narrower
from mailguard.auth.passwords import digests, shorter
from mailguard.auth.roles import EVERYTHING, Role, RoleLimit
from mailguard.keyring import Purpose

ORG, STAFF = RoleLimit.parse("domain:example.org"), RoleLimit.parse("group:staff")


def test_a_key_is_known_by_its_form_and_never_twice_the_same() -> None:
    one, other = api_keys.generate().reveal(), api_keys.generate().reveal()
    assert api_keys.looks_like_one(one)
    assert one != other
    assert (one[:4], len(one)) == (b"mgk_", 32)


@pytest.mark.parametrize("text", [b"", b"mgk_", b"mgk_" + b"a" * 27, b"mgk_" + b"a" * 29, b"MGK_" + b"a" * 28,
                                  b"a" * 32, b"mgk_" + b"1" * 28, b"mgk_" + b"a" * 28 + b"\n"])  # fmt: skip
def test_what_is_no_key(text: bytes) -> None:
    assert not api_keys.looks_like_one(text)


def test_its_hash_is_that_of_no_other_secret(tmp_path: Path) -> None:
    ring, secret = keyring.create(tmp_path / "keys.toml"), api_keys.generate()
    hashed = api_keys.digest(ring, secret)
    assert hashed in digests(ring, Purpose.API_KEY, secret.reveal())
    others = [digests(ring, purpose, secret.reveal()) for purpose in Purpose if purpose is not Purpose.API_KEY]
    assert not any(hashed in each for each in others)


@pytest.mark.parametrize(
    ("asked", "most", "left"), [(None, None, None), (5.0, None, 5.0), (None, 5.0, 5.0), (9.0, 5.0, 5.0)]
)
def test_of_two_lengths_the_shorter(asked: float | None, most: float | None, left: float | None) -> None:
    assert shorter(asked, most) == left


def test_of_two_roles_the_lesser_does_less() -> None:
    assert lesser(Role.OWNER, Role.HELPDESK) is Role.HELPDESK
    assert lesser(Role.AUDITOR, Role.HELPDESK) is Role.AUDITOR
    assert lesser(Role.OWNER, Role.NONE) is Role.NONE


def test_of_two_limits_what_both_reach() -> None:
    assert narrower(EVERYTHING, ORG) == narrower(ORG, EVERYTHING) == narrower(ORG, ORG) == ORG
    assert narrower(ORG, STAFF) is None


@pytest.mark.parametrize(("revoked", "now", "usable"), [(None, 9.0, True), (None, 10.0, False), (5.0, 9.0, False)])
def test_a_key_is_usable_until_its_end(revoked: float | None, now: float, *, usable: bool) -> None:
    key = ApiKey("k", "report", Role.AUDITOR, EVERYTHING, frozenset(), 0.0, 10.0, revoked_at=revoked)
    assert key.usable(now) is usable
