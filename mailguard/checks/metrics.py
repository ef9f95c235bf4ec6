"""Metrics: does the monitor answer where it should, and to whom does it show them?"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mailguard.checks.findings import Finding, Level, fail, ok, warn
from mailguard.checks.nearby import nearby
from mailguard.net.stream import connect
from mailguard.observe.http import ALIVE

if TYPE_CHECKING:
    from mailguard.config import Settings

TIMEOUT = 3.0
MOST = 4096  # octets of an answer


async def metrics(settings: Settings) -> list[Finding]:
    """Everything about them. Nothing where they are switched off."""
    if not settings.observe.metrics:
        return []
    host, port = nearby(settings.observe.metrics)
    found = [await _answers(host, port, f"observe.metrics {settings.observe.metrics}")]
    if not ip_address(settings.observe.metrics.rpartition(":")[0].strip("[]")).is_loopback:
        found.append(
            warn(
                f"metrics are shown in clear to whoever reaches {settings.observe.metrics}: how many log in, fail, and "
                "are connected",
                'write metrics = "127.0.0.1:9464" and let your monitor come through a tunnel, or let a firewall pass '
                "your monitor alone",
            )
        )
    return found


async def _answers(host: str, port: int, where: str) -> Finding:
    try:
        stream = await connect(host, port, context=None, server_hostname=None, timeout=TIMEOUT)
    except OSError:
        return Finding(Level.NOTE, f"nobody listens at {where}", "right before mailguard serve; else see its log")
    heard = b""
    try:
        async with asyncio.timeout(TIMEOUT):
            stream.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while len(heard) < MOST and (data := await stream.read()):
                heard += data
    except TimeoutError:
        pass
    finally:
        stream.abort()
    if heard.endswith(ALIVE.encode()):
        return ok(f"metrics are served at {where}")
    return fail(f"another program listens at {where}", "stop it, or write another address for metrics")
