"""How each mail program is set up: its steps, and the settings that go into it.

The steps are texts (`guides.PROGRAM_1`, …) in which `**` stands around what the program itself calls so. Their English
is what docs/users says as well, word for word.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from itertools import count, takewhile
from typing import TYPE_CHECKING

from mailguard.auth.attempt import MailProtocol
from mailguard.config.choices import ProtocolName, TlsMode

if TYPE_CHECKING:
    from collections.abc import Collection

    from mailguard.web.discovery.offer import Offer, Server
    from mailguard.web.texts import Texts

SECURITY = {TlsMode.IMPLICIT: "SSL/TLS", TlsMode.STARTTLS: "STARTTLS"}  # as the programs call it, in any language


@unique
class Program(StrEnum):
    """What a person may want to set up."""

    THUNDERBIRD = "thunderbird"
    OUTLOOK = "outlook"
    IPHONE = "iphone"
    MAC = "mac"
    ANDROID = "android"  # Thunderbird for Android, K-9
    ANDROID_OTHER = "android-other"
    OTHER = "other"  # a printer, a script, a program that has no page of its own

    @property
    def takes_profile(self) -> bool:
        """Apple's devices are set up by a file."""
        return self in (Program.IPHONE, Program.MAC)

    @property
    def key(self) -> str:
        """As its texts are named."""
        return self.value.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Guide:
    """One program's steps and settings."""

    program: Program
    steps: tuple[str, ...]
    warning: str
    servers: tuple[Server, ...]  # those that the app password opens, the better one of two first
    profile_steps: tuple[str, ...]


def guide(program: Program, told: Offer, opens: Collection[MailProtocol], texts: Texts) -> Guide:
    """The guide for an app password that opens these."""
    theirs = {ProtocolName(protocol.value) for protocol in opens}
    warning = f"guides.{program.key}_warning"
    return Guide(
        program=program,
        steps=steps(program.key, texts),
        warning=texts(warning) if texts.has(warning) else "",
        servers=tuple(server for server in told.servers if server.protocol in theirs),
        profile_steps=steps("profile", texts) if program.takes_profile else (),
    )


def both_ways(told: Offer) -> bool:
    """Can a file that sets up reading and sending be made?"""
    return bool(told.of(ProtocolName.IMAP) and told.of(ProtocolName.SUBMISSION))


def steps(key: str, texts: Texts) -> tuple[str, ...]:
    """The numbered texts under a key, for as long as there are any."""
    numbered = (f"guides.{key}_{number}" for number in count(1))
    return tuple(texts(each) for each in takewhile(texts.has, numbered))
