"""`mailguard demo`: a mail store, an enrolled account and the guard before them, in a folder that goes away again."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TextIO

from mailguard import config
from mailguard.demo.enrolment import enrol
from mailguard.demo.folder import DOMAIN, MASTER_NAME, Folder, Ports, StorePorts
from mailguard.demo.guard import Guard, GuardFailed
from mailguard.demo.letters import letters
from mailguard.demo.phone import Phone
from mailguard.demo.screen import Screen
from mailguard.demo.sheet import sheet
from mailguard.demo.sink import Sink
from mailguard.demo.store import MailStore, User
from mailguard.demo.watch import Watch
from mailguard.secret import Secret
from mailguard.store import Store

_ADDRESS = f"ann@{DOMAIN}"
_WORDS = (
    "amber", "anchor", "apple", "birch", "cedar", "clover", "cobalt", "copper", "coral", "ember", "falcon", "fern",
    "garnet", "harbor", "hazel", "indigo", "ivory", "jasper", "juniper", "lantern", "linden", "maple", "meadow",
    "otter", "pebble", "raven", "river", "saffron", "tide", "velvet", "violin", "willow",
)  # fmt: skip


def run(seconds: float | None) -> int:
    """Run the demo for so long, or until Ctrl-C. Returns the exit code; trouble is told on stderr."""
    # Their words about single connections would break into what is shown, and aiosmtpd's can hold a credential.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_run(seconds, sys.stdout))
    except GuardFailed as failure:
        sys.stdout.flush()
        sys.stderr.write(f"\nmailguard demo: {failure}\n")
        return 1
    return 0


async def _run(seconds: float | None, out: TextIO) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    out.write("\n  A mail store, an account and the guard are being set up …\n")
    out.flush()
    with tempfile.TemporaryDirectory(prefix="mailguard-demo-") as name:
        async with AsyncExitStack() as stack:
            folder = Folder(Path(name))
            password = "-".join(secrets.choice(_WORDS) for _ in range(3))
            ports = Ports().free()
            folder.configure(ports, await _open_store(folder, password, stack))
            access = await enrol(_ADDRESS, password, folder)
            guard = await Guard.start(folder.configuration, folder.log)
            stack.push_async_callback(guard.stop)
            await guard.ready(
                folder.client_context(), imaps=ports.imaps, submissions=ports.submissions, portal=ports.portal
            )
            out.write(sheet(access, ports, folder.path, colour=out.isatty()))
            store = await Store.open(config.load(folder.configuration).store.url, folder.keyring)
            stack.push_async_callback(store.close)
            screen = Screen(Phone(password, access.seed), await Watch.begin(store), out)
            await _last(screen, guard, stop, seconds)
    out.write("\n  The demo is over; all that it made is gone.\n")


async def _open_store(folder: Folder, password: str, stack: AsyncExitStack) -> StorePorts:
    context = folder.store_context()
    user, master = User(_ADDRESS, Secret(password.encode())), User(MASTER_NAME, folder.master_secret)
    store = MailStore([user], master, context)
    await store.start()
    stack.push_async_callback(store.stop)
    for letter in letters(_ADDRESS):
        await store.deliver(_ADDRESS, letter)
    sink = Sink(store, context)
    await sink.start()
    stack.push_async_callback(sink.stop)
    return StorePorts(store.password_port, store.relay_port, sink.port)


async def _last(screen: Screen, guard: Guard, stop: asyncio.Event, seconds: float | None) -> None:
    """Until the time is over, or somebody says stop."""
    try:
        async with asyncio.timeout(seconds):
            while not stop.is_set():
                guard.check()
                now = time.time()
                await screen.draw(now)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 1 - now % 1)
    except TimeoutError:
        pass
    screen.clear()
