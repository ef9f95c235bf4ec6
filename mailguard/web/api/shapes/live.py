"""What is open now: grants and sessions of mail clients."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from mailguard.auth.attempt import MailProtocol
from mailguard.web.api.shapes.accounts import Name
from mailguard.web.api.shapes.base import Shape, Wish, moment, moment_or_none

if TYPE_CHECKING:
    from mailguard.store.grants import GrantRow
    from mailguard.store.portal_sessions import PortalSession
    from mailguard.store.sessions import SessionRow


class OfAccount(Wish):
    """Of whom; left out: of everybody within the key's limit."""

    account: Name | None = None


class Session(Shape):
    """A mail client that is connected now."""

    id: str
    account: str
    person: str
    protocol: MailProtocol
    address: str
    factor: str
    credential: str
    client: str
    started: datetime
    process: int

    @classmethod
    def of(cls, session: SessionRow) -> Session:
        """From its row."""
        return cls(
            id=session.id,
            account=session.account,
            person=session.person,
            protocol=session.protocol,
            address=session.address,
            factor=str(session.factor),
            credential=session.credential,
            client=session.client,
            started=moment(session.started_at),
            process=session.pid,
        )


class Browser(Shape):
    """A browser that is signed in at the portal."""

    id: str
    account: str
    address: str
    agent: str = Field(description="What the browser called itself.")
    seen: datetime
    ends: datetime

    @classmethod
    def of(cls, session: PortalSession) -> Browser:
        """From its row."""
        return cls(
            id=session.id,
            account=session.account.name,
            address=session.address,
            agent=session.agent,
            seen=moment(session.seen_at),
            ends=moment(session.ends_at),
        )


class Grant(Shape):
    """The string of a used code that still opens sessions."""

    id: str
    account: str
    networks: list[str]
    sessions: int
    opened: datetime
    until: datetime | None
    ends_unused: datetime | None
    authenticator: str
    one_session: bool

    @classmethod
    def of(cls, each: GrantRow) -> Grant:
        """From its row."""
        grant = each.grant
        return cls(
            id=grant.id,
            account=each.account,
            networks=[network for network in (grant.network, grant.second) if network],
            sessions=each.sessions,
            opened=moment(grant.opened_at),
            until=moment_or_none(grant.until),
            ends_unused=None if grant.idle is None or each.sessions else moment(grant.idle_since + grant.idle),
            authenticator=grant.device_id,
            one_session=grant.single,
        )


class Sessions(Shape):
    """Oldest first."""

    items: list[Session]


class Browsers(Shape):
    """Oldest first."""

    items: list[Browser]


class Grants(Shape):
    """Oldest first."""

    items: list[Grant]
