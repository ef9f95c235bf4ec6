"""The name given to the store: made from the account's by a template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mailguard.config.errors import Wrong
from mailguard.config.kinds import Kind, shown

_FIELD = re.compile(r"\{(local|domain|address)\}")
_LITERAL = re.compile(r"[!#$&'+,./0-9:;<=>?@A-Z\\^_`a-z|~()\[\]-]*")  # no space, no *, no quote, no brace, no %
_APART = re.compile(r"[\\/@:;,]")  # what no name holds: local and domain cannot run into one another
_FIELDS = (["address"], ["local"], ["local", "domain"], ["domain", "local"])


@dataclass(frozen=True, slots=True)
class Username:
    r"""A template: `{address}`, `{local}`, `CORP\{local}`, `{domain}/{local}`. Two accounts never make one name of it,
    as long as a store that hears no domain has one domain only."""

    template: str

    ADDRESS: ClassVar[Username]
    LOCAL: ClassVar[Username]

    def of(self, address: str) -> str:
        """The store's name of an account."""
        local, _, domain = address.partition("@")
        values = {"local": local, "domain": domain, "address": address}
        return _FIELD.sub(lambda field: values[field[1]], self.template)

    @property
    def hears_domain(self) -> bool:
        """Does the store learn which domain is meant?"""
        return _FIELD.findall(self.template) != ["local"]


Username.ADDRESS = Username("{address}")
Username.LOCAL = Username("{local}")
_WORDS = {"address": Username.ADDRESS, "local": Username.LOCAL}


def _read(raw: object, _folder: Path) -> Username:
    if not isinstance(raw, str):
        raise Wrong(f"must be text in quotes, not {shown(raw)}")
    if raw in _WORDS:
        return _WORDS[raw]
    literals, fields = _FIELD.split(raw)[::2], _FIELD.findall(raw)
    if fields not in _FIELDS or not all(map(_LITERAL.fullmatch, literals)) or len(raw) > 100:
        raise Wrong(f"must be address, local or a template with {{local}}, not {shown(raw)}")
    if len(fields) == 2 and not _APART.search(literals[1]):
        raise Wrong(f"must part {{local}} and {{domain}} by \\ or /, not {shown(raw)}")
    return Username(raw)


def _write(username: Username) -> str:
    return next((word for word, usual in _WORDS.items() if usual == username), username.template)


USERNAME = Kind(_read, _write)
