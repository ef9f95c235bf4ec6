"""One HTTP connection: uvicorn's on h11, and deadlines for its client, which uvicorn leaves to a proxy before it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum, auto, unique
from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

log = logging.getLogger("mailguard.web")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds."""

    handshake: float = 10.0
    headers: float = 10.0  # from the handshake or the first octet of a further request to the empty line
    idle: float = 5.0  # between two requests
    body: float = 30.0  # from the headers to the last octet
    taking: float = 30.0  # what was written, so far that there is room for more
    parting: float = 3.0  # until it has answered our close


@unique
class _Phase(Enum):
    """What is waited for."""

    HEADERS = auto()
    IDLE = auto()
    BODY = auto()
    ANSWER = auto()  # ours: the client waits
    PARTING = auto()


class Connection(H11Protocol):
    """Serves requests one after the other. At every moment a timer runs that ends whoever is waited for too long.

    `renewed` is called with each answer. `lost` is set once it is gone.
    """

    def __init__(self, config: Config, state: ServerState, patience: Patience, renewed: Callable[[], None]) -> None:
        super().__init__(config, state, {})
        self.lost = asyncio.Event()
        self._renewed = renewed
        self._seconds = {
            _Phase.HEADERS: patience.headers,
            _Phase.IDLE: patience.idle,
            _Phase.BODY: patience.body,
            _Phase.ANSWER: patience.body,
            _Phase.PARTING: patience.parting,
        }
        self._taking = patience.taking
        self._finishing = False
        self._watched: tuple[object, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._blocked: asyncio.TimerHandle | None = None

    def abort(self) -> None:
        """End it now, whatever is in hand."""
        if self.transport is not None:
            self.transport.abort()

    def finish(self) -> None:
        """Answer the request in hand, or the first one of whoever has just come, then close."""
        self._finishing = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif self._phase() is _Phase.HEADERS:
            # Its request is on the way: to be closed now would be an error on somebody's screen.
            self._seconds[_Phase.HEADERS] = self._seconds[_Phase.PARTING]
            self._count(_Phase.HEADERS)
        else:
            self._part()

    # What follows is called by the transport, or by uvicorn.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """From here on the client has to say something."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Let uvicorn read it, and see what is waited for now."""
        super().data_received(data)
        self._watch()

    def handle_events(self) -> None:
        """Begin requests, each answer to which says when it was made."""
        # uvicorn's own server, which is not run here, renews this once a second (RFC 9110 §6.6.1).
        self.server_state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        super().handle_events()
        if self._finishing and self.cycle is not None:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        if self.cycle is not None and not self.cycle.response_complete:
            # Nonsense within a body: two answers to one request are none.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request, a short while."""
        super().on_response_complete()
        self._unset_keepalive_if_required()  # ours ends with an abort where the close is not answered
        self._renewed()
        self._watch()

    def pause_writing(self) -> None:
        """The client does not read as fast as we write: for how long?"""
        super().pause_writing()
        self._blocked = self.loop.call_later(self._taking, self._expired_taking)

    def resume_writing(self) -> None:
        """It has read."""
        self._unblock()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._unset_keepalive_if_required()
        self._unblock()
        if self._timer is not None:
            self._timer.cancel()
        self.lost.set()
        super().connection_lost(exc)

    def _phase(self) -> _Phase:
        if self.transport.is_closing():
            return _Phase.PARTING
        if self.conn.their_state is h11.SEND_BODY:
            return _Phase.BODY
        if self.cycle is not None and not self.cycle.response_complete:
            return _Phase.ANSWER
        between = self.cycle is not None and not self.conn.trailing_data[0]
        return _Phase.IDLE if between else _Phase.HEADERS

    def _watch(self) -> None:
        """Begin to count where something else is waited for than before."""
        phase = self._phase()
        if self._watched != (phase, self.cycle):
            self._watched = (phase, self.cycle)
            self._count(phase)

    def _count(self, phase: _Phase) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self._seconds[phase], self._expired, phase)

    def _expired(self, phase: _Phase) -> None:
        match self._phase():
            case _Phase.PARTING if phase is _Phase.PARTING:
                self.transport.abort()
            case _Phase.ANSWER | _Phase.PARTING as now:
                # Pages have deadlines of their own. And uvicorn closes by itself where a page breaks off.
                self._count(now)
            case _:
                log.debug("a client was too slow", extra={"client": str(self.client), "phase": phase.name})
                self._part()

    def _expired_taking(self) -> None:
        log.debug("a client does not read", extra={"client": str(self.client)})
        self.transport.abort()

    def _part(self) -> None:
        self.transport.close()
        self._watch()

    def _unblock(self) -> None:
        if self._blocked is not None:
            self._blocked.cancel()
            self._blocked = None
