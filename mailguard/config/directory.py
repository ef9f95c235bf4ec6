"""The table about a directory (LDAP) as the identity source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mailguard.config import kinds
from mailguard.config.choices import TlsMode
from mailguard.config.errors import Wrong
from mailguard.config.key import key
from mailguard.config.kinds import OPTIONAL_PATH, Kind

PLACES = ("{address}", "{local}")
"""What stands in a filter for the name that is looked up."""

_URL = r"ldaps?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?/?"


@dataclass(frozen=True, slots=True)
class Search:
    """Where entries are looked for, and by which filter (RFC 4515)."""

    base: str
    filter: str

    @property
    def hears_domain(self) -> bool:
        """Is the directory asked for the whole name, wherever it is asked for a part of it?"""
        return "{local}" not in self.filter


@dataclass(frozen=True, slots=True)
class GroupRule:
    """The members of a group of the directory (its DN) have this group's policy."""

    group: str
    policy: str


def _search(raw: object, _folder: Path) -> Search:
    if not isinstance(raw, dict) or raw.keys() != {"base", "filter"} or not all(_is_line(v) for v in raw.values()):
        raise Wrong("must be { base, filter }")
    search = Search(raw["base"], raw["filter"])
    if not search.base:
        raise Wrong("has no base")
    if not any(place in search.filter for place in PLACES):
        raise Wrong(f"has a filter without {' or '.join(PLACES)}, which finds the same entry for everybody")
    bare = re.sub(r"\\[0-9A-Fa-f]{2}", "", search.filter)
    if not bare.startswith("(") or bare.count("(") != bare.count(")") or re.search(r"[{}]", _filled(bare)):
        raise Wrong("has a filter that is none, such as (mail={address})")
    return search


def _filled(text: str) -> str:
    for place in PLACES:
        text = text.replace(place, "")
    return text


def _groups(raw: object, _folder: Path) -> tuple[GroupRule, ...]:
    if not isinstance(raw, list) or not all(
        isinstance(item, dict) and item.keys() == {"group", "policy"} and all(_is_line(v) for v in item.values())
        for item in raw
    ):
        raise Wrong("must be a list of { group, policy }")
    return tuple(GroupRule(item["group"], item["policy"]) for item in raw)


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityLdap:
    """The directory that is asked about users' own passwords."""

    url: str = key(
        kinds.text(rf"{_URL}(?: {_URL})*", "ldaps://HOST, or several with spaces between", longest=1000),
        "ldaps://directory.internal",
        "ldaps://, or ldap:// with starttls; of several the next where one is down",
        required=True,
    )
    tls: TlsMode = key(
        kinds.choice(TlsMode, never=(TlsMode.NONE,)), "implicit", "implicit | starttls; its certificate is demanded"
    )
    ca: Path | None = key(OPTIONAL_PATH, "", "PEM file; empty: the system's roots")
    bind: str = key(
        kinds.text(r"[^\x00-\x1f]*", "a DN or empty", longest=1000),
        "",
        "DN that looks entries up; empty: nobody in particular",
        example="cn=mailguard,dc=example,dc=org",
    )
    bind_secret_file: Path | None = key(
        OPTIONAL_PATH, "", "file with its password, mode 0600", example="directory-secret"
    )
    search: Search = key(
        Kind(_search, lambda value: {"base": value.base, "filter": value.filter}),
        {"base": "dc=example,dc=org", "filter": "(mail={address})"},
        "{address} and {local} stand for the name",
        required=True,
    )
    groups: tuple[GroupRule, ...] = key(
        Kind(_groups, lambda value: [{"group": rule.group, "policy": rule.policy} for rule in value]),
        [],
        "[{ group, policy }]: DN of a group, name of a [policy.group]; the first that fits",
    )
