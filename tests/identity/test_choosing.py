"""What users may choose as their own password."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth.accounts import AccountName
from mailguard.identity.choosing import ALONE, LEAST_SIGNS, LONGEST, WITH_FACTOR, PasswordRefused, chosen, common, signs

ANN = AccountName("ann.smith@practice.example")


@pytest.mark.parametrize(
    "text",
    [
        "Password1234567890",
        "P@ssw0rd2024!!!!",
        "qwertyuiopasdfgh",
        "poiuytrewqlkjhgfdsa",
        "annannannannannann",
        "ann.smith.practice.2024",
        "5m1th-Pr4ct1ce-99",
        "Sommer2025Sommer2025",
        "letmeinletmeinletmein",
        "aaaaaaaaaaaaaaaaaaaa",
        "1qaz2wsx3edc4rfv",
        "hunter2hunter2hunter2",
        "Passwort-Geheim-1",
    ],
)
def test_what_everybody_chooses_is_refused_however_long(text: str) -> None:
    with pytest.raises(PasswordRefused, match="common words") as refused:
        chosen(text, ANN, least=ALONE)
    assert text not in str(refused.value)


@pytest.mark.parametrize("text", ["correct horse battery staple", "kühler Wind im Flur heute", "tz7#Kq!mvR2pWx9e"])
def test_words_of_ones_own_are_taken_as_they_are(text: str) -> None:
    assert chosen(text, ANN, least=ALONE).reveal() == text.encode()


def test_lengths_are_those_of_the_standard() -> None:
    text = "vbq kzt hmwxd rlpj"
    assert chosen(text[:ALONE], ANN, least=ALONE)
    assert chosen(text[:WITH_FACTOR], ANN, least=WITH_FACTOR)
    with pytest.raises(PasswordRefused, match="has 14 characters; write at least 15"):
        chosen(text[: ALONE - 1], ANN, least=ALONE)
    with pytest.raises(PasswordRefused, match="has 7 characters; write at least 8"):
        chosen(text[: WITH_FACTOR - 1], ANN, least=WITH_FACTOR)
    with pytest.raises(PasswordRefused, match="at most 128"):
        chosen((text * 8)[: LONGEST + 1], ANN, least=ALONE)


def test_what_no_mail_program_can_send_is_refused() -> None:
    with pytest.raises(PasswordRefused, match="control character"):
        chosen("vbq kzt\0hmwxd rlpj", ANN, least=ALONE)


def test_two_spellings_of_one_letter_are_one_password() -> None:
    text = "Bügelbrett im Schnürsenkel"
    assert chosen(unicodedata.normalize("NFD", text), ANN, least=ALONE) == chosen(text, ANN, least=ALONE)


def test_every_common_word_is_one_sign_with_letters_swapped_too() -> None:
    assert len(common()) > 1000
    assert {word for word in common() if signs(word) > 1 and len(word) > 2} == set()
    assert signs("p4$$w0rd") == 1
    assert signs("smith", {"smith"}) == 1 < LEAST_SIGNS <= signs("smith")


@given(st.text(max_size=200))
def test_no_text_has_more_signs_than_characters(text: str) -> None:
    assert 0 <= signs(text) <= len(text.casefold())
