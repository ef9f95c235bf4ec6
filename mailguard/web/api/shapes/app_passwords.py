"""App passwords, and the links that make them."""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mailguard.auth.attempt import MailProtocol
from mailguard.web.api.shapes.base import Label, Shape, Wish, moment, moment_or_none

if TYPE_CHECKING:
    from mailguard.auth.accounts import AppPassword

Seconds = Annotated[int, Field(ge=60, le=3650 * 24 * 3600)]


class AppPasswordRow(Shape):
    """An app password, without its secret."""

    id: str
    label: str
    person: str = Field(description="The id of the account whose it is, of a shared mailbox.")
    protocols: list[MailProtocol]
    networks: list[str]
    created: datetime
    expires: datetime | None
    lapses: datetime | None = Field(description="Unless it is used before.")
    revoked: datetime | None
    last_used: datetime | None
    last_used_from: str
    last_used_protocol: str
    last_client: str
    client_lock: bool
    client_bound: str
    issued_by: str
    seen_by_operator: bool

    @classmethod
    def of(cls, each: AppPassword) -> AppPasswordRow:
        """From its row."""
        return cls(
            id=each.id,
            label=each.label,
            person=each.person_id,
            protocols=sorted(each.protocols),
            networks=[str(network) for network in each.networks],
            created=moment(each.created_at),
            expires=moment_or_none(each.expires_at),
            lapses=moment_or_none(each.lapses_at),
            revoked=moment_or_none(each.revoked_at),
            last_used=moment_or_none(each.last_used_at),
            last_used_from=each.last_used_from,
            last_used_protocol=each.last_used_protocol,
            last_client=each.last_client,
            client_lock=each.client_lock,
            client_bound=each.client_bound,
            issued_by=each.issued_by,
            seen_by_operator=each.seen_by_operator,
        )


class NewClaimLink(Wish):
    """What the app password shall be that the link makes for its owner, who opens it signed in."""

    label: Label = Field(examples=["Ann's phone"])
    protocols: list[MailProtocol] = Field([], max_length=8, description="What it opens; empty: all that there are.")
    networks: list[IPv4Network | IPv6Network] = Field([], max_length=32, description="Accept it from here alone.")
    expires_seconds: Seconds | None = Field(None, description="Its life; policy may shorten it.")
    idle_seconds: Seconds | None = Field(None, description="Unused for so long it lapses; policy may shorten it.")
    client_lock: bool = Field(False, description="Bind it to the first name that its IMAP client gives.")


class Revoked(Shape):
    """How many were revoked that were not before."""

    revoked: int
