"""`mailguard serve`: the guard itself."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.cli.records import settings_path
from mailguard.cli.refusal import Refusal
from mailguard.config.choices import Half


def serve(
    ctx: typer.Context,
    only: Annotated[Half | None, typer.Option(help="Run one half; the other runs elsewhere, as another user.")] = None,
) -> None:
    """Run the guard in the foreground.

    SIGHUP reloads policy and certificates, SIGTERM drains and ends, SIGUSR2 hands over to a new generation.
    """
    from mailguard import supervisor
    from mailguard.net.listener import BindError

    try:
        code = supervisor.serve(settings_path(ctx), only)
    except BindError as error:
        raise Refusal(f"{error}") from None
    raise typer.Exit(code)
