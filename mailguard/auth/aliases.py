r"""Further names of accounts: one line each, the alias and the account behind it.

    # alias               account
    info@example.org      ann@example.org
    CORP\ann.old          ann@example.org
    CORP\*                *@example.org      # every user of a Windows domain

A line without a domain gets the usual one. Everything from a # at the beginning of a word to the end is a comment.
An alias leads to an account and never to another alias, so that a name is resolved in one step and for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import MappingProxyType

from mailguard.auth.accounts import AccountName
from mailguard.auth.names import NO_DOMAIN, Aliases, NameRefused, windows_form, windows_key

EVERYBODY = "*"
_COMMENT = re.compile(r"(?:^|\s)#.*")
_WINDOWS_DOMAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class AliasRefused(Exception):
    """A line that cannot be meant. The text names the line and says, after "; ", what to write instead."""


def read(text: str, canonical: Callable[[str], AccountName]) -> Aliases:
    """Read the file's text. `canonical` gives the one form of an address, or raises NameRefused. AliasRefused at the
    first line that cannot be meant."""
    names: dict[str, AccountName] = {}
    domains: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, alias, account in _pairs(text):
        key = _alias(alias, canonical, number)
        if key in lines:
            raise AliasRefused(f"line {number}: {alias} stands in line {lines[key]} already; remove one of them")
        lines[key] = number
        if key.endswith("\\" + EVERYBODY):
            domains[key.removesuffix("\\" + EVERYBODY)] = _mail_domain(account, canonical, number)
        else:
            names[key] = _one_form(account, canonical, number)
    for key, name in names.items():
        if name == key:
            raise AliasRefused(f"line {lines[key]}: {key} is the account itself; remove the line")
        if name in names:
            raise AliasRefused(
                f"line {lines[key]}: {name} is an alias itself (line {lines[name]}); write {names[name]}"
            )
    return Aliases(MappingProxyType(names), MappingProxyType(domains))


def _pairs(text: str) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        words = _COMMENT.sub("", line).split()
        if not words:
            continue
        if len(words) != 2:
            raise AliasRefused(f"line {number}: holds {len(words)} words; write an alias and its account")
        yield number, words[0], words[1]


def _alias(alias: str, canonical: Callable[[str], AccountName], number: int) -> str:
    windows = windows_form(alias)
    if windows is None:
        return _one_form(alias, canonical, number)
    domain, user = windows
    if not _WINDOWS_DOMAIN.fullmatch(domain):
        raise AliasRefused(f"line {number}: {alias} names no Windows domain; write DOMAIN\\user or DOMAIN\\*")
    if user == EVERYBODY:
        return f"{domain}\\{EVERYBODY}"
    return windows_key(domain, _one_form(f"{user}@{NO_DOMAIN}", canonical, number))


def _mail_domain(account: str, canonical: Callable[[str], AccountName], number: int) -> str:
    user, _, domain = account.partition("@")
    if user != EVERYBODY or not domain:
        raise AliasRefused(f"line {number}: every user of a Windows domain is not {account}; write *@example.org")
    return _one_form(f"x@{domain}", canonical, number).partition("@")[2]


def _one_form(name: str, canonical: Callable[[str], AccountName], number: int) -> AccountName:
    try:
        return canonical(name)
    except NameRefused as refused:
        raise AliasRefused(f"line {number}: {name} {refused}; write the address of an account") from None
