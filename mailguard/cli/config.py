"""`mailguard config`: what is in force."""

from __future__ import annotations

import typer

from mailguard import config
from mailguard.cli.output import AsJson, Row, listing
from mailguard.cli.records import settings_path

app = typer.Typer(no_args_is_help=True, help="The configuration as it is read.")


@app.command("show")
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Every key with the value that is in force, defaults included."""
    settings = config.load(settings_path(ctx))
    rows: list[Row] = [
        {"key": name, "value": value, "built": declared.built, "note": declared.waits}
        for name, value, declared in settings.lines()
    ]
    listing(rows, as_json=as_json, empty="")
