"""`mailguard serve`: the guard itself."""

from __future__ import annotations

import typer

from mailguard.cli.records import settings_path
from mailguard.cli.refusal import Refusal


def serve(ctx: typer.Context) -> None:
    """Run the guard in the foreground. SIGHUP reloads policy and certificates, SIGTERM drains and ends."""
    from mailguard import supervisor
    from mailguard.net.listener import BindError

    try:
        code = supervisor.serve(settings_path(ctx))
    except BindError as error:
        raise Refusal(f"{error}") from None
    raise typer.Exit(code)
