"""EHLO lists: which keywords clients may be told, and whether a store keeps what they were told (RFC 5321 §4.1.1.1).

Clients do not ask again after AUTH, so what they hear before must be a subset of what the store offers behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

# Extensions that live wholly between client and store once the relay stands. Everything else goes: what is ours to
# speak (AUTH, STARTTLS), what needs rights of ours (XCLIENT, XFORWARD), what leads elsewhere (BURL), the unknown.
_RELAYED = frozenset(
    {
        "PIPELINING",
        "SIZE",
        "8BITMIME",
        "SMTPUTF8",
        "DSN",
        "CHUNKING",
        "BINARYMIME",
        "ENHANCEDSTATUSCODES",
        "LIMITS",
        "FUTURERELEASE",
        "MT-PRIORITY",
        "REQUIRETLS",
        "DELIVERBY",
    }
)


def announceable(keywords: Mapping[str, str]) -> frozenset[str]:
    """A store's EHLO list → the lines that clients may be told, `SIZE 52428800` with its parameter."""
    kept = {keyword: parameters for keyword, parameters in keywords.items() if keyword in _RELAYED}
    if "CHUNKING" not in kept:
        kept.pop("BINARYMIME", None)  # RFC 3030 §3: of no use, and not allowed, without BDAT
    return frozenset(f"{keyword} {parameters}".strip() for keyword, parameters in kept.items())


def missing(announced: frozenset[str], offered: Mapping[str, str]) -> frozenset[str]:
    """Keywords of the announced lines that the store does not offer now, or offers less of."""
    told = _keywords(announced)
    lost = told.keys() - offered.keys()
    if "SIZE" in told and "SIZE" in offered and not _as_large(offered["SIZE"], told["SIZE"]):
        lost.add("SIZE")
    return frozenset(lost)


def size(lines: frozenset[str]) -> int | None:
    """The announced limit of a message, in octets; None where there is none."""
    return _limit(_keywords(lines).get("SIZE", "")) or None


@lru_cache(maxsize=8)
def _keywords(lines: frozenset[str]) -> Mapping[str, str]:
    parts = (line.partition(" ") for line in lines)
    return {keyword: parameters for keyword, _, parameters in parts}


def _as_large(offered: str, announced: str) -> bool:
    live, told = _limit(offered), _limit(announced)
    return live == 0 or 0 < told <= live


def _limit(parameter: str) -> int:
    """Octets; 0 for "no fixed limit", which is also how a bare or unreadable SIZE is taken (RFC 1870 §3)."""
    first = parameter.partition(" ")[0]
    return int(first) if first.isascii() and first.isdigit() and len(first) <= 20 else 0
