"""Every word that people read, by language: texts/LANGUAGE/AREA.toml, used as `area.key`.

A value may hold {names} that are filled in. English is complete and stands in for what another language lacks.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

LANGUAGES = {"en": "English", "de": "Deutsch"}
DEFAULT = "en"


@dataclass(frozen=True, slots=True)
class Texts:
    """One language."""

    language: str
    phrases: Mapping[str, str]  # "area.key" → text

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of this key. KeyError: a template names one that is not there."""
        return self.phrases[key].format_map(values) if values else self.phrases[key]

    def has(self, key: str) -> bool:
        """Whether there is such a text: for keys that come from outside."""
        return key in self.phrases


@cache
def load() -> Mapping[str, Texts]:
    """All languages."""
    english = read(DEFAULT)
    return MappingProxyType(
        {language: Texts(language, MappingProxyType({**english, **read(language)})) for language in LANGUAGES}
    )


def read(language: str) -> dict[str, str]:
    """One language's own files, flat."""
    folder = resources.files(__package__).joinpath("texts", language)
    phrases: dict[str, str] = {}
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            area = file.name.removesuffix(".toml")
            phrases |= {f"{area}.{key}": text for key, text in tomllib.loads(file.read_text(encoding="utf-8")).items()}
    return phrases


def chosen(cookie: str, accepted: str) -> str:
    """The language for a request: what was chosen once, else the first of Accept-Language (RFC 9110 12.5.4) that we
    have. Quality values are not weighed: browsers send them in order."""
    wished = [cookie, *(part.partition(";")[0].strip().partition("-")[0].lower() for part in accepted.split(","))]
    return next((language for language in wished if language in LANGUAGES), DEFAULT)
