"""The guard itself, as its own process, started as an operator starts it: `mailguard --config FILE serve`."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from pathlib import Path

_START = 30.0  # seconds
_STOP = 10.0
_TAIL = 12  # lines


class GuardFailed(Exception):
    """The guard did not start or ended by itself. The text ends with what it said last."""


class Guard:
    """One run of `serve`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, configuration: Path, log: Path) -> Guard:
        """Start it; its words go to `log`."""
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mailguard", "--config", str(configuration), "serve"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the guard in order
            )
        return cls(process, log)

    async def ready(self, context: ssl.SSLContext, *, imaps: int, submissions: int, portal: int) -> None:
        """Wait until both protocols greet and the portal answers. GuardFailed where that never comes."""
        try:
            async with asyncio.timeout(_START):
                for port, said, greeting in (
                    (imaps, b"", b"* OK "),
                    (submissions, b"", b"220 "),
                    (portal, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"HTTP/1.1 "),
                ):
                    while not await asyncio.to_thread(_greets, port, said, greeting, context):
                        self.check()
                        await asyncio.sleep(0.1)
        except TimeoutError:
            raise GuardFailed(f"the guard did not greet within {_START:.0f} s:\n{self._last_words()}") from None

    def check(self) -> None:
        """GuardFailed if it has ended by itself."""
        if self._process.returncode is not None:
            raise GuardFailed(f"the guard ended (exit code {self._process.returncode}):\n{self._last_words()}")

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_TAIL:])

    async def stop(self) -> None:
        """Let it drain, then make sure."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def _greets(port: int, said: bytes, greeting: bytes, context: ssl.SSLContext) -> bool:
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            tls.sendall(said)
            return tls.recv(512).startswith(greeting)
    except OSError:
        return False
