"""A listener for pymap, whose own one cannot speak TLS from the first byte."""

from __future__ import annotations

import asyncio
import logging
import ssl
from uuid import uuid4

from proxyprotocol.sock import SocketInfo
from pymap.imap import IMAPServer

HOST = "127.0.0.1"
log = logging.getLogger("mailguard.demo")


class Door:
    """One listening socket on loopback and the connections that came in by it."""

    def __init__(self, server: IMAPServer, context: ssl.SSLContext) -> None:
        self._server = server
        self._context = context
        self._connected: set[asyncio.StreamWriter] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    async def open(self) -> None:
        """Listen on a port of the system's choosing."""
        # The ban on asyncio's streams is about STARTTLS, which this door does not offer; pymap is written on them.
        self._listener = await asyncio.start_server(self._accept, HOST, 0, ssl=self._context)  # noqa: TID251  (pymap wants streams)
        self.port: int = self._listener.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected.add(writer)
        self._empty.clear()
        try:
            await self._server(reader, writer, SocketInfo.get(writer, None, unique_id=uuid4().bytes))
        except Exception:  # pymap raises for every line it cannot read; on stderr it would spoil what the demo shows
            log.info("the demo store dropped a connection", exc_info=True)
        finally:
            self._connected.discard(writer)
            if not self._connected:
                self._empty.set()

    async def close(self) -> None:
        """Stop listening and drop whoever is connected."""
        self._listener.close()
        for writer in self._connected:
            writer.transport.abort()
        await self._empty.wait()
