"""TLS sessions towards a server, gone on with: no certificate to verify, no signature, a third of the handshake."""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

LONGEST: Final = 600.0
"""Seconds after which a whole handshake is due: what has become of the certificate meanwhile, its end or another
authority, is to be seen soon. A server's own limit holds where it is shorter."""


class Connection(ssl.SSLObject):
    """Knows whether it offered a session."""

    offered = False

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Not as a dictionary, for which event loops ask behind each handshake: it takes 35 µs, and nobody reads it."""
        return super().getpeercert(True) if binary_form else None

    def certificate(self) -> Mapping[str, Any] | None:
        """That dictionary, where it is wanted."""
        return super().getpeercert()


@dataclass(frozen=True, slots=True)
class _Kept:
    session: ssl.SSLSession | None  # None: the server did not take the one it had given
    until: float


class ResumingContext(ssl.SSLContext):
    """A client's context whose connections offer the last session that the server gave under the same name.

    A context has one authority, and a name one certificate: what was verified when the session began is what would be
    verified again. The same ticket serves many connections; that these are of one client is plain to the server
    (RFC 8446 appendix C.4 is about clients that want to hide it). Servers that take a ticket once, or have processes
    with a secret each, would make every connection dearer: after a refusal nothing is offered for a while.
    """

    sslobject_class = Connection

    def __new__(cls, now: Callable[[], float] = time.monotonic) -> Self:
        """Chain and name are verified."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[str | None, _Kept] = {}

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """What event loops call for each connection: with the kept session, where there is one."""
        name = server_hostname.decode() if isinstance(server_hostname, bytes) else server_hostname
        kept = self._kept.get(name)
        if session is None and kept is not None and self._now() < kept.until:
            session = kept.session
        connection = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(connection, Connection)
        connection.offered = session is not None
        return connection

    def keep(self, connection: ssl.SSLObject) -> None:
        """Take the session of a connection of ours. In TLS 1.3 it comes behind the handshake, with the first words of
        the server; before that there is none."""
        if connection.session_reused:
            return
        assert isinstance(connection, Connection)
        name, now = connection.server_hostname, self._now()
        if connection.offered:
            self._kept[name] = _Kept(None, now + LONGEST)
        elif name not in self._kept or now >= self._kept[name].until:
            session = connection.session
            if session is not None and session.has_ticket:
                self._kept[name] = _Kept(session, now + min(LONGEST, session.ticket_lifetime_hint or LONGEST))
