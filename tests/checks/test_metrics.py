"""Metrics: whether they are served, whether it is somebody else who listens there, and who can reach them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailguard.checks import Finding, Level
from mailguard.observe import http
from mailguard.observe.http import ALIVE, Page
from tests.checks.conftest import Site


def about(findings: list[Finding]) -> list[tuple[Level, str]]:
    return [(each.level, each.what.split(" ", 1)[0]) for each in findings if "metrics" in each.what]


@contextlib.contextmanager
def saying(answer: bytes) -> Iterator[int]:
    """Somebody who says this to the first who comes."""
    with socket.create_server(("127.0.0.1", 0)) as there, ThreadPoolExecutor(1) as pool:

        def say() -> None:
            with contextlib.suppress(OSError):
                connection, _ = there.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        pool.submit(say)
        yield int(there.getsockname()[1])
        there.shutdown(socket.SHUT_RDWR)


OURS = http.answer(b"GET /healthz HTTP/1.1\r\n\r\n", {"/healthz": lambda: Page(ALIVE)})


@pytest.mark.parametrize(
    ("answer", "level"),
    [(OURS, Level.OK), (b"HTTP/1.1 200 OK\r\n\r\n# HELP node", Level.FAIL), (b"", Level.FAIL)],
)
async def test_who_listens_there_is_told_apart(site: Site, answer: bytes, level: Level) -> None:
    with saying(answer) as port:
        site.changes["observe.metrics"] = f"127.0.0.1:{port}"
        found = await asyncio.wait_for(site.found(), 60)
    assert [what[0] for what in about(found)] == [level]


async def test_nobody_there_yet_is_a_note_and_none_is_none(site: Site) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        site.changes["observe.metrics"] = f"127.0.0.1:{unused.getsockname()[1]}"
        assert [what[0] for what in about(await site.found())] == [Level.NOTE]
    site.changes["observe.metrics"] = "none"
    assert about(await site.found()) == []


async def test_metrics_that_face_the_world_are_a_warning(site: Site) -> None:
    with saying(OURS) as port:
        site.changes["observe.metrics"] = f"0.0.0.0:{port}"
        (found,) = [each for each in await site.worst() if "metrics" in each.what]
    assert found.level is Level.WARN
    assert "127.0.0.1:9464" in found.remedy
