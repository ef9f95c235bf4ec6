"""How things stand: readiness, overview, explanations, settings, API keys."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, Field

from mailguard.admin.readiness import Outcome
from mailguard.auth.roles import Role, Scope
from mailguard.explain.troubles import Kind
from mailguard.web.api.shapes.accounts import Group
from mailguard.web.api.shapes.base import Shape, Wish, moment, moment_or_none

if TYPE_CHECKING:
    from mailguard.admin.overview import Overview
    from mailguard.admin.readiness import Unready
    from mailguard.auth.api_keys import ApiKey


class ReadinessAsked(Wish):
    """Since when the record is read, 30 days if left out; of one group where named."""

    since: AwareDatetime | None = None
    group: Group = ""


class UnreadyRow(Shape):
    """Somebody without a factor, and how they get in today."""

    account: str
    group: str
    outcome: Outcome
    client: str
    address: str
    protocol: str
    logins: int
    refused: int
    since: datetime | None
    last: datetime | None

    @classmethod
    def of(cls, each: Unready) -> UnreadyRow:
        """From the logins of one place, or an app password handed out."""
        seen, handed = each.seen, each.handed_out
        since = seen.since if seen is not None else handed.created_at if handed is not None else None
        return cls(
            account=each.account.name,
            group=each.account.group,
            outcome=each.outcome,
            client=seen.place.client if seen is not None else handed.label if handed is not None else "",
            address=seen.place.address if seen is not None else "",
            protocol=seen.place.protocol if seen is not None else "",
            logins=seen.passed if seen is not None else 0,
            refused=seen.refused if seen is not None else 0,
            since=moment_or_none(since),
            last=moment(seen.last_at) if seen is not None else None,
        )


class Readiness(Shape):
    """Who would be locked out if two-factor were enforced today, by which client."""

    items: list[UnreadyRow]


class OverviewAsked(Wish):
    """Of the last so many days."""

    days: int = Field(7, ge=1, le=90)


class SignInsOfDay(Shape):
    """Sign-ins and logins that passed on one day (UTC) by one factor."""

    day: date
    factor: str
    times: int


class OverviewNumbers(Shape):
    """How things stand, within the key's limit."""

    sign_ins: list[SignInsOfDay]
    refusals: dict[str, int] = Field(description="By reason.")
    sessions: dict[str, int] = Field(description="Live ones, by protocol.")
    people: int
    enrolled: int = Field(description="Of these, have a factor.")
    suspended: int
    failing: int
    since: datetime
    whole: bool = Field(description="False: the record holds more than was counted.")

    @classmethod
    def of(cls, seen: Overview) -> OverviewNumbers:
        """From the sums."""
        began = date(1970, 1, 1)
        return cls(
            sign_ins=[
                SignInsOfDay(day=began + timedelta(days=day), factor=factor, times=times)
                for (day, factor), times in sorted(seen.sign_ins.items())
            ],
            refusals=dict(seen.refusals),
            sessions=dict(seen.sessions),
            people=seen.people,
            enrolled=seen.enrolled,
            suspended=seen.suspended,
            failing=seen.failing,
            since=moment(seen.since),
            whole=seen.whole,
        )


class ExplainAsked(Wish):
    """How far back."""

    hours: int = Field(24, ge=1, le=24 * 366)


class TroubleRow(Shape):
    """One thing that goes wrong at one device."""

    kind: Kind
    times: int
    since: datetime
    last_at: datetime
    mended_at: datetime | None
    addresses: list[str]
    protocols: list[str]
    client: str
    credential: str
    detail: str
    drift: int | None = Field(description="Seconds by which the clock that made the code is ahead.")
    label: str
    text: str
    commands: list[str]


class Explanation(Shape):
    """Why logins at one address failed, in plain words."""

    account: str
    exists: bool
    since: datetime
    until: datetime
    let_in: datetime | None
    text: str
    commands: list[str]
    troubles: list[TroubleRow]


class Setting(Shape):
    """A key of the configuration, and its value in TOML."""

    key: str = Field(examples=["policy.two_factor"])
    value: str = Field(examples=['"warn"'])


class Settings(Shape):
    """What is in force."""

    items: list[Setting]


class ZoneLine(Shape):
    """A line of a mail domain's zone."""

    domain: str
    name: str
    type: str
    value: str
    note: str


class Zone(Shape):
    """The lines by which mail programs find the guard."""

    items: list[ZoneLine]


class ApiKeyRow(Shape):
    """An API key, without its secret."""

    id: str
    label: str
    usable: bool
    role: Role
    role_limit: str
    scopes: list[Scope]
    created: datetime
    expires: datetime
    revoked: datetime | None
    last_used: datetime | None
    last_used_from: str
    issued_by: str
    seen_by_operator: bool

    @classmethod
    def of(cls, key: ApiKey, now: float) -> ApiKeyRow:
        """From its row."""
        return cls(
            id=key.id,
            label=key.label,
            usable=key.usable(now),
            role=key.role,
            role_limit=str(key.limit),
            scopes=sorted(key.scopes),
            created=moment(key.created_at),
            expires=moment(key.expires_at),
            revoked=moment_or_none(key.revoked_at),
            last_used=moment_or_none(key.last_used_at),
            last_used_from=key.last_used_from,
            issued_by=key.issued_by,
            seen_by_operator=key.seen_by_operator,
        )


class ApiKeys(Shape):
    """Oldest first."""

    items: list[ApiKeyRow]
