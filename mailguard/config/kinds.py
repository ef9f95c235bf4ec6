"""The kinds of values that keys take: each reads a TOML value, checks its range, and can write it again."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Generic, TypeVar

from mailguard.config.errors import NotBuilt, Wrong

Raw = str | int | bool | date | list["Raw"] | dict[str, "Raw"]
"""A TOML value, as far as our keys use them."""

Network = IPv4Network | IPv6Network

UNIX = "unix:"
"""What a host begins with that is the path of a socket."""

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """`read(raw, folder)` raises Wrong; relative paths are resolved against `folder`. `write` is its inverse."""

    read: Callable[[object, Path], T]
    write: Callable[[T], Raw]


def text(pattern: str, what: str, *, longest: int = 255) -> Kind[str]:
    """A string that matches a pattern as a whole; `what` completes "must be …"."""
    whole = re.compile(pattern, re.ASCII)

    def read(raw: object, _folder: Path) -> str:
        value = _string(raw)
        if len(value) > longest or not whole.fullmatch(value):
            raise Wrong(f"must be {what}, not {shown(raw)}")
        return value

    return Kind(read, str)


def integer(least: int, most: int) -> Kind[int]:
    """A whole number within a range."""

    def read(raw: object, _folder: Path) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise Wrong(f"must be a whole number, not {shown(raw)}")
        if not least <= raw <= most:
            raise Wrong(f"must be {least}..{most}, not {raw}")
        return raw

    return Kind(read, int)


def choice(words: type[E], *, later: Collection[E] = (), never: Collection[E] = ()) -> Kind[E]:
    """One word of a closed list. `later` are known but not built yet; `never` do not fit this key."""
    allowed = [word for word in words if word not in never]

    def read(raw: object, _folder: Path) -> E:
        value = _string(raw)
        if value not in [str(word) for word in allowed]:
            raise Wrong(f"must be {_alternatives([str(word) for word in allowed])}, not {shown(raw)}")
        if value in later:
            raise NotBuilt(f"{shown(raw)} is not built yet")
        return words(value)

    return Kind(read, str)


def duration(shortest: str, longest: str) -> Kind[float]:
    """A length of time, in seconds once read: `90s`, `15m`, `12h`, `365d`, or `0`."""

    def read(raw: object, _folder: Path) -> float:
        seconds = _seconds(raw)
        if not _seconds(shortest) <= seconds <= _seconds(longest):
            raise Wrong(f"must be {shortest}..{longest}, not {shown(raw)}")
        return seconds

    return Kind(read, in_words)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many within so many seconds."""

    count: int
    seconds: float


def rate(least: int, most: int, shortest: str, longest: str) -> Kind[Rate]:
    """A count and a length of time, such as `4/30m`."""
    within = duration(shortest, longest)

    def read(raw: object, folder: Path) -> Rate:
        count, _, time = _string(raw).partition("/")
        if not re.fullmatch(r"\d{1,9}", count, re.ASCII) or not least <= int(count) <= most:
            raise Wrong(f'must be {least}..{most} within a time, such as "4/30m", not {shown(raw)}')
        return Rate(int(count), within.read(time, folder))

    return Kind(read, lambda value: f"{value.count}/{in_words(value.seconds)}")


def optional_duration(shortest: str, longest: str) -> Kind[float | None]:
    """A length of time, or the empty string for none."""
    some = duration(shortest, longest)

    def read(raw: object, folder: Path) -> float | None:
        return None if raw == "" else some.read(raw, folder)

    return Kind(read, lambda value: "" if value is None else in_words(value))


