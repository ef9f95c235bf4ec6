"""`mailguard passkey`: what people sign in with at the web pages. They are added there, by their owner, alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mailguard.cli.ask import Yes, consent
from mailguard.cli.output import AsJson, Row, listing, say, when
from mailguard.cli.records import Address, Records, with_records

if TYPE_CHECKING:
    from mailguard.auth.accounts import Passkey

app = typer.Typer(no_args_is_help=True, help="Passkeys: for signing in at the web pages.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The passkey, as `passkey list` names it.")]


@app.command("list")
def list_(ctx: typer.Context, address: Address, as_json: AsJson = False) -> None:
    """An account's passkeys."""

    async def read(records: Records) -> list[Row]:
        return [_row(passkey) for passkey in await records.store.passkeys.list(records.name(address))]

    empty = "no passkeys: their owner adds them at the web pages"
    listing(with_records(ctx, read), as_json=as_json, empty=empty)


@app.command("rename")
def rename(
    ctx: typer.Context,
    address: Address,
    passkey_id: Id,
    label: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
) -> None:
    """Call a passkey something else."""

    async def work(records: Records) -> None:
        await records.store.passkeys.rename(records.name(address), passkey_id, label, actor=records.actor)

    with_records(ctx, work)
    say(f"passkey {passkey_id} is called {label}")


@app.command("remove")
def remove(ctx: typer.Context, address: Address, passkey_id: Id, yes: Yes = False) -> None:
    """Remove one passkey; whoever is signed in with it is out."""
    consent(f"Remove passkey {passkey_id} of {address}?", given=yes)

    async def work(records: Records) -> None:
        await records.store.passkeys.remove(records.name(address), passkey_id, actor=records.actor)

    with_records(ctx, work)
    say(f"removed passkey {passkey_id}; whoever is signed in with it is out")


def _row(passkey: Passkey) -> Row:
    return {
        "id": passkey.id,
        "label": passkey.name,
        "created": when(passkey.created_at),
        "last_used": when(passkey.last_used_at),
    }
