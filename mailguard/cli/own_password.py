"""`account password`: the user's own password, where mailguard itself keeps it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailguard.cli.output import note, say
from mailguard.cli.records import Address, Records, with_records
from mailguard.cli.refusal import Refusal
from mailguard.config import Source

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName

_LONGEST = 1024  # octets that are read; far more than a password may have


def password(
    ctx: typer.Context,
    address: Address,
    password_file: Annotated[
        str, typer.Option(help="Read it from this file's first line; - for standard input.", metavar="FILE")
    ] = "",
) -> None:
    """Set the user's own password, where identity.source is "local". What the old one opened ends now."""
    from mailguard.identity import choosing, local  # argon2 is loaded by whoever needs it

    async def least(records: Records) -> tuple[AccountName, int]:
        name = records.name(address)
        if records.settings.identity.source is not Source.LOCAL:
            raise Refusal(
                f'{name} has its password where identity.source = "{records.settings.identity.source}" keeps it: '
                "change it there"
            )
        devices = await records.store.devices.list(name)
        factor = any(device.confirmed_at is not None for device in devices)
        return name, choosing.WITH_FACTOR if factor else choosing.ALONE

    name, shortest = with_records(ctx, least)
    try:
        chosen = choosing.chosen(_typed(password_file), name, least=shortest)
    except choosing.PasswordRefused as refused:
        raise Refusal(f"this password {refused}") from None
    needs_factor = len(chosen.reveal().decode()) < choosing.ALONE

    async def keep(records: Records) -> None:
        hashed = await asyncio.to_thread(local.hashed, chosen)
        await records.store.passwords.set(name, hashed, actor=records.actor, needs_factor=needs_factor)

    with_records(ctx, keep)
    say(f"set the password of {name}; what the old one opened ends now")
    if needs_factor:
        note(f"it has fewer than {choosing.ALONE} characters: set another if {name} ever loses its authenticator")


def _typed(file: str) -> str:
    """As it was typed, spaces and all: mail programs send it so."""
    if not file and sys.stdin.isatty():
        prompted: str = typer.prompt("New password", hide_input=True, confirmation_prompt=True)
        return prompted
    try:
        if file in ("", "-"):
            line = sys.stdin.readline(_LONGEST)
        else:
            with Path(file).open("rb") as opened:
                line = opened.readline(_LONGEST).decode()
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise Refusal(f"{file or 'standard input'} must be text in UTF-8") from None
    line = line.removesuffix("\n").removesuffix("\r")
    if not line:
        raise Refusal("nothing was given; type the password, or name a file by --password-file")
    return line
