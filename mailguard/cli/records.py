"""The records as commands use them: opened, used once, closed; changes are in the name of who is at the terminal."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from mailguard import config, keyring
from mailguard.admin.acting import Acting, operator
from mailguard.admin.bureau import Bureau
from mailguard.app.bureau import bureau_of
from mailguard.app.naming import naming_of
from mailguard.auth.accounts import AccountName
from mailguard.config import Settings
from mailguard.keyring import Keyring
from mailguard.store import Store

T = TypeVar("T")

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The account's address.")]


@dataclass(frozen=True, slots=True)
class Records:
    """Everything that a command about accounts needs."""

    settings: Settings
    keyring: Keyring
    store: Store
    actor: str
    now: float

    @property
    def bureau(self) -> Bureau:
        """What administrators act with."""
        return bureau_of(self.settings, self.store, self.keyring, now=time.time, beside=_Beside())

    @property
    def acting(self) -> Acting:
        """Whoever is at the terminal."""
        return operator(self.actor)

    def name(self, typed: str) -> AccountName:
        """The one form of a name; NameRefused says why there can be no such account."""
        return naming_of(self.settings).canonical(typed)


class _Beside:
    """A thread for what takes long (auth.ports.Beside)."""

    async def run(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)


def settings_path(ctx: typer.Context) -> Path:
    """The file named by --config."""
    path: Path = ctx.find_object(Path) or Path("config.toml")
    return path


def with_records(ctx: typer.Context, work: Callable[[Records], Awaitable[T]]) -> T:
    """Open the records, do the work, close them."""
    settings = config.load(settings_path(ctx))
    ring = keyring.load(settings.keys.file, shared=settings.keys_shared)

    async def run() -> T:
        store = await Store.open(settings.store.url, ring, now=time.time)
        try:
            return await work(Records(settings, ring, store, actor(), time.time()))
        finally:
            await store.close()

    return asyncio.run(run())


def actor() -> str:
    """Who is at the terminal, for the audit: the user behind sudo where there is one."""
    user = os.environ.get("SUDO_USER", "")
    if not re.fullmatch(r"[\w.@\\-]{1,64}", user):  # of directories too: DOMAIN\\user
        try:
            user = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:  # a user of a container that no file names
            user = str(os.geteuid())
    return f"operator:{user}"
