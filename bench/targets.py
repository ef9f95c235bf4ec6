"""Who is measured, and what: the words of every figure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from bench.clients import Credential
from bench.meter import Meter


class Column(enum.Enum):
    """One kind of work: its key in the JSON, its name, its unit."""

    IMAP_LOGIN = ("imap_login", "IMAP login by app password", "CPU µs")
    GRANT_LOGIN = ("grant_login", "IMAP login by password and code, under a grant", "CPU µs")
    SUBMISSION_LOGIN = ("submission_login", "submission login", "CPU µs")
    SMALL = ("message_1mb", "messages of 1 MB", "CPU s/GB")
    LARGE = ("message_10mb", "messages of 10 MB", "CPU s/GB")
    FETCH = ("fetch", "bulk FETCH", "CPU s/GB")
    APPEND = ("append", "bulk APPEND", "CPU s/GB")
    TRIP = ("trip", "round trip", "CPU µs")
    IDLE = ("idle", "idle session", "KiB")
    LOGIN_P50 = ("login_p50", "IMAP login, wait, p50", "ms")
    LOGIN_P99 = ("login_p99", "IMAP login, wait, p99", "ms")
    TRIP_P50 = ("trip_p50", "round trip, wait, p50", "µs")
    TRIP_P99 = ("trip_p99", "round trip, wait, p99", "µs")

    def __init__(self, key: str, label: str, unit: str) -> None:
        self.key = key
        self.label = label
        self.unit = unit

    @property
    def added(self) -> bool:
        """Is it told as what comes on top of the store direct?"""
        return self in {Column.LOGIN_P50, Column.LOGIN_P99, Column.TRIP_P50, Column.TRIP_P99}


class Who(enum.Enum):
    """A target's name in tables."""

    GUARD = "mailguard"
    NGINX_TLS = "nginx, TLS leg"
    NGINX_PLAIN = "nginx, plain leg"
    DOVECOT = "Dovecot proxy"
    STORE = "store direct"


@dataclass(frozen=True, slots=True)
class Target:
    """A running target: its ports (0: it does not speak that protocol), its processes, who may log in."""

    who: Who
    imap_port: int
    submission_port: int
    meter: Meter
    credentials: Sequence[Credential]
    grants: Sequence[Credential] = ()  # logins by password and code, each opened already


Figures = dict[Column, float]
