"""HTTP over TLS at one socket: uvicorn's protocol without uvicorn's server, which has no deadline before a request.

Accepting, the caps and the end are ours, so that nobody can hold the pages from others by sitting there: connections
count from the moment they are accepted, in the handshake too, and at a cap the one that has been silent longest goes.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from mailguard.net.listener import Listener
from mailguard.net.stream import adopt
from mailguard.net.tasks import Tasks
from mailguard.web.connection import Connection, Patience

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mailguard.net.listener import Lobby

log = logging.getLogger("mailguard.web")

HEADERS_MOST: Final = 16 * 1024  # octets of a request's head
PIECE: Final = 64 * 1024  # octets
PARTING_SECONDS: Final = 3.0  # for requests whose clients were cut off


class HttpServer:
    """Serves one ASGI application. The socket is bound and listening, and is closed by `stop`.

    `context` and `network` are asked for each connection, so that a reload reaches the next one. `network` names the
    client that a peer's connections are counted for.
    """

    def __init__(
        self,
        sock: socket.socket,
        app: ASGIApp,
        *,
        context: Callable[[], ssl.SSLContext],
        network: Callable[[tuple[str, int]], str],
        lobby: Lobby,
        patience: Patience | None = None,
    ) -> None:
        self._sock = sock
        self._context = context
        self._network = network
        self._lobby = lobby
        self._patience = patience or Patience()
        self._config = Config(
            partial(_in_pieces, app),
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level=logging.ERROR,  # it warns of each request that is none: any stranger could fill the disk
            access_log=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=HEADERS_MOST,
        )
        self._config.load()
        self._state = ServerState()
        self._tasks = Tasks()
        self._listener = Listener(sock, self._serve, self._tasks, "portal")
        self._stopping = False

    def start(self) -> None:
        """Begin to accept."""
        self._listener.start()

    async def stop(self, drain: float, hurry: asyncio.Event | None = None) -> None:
        """Accept nobody new, answer what is in hand within `drain` seconds or until `hurry`, then cut off the rest."""
        self._stopping = True
        await self._listener.stop()
        self._sock.close()
        for connection in list(self._state.connections):
            assert isinstance(connection, Connection)
            connection.finish()
        waiting = Tasks()
        quiet = waiting.spawn(self._tasks.idle(), name="portal drain")
        hurried = waiting.spawn((hurry or asyncio.Event()).wait(), name="portal hurry")
        await asyncio.wait({quiet, hurried}, timeout=drain, return_when=asyncio.FIRST_COMPLETED)
        await waiting.close()
        await self._tasks.close()
        await self._end_requests()

    async def _end_requests(self) -> None:
        """What a page was doing is brought to its end: a sign-in counts whether or not its answer is awaited."""
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=PARTING_SECONDS)
        for left in list(self._state.tasks):
            left.cancel()

    async def _serve(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        task = asyncio.current_task()
        assert task is not None
        ticket = self._lobby.enter(self._network(peer), lambda: _cut(task))
        connection = Connection(self._config, self._state, self._patience, ticket.renew)
        try:
            await adopt(sock, lambda: connection, context=self._context(), timeout=self._patience.handshake)
            if self._stopping:
                connection.finish()
            await connection.lost.wait()
        except OSError as error:  # ssl.SSLError is one: plain HTTP, a port scan
            log.debug("no TLS", extra={"client": peer[0], "detail": str(error)})
        finally:
            ticket.leave()
            connection.abort()


async def _in_pieces(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Before each piece uvicorn waits until there is room. What is handed to the TLS layer at once goes into its own
    buffers, which nobody sees: a client that does not read would not be noticed, nor one that does so slowly."""

    async def send_some(message: Message) -> None:
        body = message.get("body", b"")
        for start in range(0, len(body) - PIECE, PIECE):
            await send({"type": "http.response.body", "body": body[start : start + PIECE], "more_body": True})
        whole = len(body) <= PIECE
        await send(message if whole else {**message, "body": body[(len(body) - 1) // PIECE * PIECE :]})

    await app(scope, receive, send_some)


def _cut(task: asyncio.Task[None]) -> None:
    task.cancel()
