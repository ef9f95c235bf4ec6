"""`mailguard demo`: the guard before a mail store of its own, to try."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from mailguard.cli.length import seconds
from mailguard.cli.refusal import Refusal


def demo(
    run_for: Annotated[
        str, typer.Option("--for", envvar="DEMO_FOR", help="End after so long; else by Ctrl-C.", metavar="20s")
    ] = "",
) -> None:
    """Run the guard before an embedded mail store, to try it.

    On free ports, with one account ready; it shows how to get in.
    """
    if find_spec("pymap") is None:
        raise Refusal("the demo's mail store is not installed; do: pip install 'mailguard[demo]'")
    from mailguard.demo.run import run

    raise typer.Exit(run(seconds(run_for, "--for")))
