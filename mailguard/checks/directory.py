"""The directory, where one is asked: reachable, trustworthy, and open to the guard."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from mailguard.auth.accounts import AccountName
from mailguard.checks.findings import Finding, fail, ok
from mailguard.config import ConfigError, Settings
from mailguard.identity.configured import directory_of
from mailguard.identity.entry import DirectoryTrouble
from mailguard.net.tls import TlsError
from mailguard.store import new_id


async def directory(settings: Settings) -> AsyncIterator[Finding]:
    """One bind as the guard, one search for a name that nobody has. No password of a user is tried."""
    table = settings.identity.ldap
    try:
        asked = directory_of(settings, time.time)
    except (ConfigError, TlsError) as error:
        yield fail("the directory cannot be asked", str(error))
        return
    if asked is None or table is None:
        return
    started = time.monotonic()
    try:
        await asked.observe([AccountName(f"check-{new_id()}@{settings.names.domain or 'mailguard-probe.invalid'}")])
    except DirectoryTrouble as trouble:
        yield fail(str(trouble), "until that is mended nobody gets in by a password: see [identity.ldap]")
        return
    yield ok(f"directory {table.url} answers in {(time.monotonic() - started) * 1000:.0f} ms")
