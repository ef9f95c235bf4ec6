"""`mailguard check`: everything that can be seen to be wrong before users meet it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from itertools import chain
from pathlib import Path

from mailguard import config
from mailguard.auth.names import Naming
from mailguard.checks.certificates import certificates
from mailguard.checks.database import Contents, contents
from mailguard.checks.dead import dead
from mailguard.checks.directory import directory
from mailguard.checks.discovery import discovery
from mailguard.checks.doors import doors
from mailguard.checks.files import files
from mailguard.checks.findings import Finding, Level, fail, ok
from mailguard.checks.letters import letters
from mailguard.checks.machine import clock, keys, owners, records, secrets
from mailguard.checks.metrics import metrics
from mailguard.checks.portal import portal
from mailguard.checks.stores import stores
from mailguard.config import ConfigError, ConfigErrors, Settings

JUMP = 2.0  # seconds by which the wall clock may run away from the monotonic one meanwhile

__all__ = ["Finding", "Level", "examine"]


async def examine(
    path: Path, naming: Callable[[Settings], Naming], tell: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Finding]:
    """Check one installation by its configuration file, cheap things first. Changes nothing but an empty store.

    `naming` reads what names may be, as the guard does, and raises ConfigError. `tell` hears what takes long.
    """
    began = time.time() - time.monotonic()
    try:
        settings = config.load(path)
    except ConfigErrors as errors:
        for problem in errors.problems:
            yield _problem(problem)
        return
    yield ok(f"{path.name}: {len(settings.listen)} doors, {len(settings.backend)} backends")
    for line in settings.unacted():
        setting, _, meaning = line.partition(": ")
        yield Finding(Level.NOTE, f"{setting} is not acted on yet", meaning)
    names = None
    try:
        names = naming(settings)
    except ConfigError as error:
        yield _problem(error)
    now = time.time()
    ring, finding = keys(settings)
    yield finding
    for finding in chain(
        dead(settings),
        secrets(settings),
        files(settings),
        certificates(settings, now),
        discovery(settings),
        owners(settings),
    ):
        yield finding
    for finding in [*await portal(settings), *await metrics(settings)]:
        yield finding
    yield clock()
    held = Contents()
    if ring is not None:
        for finding in await records(settings, ring, now):
            yield finding
        tell("the database, page by page")
        held = await contents(settings, ring, names)
        for finding in held.findings:
            yield finding
    async for finding in stores(settings, held.people, tell):
        yield finding
    tell("other ways to the mailboxes")
    for finding in await doors(settings):
        yield finding
    async for finding in directory(settings):
        yield finding
    async for finding in letters(settings):
        yield finding
    if abs(jumped := time.time() - time.monotonic() - began) > JUMP:
        yield fail(f"the clock was set by {jumped:+.0f} s during this check", "let one program alone keep it right")


def _problem(problem: ConfigError) -> Finding:
    what, _, remedy = problem.why.rpartition("; ")
    where = f"{problem.file.name}: " if problem.file else ""
    return fail(f"{where}{f'{problem.key} {what}'.strip()}", remedy)
