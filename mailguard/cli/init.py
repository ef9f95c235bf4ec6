"""`mailguard init`: the first files, and what to do next."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from mailguard.cli.output import note, say
from mailguard.cli.records import settings_path
from mailguard.cli.refusal import Refusal
from mailguard.config import Wrong
from mailguard.config.kinds import HOST, HOSTNAME, Kind
from mailguard.initial import begin


def init(
    ctx: typer.Context,
    hostname: Annotated[str, typer.Option(help="The name that clients connect to.", metavar="NAME")] = "",
    store_host: Annotated[str, typer.Option(help="The mail store.", metavar="HOST")] = "store.internal",
) -> None:
    """Write a first config.toml, keys and a certificate. What is there already is kept.

    The certificate is self-signed: replace it before users come.
    """
    path = settings_path(ctx)
    name = _checked(HOSTNAME, hostname or _own_name(), "--hostname")
    host = _checked(HOST, store_host, "--store-host")
    try:
        for step in begin(path, hostname=name, store_host=host):
            say(f"{'made' if step.made else 'kept'} {step.file} ({step.what})")
    except OSError as error:
        raise Refusal(f"{error.filename}: {error.strerror}; name a folder that you may write, by --config") from None
    note(f"next: see to the backends in {path}, then: mailguard check, mailguard serve")


def _checked(kind: Kind[str], value: str, option: str) -> str:
    try:
        return kind.read(value, Path())
    except Wrong as wrong:
        raise typer.BadParameter(str(wrong), param_hint=option) from None


def _own_name() -> str:
    name = socket.gethostname()
    return name if "." in name else "mail.example.org"
