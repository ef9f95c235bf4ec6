"""What users may choose as their own password (NIST SP 800-63B-4 3.1.1.2): long enough, and not what everybody chooses.

No rules of composition: they make worse passwords. Instead the guessable parts of a password are counted as a guesser
counts them: a common word, a walk over the keyboard, a row of digits, a part of the user's own name are one sign each,
however long they are and whatever letters were swapped for digits.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from mailguard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mailguard.auth.accounts import AccountName

ALONE = 15  # characters of a password that may open a mailbox by itself
WITH_FACTOR = 8
LONGEST = 128
LEAST_SIGNS = 5
SHORTEST_PART = 3

_SWAPPED = str.maketrans("013457@$!|", "oieastasil")
_WALKS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
          "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm", "abcdefghijklmnopqrstuvwxyz", "0123456789",
          "1234567890")  # fmt: skip
_REPEAT = re.compile(r"(.{1,3}?)\1{2,}|(.{4,64}?)\2+")
_DIGITS = re.compile(r"\d+")


class PasswordRefused(Exception):
    """Not this password. The text says why, without the password."""


def chosen(text: str, name: AccountName, *, least: int) -> Secret:
    """The password to keep; PasswordRefused says what is wrong with it. `least`: ALONE or WITH_FACTOR."""
    composed = unicodedata.normalize("NFC", text)
    if any(unicodedata.category(char) == "Cc" for char in composed):
        raise PasswordRefused("holds a control character, which no mail program can send")
    if len(composed) < least:
        raise PasswordRefused(f"has {len(composed)} characters; write at least {least}")
    if len(composed) > LONGEST:
        raise PasswordRefused(f"has {len(composed)} characters; write at most {LONGEST}")
    if signs(composed, _parts_of(name)) < LEAST_SIGNS:
        raise PasswordRefused("is made of common words, rows, years or the user's own name; write some words of yours")
    return Secret(composed.encode())


def signs(password: str, own: Iterable[str] = ()) -> int:
    """How many independent signs a guesser has to hit. `own`: words that belong to the user."""
    words = common() | {word.translate(_SWAPPED) for word in own} | set(own)
    plain = password.casefold()
    swapped = plain.translate(_SWAPPED)
    count, at = 0, 0
    while at < len(plain):
        part = max(_lengths(plain, swapped, at, words), default=0)
        count += 1 if part or plain[at].isalnum() else 0  # what stands between words is no sign
        at += part or 1
    return count


def _lengths(plain: str, swapped: str, at: int, words: frozenset[str]) -> Iterator[int]:
    """Of everything guessable that begins here."""
    for pattern in (_REPEAT, _DIGITS):
        if found := pattern.match(plain, at):
            yield len(found[0])
    for end in range(at + SHORTEST_PART, len(plain) + 1):
        if {plain[at:end], swapped[at:end]} & words or _is_walk(plain[at:end]):
            yield end - at


def _is_walk(part: str) -> bool:
    return any(part in walk or part in walk[::-1] for walk in _WALKS)


def _parts_of(name: AccountName) -> frozenset[str]:
    return frozenset(part for part in re.split(r"[\W_\d]+", name.casefold()) if len(part) >= SHORTEST_PART)


@cache
def common() -> frozenset[str]:
    """Words that passwords are commonly made of, in lower case."""
    lines = resources.files(__package__).joinpath("common.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
