"""Every word in every language, and every word that a page asks for."""

from __future__ import annotations

import re
from importlib import resources
from string import Formatter

import pytest

from mailguard.admin.gate import Denial
from mailguard.web import texts
from mailguard.web.texts import DEFAULT, LANGUAGES, chosen, read

OTHERS = [language for language in LANGUAGES if language != DEFAULT]


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_is_complete_and_fills_in_the_same_names(language: str) -> None:
    english, other = read(DEFAULT), read(language)
    assert set(other) == set(english)
    assert {key for key in english if _names(english[key]) != _names(other[key])} == set()


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_is_translated(language: str) -> None:
    english, other = read(DEFAULT), read(language)
    same = {key for key in english if english[key] == other[key] and len(english[key]) > 30}
    assert same == set()


def test_a_key_that_a_page_asks_for_is_there() -> None:
    known = texts.load()[DEFAULT]
    folder = resources.files("mailguard.web").joinpath("templates")
    asked = {
        key
        for page in folder.iterdir()
        if page.name.endswith(".html")
        for key in re.findall(r"""\bt\(\s*["']([a-z0-9_.-]+)["']\s*[,)]""", page.read_text(encoding="utf-8"))
    }
    assert len(asked) > 10
    assert {key for key in asked if not known.has(key)} == set()


def test_each_no_of_the_gate_has_its_words() -> None:
    known = texts.load()[DEFAULT]
    assert {why for why in Denial if not known.has(f"admin.denial_{why.name.lower()}")} == set()


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "fr", "en"),
        ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "en-GB, de", "en"),
        ("de", "en", "de"),
        ("xx", "de", "de"),
        ("", ";;,,-", "en"),
    ],
)
def test_which_language(cookie: str, accepted: str, language: str) -> None:
    assert chosen(cookie, accepted) == language
