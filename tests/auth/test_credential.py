import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth import credential
from mailguard.auth.accounts import AccountName
from mailguard.auth.passwords import (
    LENGTH,
    digest_app_password,
    generate_app_password,
    grouped,
    normalise_app_password,
)
from mailguard.keyring import ALPHABET, Keyring
from mailguard.secret import Secret

ANN = AccountName("ann@example.org")


def test_a_new_app_password_is_long_random_and_reads_back() -> None:
    made = {generate_app_password().reveal() for _ in range(50)}
    assert len(made) == 50
    for secret in made:
        assert len(secret) == LENGTH == 28
        assert set(secret.decode()) <= set(ALPHABET)
        shown = grouped(Secret(secret))
        assert [len(group) for group in shown.split("-")] == [4] * 7
        assert normalise_app_password(shown.encode()) == secret
        assert normalise_app_password(shown.upper().replace("-", " ").encode()) == secret


@pytest.mark.parametrize(
    "typed", [b"", b"k7mq", b"l" * 28, b"a" * 27, b"a" * 29, b"-" * 400 + b"a" * 28, "ａ".encode() * 28]
)
def test_what_cannot_be_an_app_password_is_not_looked_up(typed: bytes, ring: Keyring) -> None:
    assert normalise_app_password(typed) is None
    assert credential.read(Secret(typed)).app_password_digests(ring) == ()


def test_the_hash_looked_for_is_the_hash_stored(ring: Keyring) -> None:
    secret = generate_app_password()
    offered = credential.read(Secret(grouped(secret).encode()))
    assert digest_app_password(ring, secret.reveal()) in offered.app_password_digests(ring)


@pytest.mark.parametrize(
    ("string", "digits", "parts"),
    [
        (b"hunter2123456", 6, (b"hunter2", "123456")),
        (b"hunter2 123456", 6, (b"hunter2 ", "123456")),  # sent as it is: nothing is trimmed
        (b"12345678", 8, (b"", "12345678")),
        (b"1234567", 6, (b"1", "234567")),
        (b"hunter2", 6, None),
        (b"12345", 6, None),
        (b"", 6, None),
        ("pw１２３４５６".encode(), 6, None),  # full-width digits are no code
        ("pw12345²".encode(), 6, None),
    ],
)
def test_the_code_is_the_last_digits(string: bytes, digits: int, parts: tuple[bytes, str] | None) -> None:
    split = credential.read(Secret(string)).split(digits)
    assert (None if split is None else (split[0].reveal(), split[1])) == parts


def test_strings_have_one_spelling() -> None:
    composed, decomposed = "pässword", unicodedata.normalize("NFD", "pässword")
    assert composed != decomposed
    spellings = [composed.encode(), decomposed.encode(), composed.encode("cp1252")]
    assert {credential.read(Secret(s)).string.reveal() for s in spellings} == {composed.encode()}


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    assert credential.read(Secret(b"\x81\x8d\xff")).string.reveal() == b"\x81\x8d\xff"


def test_a_string_belongs_to_a_name(ring: Keyring) -> None:
    offered = credential.read(Secret(b"hunter2123456"))
    mine = offered.string_digests(ring, ANN)
    assert mine != offered.string_digests(ring, AccountName("bob@example.org"))
    assert mine != credential.read(Secret(b"hunter2123457")).string_digests(ring, ANN)
    assert credential.read(Secret(b"hunter2")).string_digests(ring, ANN) == ()


@given(st.binary(max_size=200))
def test_reading_never_fails_and_shows_nothing(raw: bytes) -> None:
    offered = credential.read(Secret(raw))
    for digits in (6, 8):
        split = offered.split(digits)
        if split is not None:
            assert split[0].reveal() + split[1].encode() == offered.string.reveal()
    if len(raw) > 6:
        assert repr(raw)[2:-1] not in repr(offered)
