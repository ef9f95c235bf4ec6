"""A browser at the running portal, over real TLS: the one of tests/web, with a wire in place of the application."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.web.browser import HOST, Browser

if TYPE_CHECKING:
    from tests.e2e.guard import Guard

TIMEOUT = 60


def browser(guard: Guard, threads: ThreadPoolExecutor | None = None) -> Browser:
    """Somebody's, with no cookies yet. `threads` are its own where many surf at once."""
    return browser_at(guard.portal_port, ssl.create_default_context(cafile=guard.stack.ca), threads=threads)


def browser_at(
    port: int, context: ssl.SSLContext, *, name: str = HOST, threads: ThreadPoolExecutor | None = None
) -> Browser:
    """At a port of this machine, where `name` is asked for."""

    def ask(scope: dict[str, Any], body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        connection = http.client.HTTPSConnection("localhost", port, timeout=TIMEOUT, context=context)
        try:
            query = b"?" + scope["query_string"] if scope["query_string"] else b""
            target = (scope["raw_path"] + query).decode()
            connection.putrequest(scope["method"], target, skip_host=True, skip_accept_encoding=True)
            for header, value in [*scope["headers"], (b"content-length", str(len(body)).encode())]:
                connection.putheader(header.decode(), value.replace(HOST.encode(), name.encode()))
            connection.endheaders(body)
            answer = connection.getresponse()
            headers = [(header.lower().encode(), value.encode()) for header, value in answer.getheaders()]
            return answer.status, headers, answer.read()
        finally:
            connection.close()

    async def wire(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        answered = await asyncio.get_running_loop().run_in_executor(threads, ask, scope, body)
        await send({"type": "http.response.start", "status": answered[0], "headers": answered[1]})
        await send({"type": "http.response.body", "body": answered[2]})

    return Browser(wire)
