"""One-time codes: their shape, their hash, and how one is found."""

import re

import pytest
from argon2 import low_level
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth import recovery
from mailguard.auth.accounts import CodeKind, OneTimeCode
from mailguard.keyring import ALPHABET
from mailguard.secret import Secret

SHAPE = re.compile(rf"[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}")


def rows(made: recovery.CodeSet, kind: CodeKind = CodeKind.RECOVERY) -> list[OneTimeCode]:
    return [OneTimeCode(f"{kind}{n}", "a", kind, made.salt, digest, 0.0) for n, digest in enumerate(made.hashes)]


def test_a_set_has_one_salt_and_no_code_twice() -> None:
    made = recovery.make(3)
    assert len({code.reveal() for code in made.codes}) == len(set(made.hashes)) == 3
    assert all(SHAPE.fullmatch(recovery.grouped(code)) for code in made.codes)
    assert all(len(code.reveal()) * 5 == 75 for code in made.codes)
    assert recovery.make(1).salt != made.salt
    assert recovery.make(1, made.salt).salt == made.salt


def test_each_code_is_found_among_several_sets_and_no_other() -> None:
    paper, bypass = recovery.make(2), recovery.make(1)
    among = rows(paper) + rows(bypass, CodeKind.BYPASS)
    assert [recovery.find(code, among) for code in (*paper.codes, *bypass.codes)] == among
    assert recovery.find(recovery.make(1).codes[0], among) is None
    assert recovery.find(paper.codes[0], among[1:]) is None
    assert recovery.find(paper.codes[0], []) is None


def test_it_costs_as_many_hashes_whatever_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time taken tells whether a name has codes, or an account at all."""
    hashed: list[bytes] = []

    def counted(secret: bytes, salt: bytes, **how: int) -> bytes:
        hashed.append(salt)
        return low_level.hash_secret_raw(secret, salt, **how)  # type: ignore[arg-type]  # passed on as it is

    paper, bypass = recovery.make(2), recovery.make(1)
    monkeypatch.setattr(recovery, "hash_secret_raw", counted)
    for among in ([], rows(paper), rows(paper) + rows(bypass, CodeKind.BYPASS)):
        hashed.clear()
        recovery.find(paper.codes[0], among)
        assert len(set(hashed)) == len(hashed) == len(CodeKind)


def test_a_code_may_be_typed_in_any_spelling() -> None:
    code = recovery.make(1).codes[0]
    shown = recovery.grouped(code)
    for typed in (shown, shown.upper(), shown.replace("-", " "), f" {shown} ", code.reveal().decode()):
        assert recovery.normalise(typed.encode()) == code


@given(st.binary(max_size=80))
def test_nothing_else_is_a_code(typed: bytes) -> None:
    found = recovery.normalise(typed)
    assert found is None or SHAPE.fullmatch(recovery.grouped(found))


@pytest.mark.parametrize("typed", ["", "123456", "abcde-abcde-abcd", "abcde-abcde-abcdl", "a" * 16, "a" + " " * 60])
def test_what_is_no_code(typed: str) -> None:
    assert recovery.normalise(typed.encode()) is None


def test_no_code_shows_in_a_repr() -> None:
    made = recovery.make(1)
    assert isinstance(made.codes[0], Secret)
    assert made.codes[0].reveal().decode() not in repr(made)
