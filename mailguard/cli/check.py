"""`mailguard check`: what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from mailguard.app.naming import naming_of
from mailguard.cli.output import AsJson, Row, listing, note
from mailguard.cli.records import settings_path
from mailguard.cli.refusal import REFUSED


def check(
    ctx: typer.Context,
    as_json: AsJson = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings too.")] = False,
) -> None:
    """Say what is wrong here, and what to do about it.

    Looks at the configuration, keys, certificates, the clock, the records and every backend. Exit code 1 if anything
    fails. Wherever passwords are checked, seven logins by names that nobody has are tried: a minute at most.
    """

    from mailguard.checks import Finding, Level, examine

    def tell(what: str) -> None:
        if sys.stderr.isatty() and not as_json:
            note(f"looking at {what} …")

    async def found() -> list[Finding]:
        return [finding async for finding in examine(settings_path(ctx), naming_of, tell)]

    findings = asyncio.run(found())
    rows: list[Row] = [{"level": str(each.level), "what": each.what, "remedy": each.remedy} for each in findings]
    listing(rows, as_json=as_json, empty="")
    bad = {Level.FAIL, Level.WARN} if strict else {Level.FAIL}
    if any(each.level in bad for each in findings):
        raise typer.Exit(REFUSED)
