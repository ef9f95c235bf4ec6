"""`account password`: the user's own password, where mailguard itself keeps it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from mailguard.cli.ask import secret_file
from mailguard.cli.output import note, say
from mailguard.cli.records import Address, Records, with_records
from mailguard.cli.refusal import Refusal
from mailguard.config import Source

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName


def password(
    ctx: typer.Context,
    address: Address,
    file: Annotated[
        str,
        typer.Option(
            "--password-file", help="The file whose first line it is; - asks twice, or reads a line.", metavar="FILE"
        ),
    ] = "-",
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
        factor = any(device.confirmed_at is not None for device in devices) or await records.store.passkeys.list(name)
        return name, choosing.WITH_FACTOR if factor else choosing.ALONE

    name, shortest = with_records(ctx, least)
    try:
        chosen = choosing.chosen(_typed(file), name, least=shortest)
    except choosing.PasswordRefused as refused:
        raise Refusal(f"this password {refused}") from None
    needs_factor = len(chosen.reveal().decode()) < choosing.ALONE

    async def keep(records: Records) -> None:
        hashed = await asyncio.to_thread(local.hashed, chosen)
        await records.store.passwords.set(name, hashed, actor=records.actor, needs_factor=needs_factor)

    with_records(ctx, keep)
    say(f"set the password of {name}; what the old one opened ends now")
    if needs_factor:
        note(f"it has fewer than {choosing.ALONE} characters: set another if {name} ever loses its second factor")


def _typed(file: str) -> str:
    """As it was typed, spaces and all: mail programs send it so."""
    try:
        return secret_file(file, "New password", twice=True).reveal().decode()
    except UnicodeDecodeError:
        raise Refusal(f"{file} must be text in UTF-8") from None
