"""`mailguard check`: what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio

import typer

from mailguard.app.naming import naming_of
from mailguard.cli.output import AsJson, Row, listing
from mailguard.cli.records import settings_path
from mailguard.cli.refusal import REFUSED


def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Say what is wrong here, and what to do about it.

    Looks at the configuration, keys, certificates, the clock, the records and every backend. Exit code 1 if anything
    fails.
    """

    from mailguard.checks import Finding, Level, examine

    async def found() -> list[Finding]:
        return [finding async for finding in examine(settings_path(ctx), naming_of)]

    findings = asyncio.run(found())
    rows: list[Row] = [{"level": str(each.level), "what": each.what, "remedy": each.remedy} for each in findings]
    listing(rows, as_json=as_json, empty="")
    if any(each.level is Level.FAIL for each in findings):
        raise typer.Exit(REFUSED)