def in_words(seconds: float) -> str:
    """A length of time as it is written in the file."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s" if seconds else "0"


def _flag(raw: object, _folder: Path) -> bool:
    if not isinstance(raw, bool):
        raise Wrong(f"must be true or false, not {shown(raw)}")
    return raw


def _path(raw: object, folder: Path) -> Path:
    if not _string(raw):
        raise Wrong("must name a file")
    return folder / _string(raw)


def _optional_path(raw: object, folder: Path) -> Path | None:
    return folder / _string(raw) if raw != "" else None


def _networks(raw: object, _folder: Path) -> tuple[Network, ...]:
    if not isinstance(raw, list):
        raise Wrong(f"must be a list of networks, not {shown(raw)}")
    return tuple(network(item) for item in raw)


def _domains(raw: object, folder: Path) -> tuple[str, ...]:
    if not isinstance(raw, list):
        raise Wrong(f"must be a list of domains, not {shown(raw)}")
    return tuple(HOSTNAME.read(item, folder).lower() for item in raw)


def network(raw: object) -> Network:
    """One network, as it stands in a list of them."""
    try:
        return ip_network(_string(raw))
    except ValueError:
        raise Wrong(f'must hold networks such as "192.0.2.0/24", not {shown(raw)}') from None


def _address(raw: object, _folder: Path) -> str:
    host, _, port = _string(raw).rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        bracketed = ip_address(bare).version == 6
    except ValueError:
        bracketed = bare == host  # neither form fits
    if not _PORT.fullmatch(port) or int(port) > 65535 or bracketed != host.startswith("["):
        raise Wrong(f'must be an IP address and a port such as "0.0.0.0:993" or "[::]:993", not {shown(raw)}')
    return _string(raw)


def _optional_address(raw: object, folder: Path) -> str:
    return "" if raw in ("", "none") else _address(raw, folder)


def _host(raw: object, _folder: Path) -> str:
    value = _string(raw)
    if value.startswith(f"{UNIX}/") or _HOSTNAME.fullmatch(value) or _is_ip(value):
        return value
    raise Wrong(f"must be a host name, an IP address or unix:/path, not {shown(raw)}")


def within_this_machine(host: str) -> bool:
    """Is this host reached without a network: a unix socket, or loopback?"""
    return host.startswith(UNIX) or host == "localhost" or (_is_ip(host) and ip_address(host).is_loopback)


def is_mailbox(address: str) -> bool:
    """Is this a mail address of ASCII, in full, that needs no quotes (RFC 5321 §4.1.2)?"""
    return len(address) <= 254 and _MAILBOX.fullmatch(address) is not None


def _local_ip(raw: object, _folder: Path) -> str:
    value = _string(raw)
    if value and not _is_ip(value):
        raise Wrong(f"must be an IP address of this machine or empty, not {shown(raw)}")
    return value


def _date(raw: object, _folder: Path) -> date | None:
    if raw == "":
        return None
    if not isinstance(raw, date) or isinstance(raw, datetime):  # a moment is a date to Python
        raise Wrong(f"must be a date such as 2027-03-31, or empty, not {shown(raw)}")
    return raw


def _url_of_store(raw: object, folder: Path) -> str:
    value = _string(raw)
    scheme, _, rest = value.partition(":///")
    if value.startswith("postgresql"):
        raise NotBuilt("postgresql is not built yet")
    if scheme != "sqlite" or not rest or any(mark in rest for mark in "?#%"):
        raise Wrong(f"must be sqlite:///FILE, not {shown(raw)}")
    return f"sqlite:///{folder / rest}"


def _string(raw: object) -> str:
    if not isinstance(raw, str):
        raise Wrong(f"must be text in quotes, not {shown(raw)}")
    if not raw.isprintable():
        raise Wrong("must not hold control characters")
    return raw


def _seconds(raw: object) -> float:
    match = _DURATION.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        raise Wrong(f'must be a length of time such as "90s", "15m", "12h", "365d" or "0", not {shown(raw)}')
    return float(match["number"]) * _UNITS[match["unit"]] if match["unit"] else 0.0


def _is_ip(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _alternatives(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def shown(raw: object) -> str:
    """A refused value, on one line and not too long."""
    value = toml(raw) if isinstance(raw, str | int | date) else type(raw).__name__
    return value if len(value) <= 60 else value[:57] + "…"


def toml(raw: Raw) -> str:
    """A value in TOML's own notation."""
    match raw:
        case bool():
            return "true" if raw else "false"
        case int() | date():
            return str(raw)
        case str():
            escaped = raw.replace("\\", "\\\\").replace('"', '\\"')
            return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
        case list():
            return "[" + ", ".join(toml(item) for item in raw) + "]"
        case dict():
            return "{ " + ", ".join(f"{name} = {toml(value)}" for name, value in raw.items()) + " }"


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"0|(?P<number>\d{1,9}(?:\.\d{1,3})?)(?P<unit>[smhd])", re.ASCII)
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+"
# What looks like an encoded word (RFC 2047) is written into no header.
_MAILBOX = re.compile(rf"(?!.*=\?)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_HOSTNAME.pattern}", re.ASCII)

FLAG = Kind(_flag, bool)
PATH = Kind(_path, str)
OPTIONAL_PATH = Kind(_optional_path, lambda value: "" if value is None else str(value))
NETWORKS = Kind(_networks, lambda value: [str(network) for network in value])
ADDRESS = Kind(_address, str)
OPTIONAL_ADDRESS = Kind(_optional_address, lambda value: value or "none")
HOST = Kind(_host, str)
LOCAL_IP = Kind(_local_ip, str)
DATE: Kind[date | None] = Kind(_date, lambda value: "" if value is None else value)
STORE_URL = Kind(_url_of_store, str)
PORT = integer(1, 65535)
USER = text(r"(?:[a-z_][a-z0-9_-]{0,31})?", "a user of this machine or empty")
HOSTNAME = text(_HOSTNAME.pattern, "a host name")
DOMAINS = Kind(_domains, list)
DOMAIN = text(rf"(?:{_HOSTNAME.pattern})?", "a domain or empty")
MAILBOX = text(rf"(?:{_MAILBOX.pattern})?", "a mail address such as security@example.org, or empty")
WEB_ADDRESS = text(r"(?:https://[!#-;=?-~]+)?", "an address that begins with https://", longest=90)
"""ASCII without spaces, quotes and angle brackets: it is put into replies of every protocol."""
ONE_LINE = text(r"[ !#-\[\]-~]*", "one line of ASCII without quotes and backslashes", longest=80)
"""Put into replies of every protocol as well."""
