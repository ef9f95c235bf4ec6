"""`mailguard check`: everything that can be seen to be wrong before users meet it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from itertools import chain
from pathlib import Path

from mailguard import config
from mailguard.auth.names import Naming
from mailguard.checks.certificates import certificates
from mailguard.checks.directory import directory
from mailguard.checks.findings import Finding, Level, fail, ok
from mailguard.checks.letters import letters
from mailguard.checks.machine import clock, keys, masters, owners, records
from mailguard.checks.stores import stores
from mailguard.config import ConfigError, ConfigErrors, Settings

__all__ = ["Finding", "Level", "examine"]


async def examine(path: Path, naming: Callable[[Settings], Naming]) -> AsyncIterator[Finding]:
    """Check one installation by its configuration file, cheap things first. Changes nothing but an empty store.

    `naming` reads what names may be, as the guard does, and raises ConfigError.
    """
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
    try:
        naming(settings)
    except ConfigError as error:
        yield _problem(error)
    now = time.time()
    ring, finding = keys(settings)
    yield finding
    for finding in chain(masters(settings), certificates(settings, now), owners(settings)):
        yield finding
    yield clock()
    if ring is not None:
        for finding in await records(settings, ring, now):
            yield finding
    async for finding in stores(settings):
        yield finding
    async for finding in directory(settings):
        yield finding
    async for finding in letters(settings):
        yield finding


def _problem(problem: ConfigError) -> Finding:
    what, _, remedy = problem.why.rpartition("; ")
    where = f"{problem.file.name}: " if problem.file else ""
    return fail(f"{where}{f'{problem.key} {what}'.strip()}", remedy)
