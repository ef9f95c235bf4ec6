"""`mailguard store`: the database of the records."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from mailguard import config, keyring, store
from mailguard.cli.output import note, say
from mailguard.cli.records import Records, actor, settings_path, with_records
from mailguard.store.chain import Head

app = typer.Typer(no_args_is_help=True, help="The database of the records.")


@app.command("upgrade")
def upgrade(ctx: typer.Context) -> None:
    """Bring the database to this version of mailguard. Back it up first, and stop the guard meanwhile."""
    settings = config.load(settings_path(ctx))
    ring = keyring.load(settings.keys.file, shared=settings.keys_shared)
    done = asyncio.run(store.upgrade(settings.store.url, ring, actor=actor()))
    for unfit in done.unfit:
        note(f"{unfit} was changed outside mailguard and opens nothing: see `mailguard audit list`")
    say(f"the store is at schema {done.after}, {'as before' if done.before == done.after else f'was at {done.before}'}")


@app.command("backup")
def backup(
    ctx: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")]
) -> None:
    """Copy the database, in use or not, into a new file. Only you may read it."""

    async def work(records: Records) -> tuple[Path, Head]:
        head = await records.store.backup(file, actor=records.actor)
        return records.settings.keys.file, head

    keys, head = with_records(ctx, work)
    say(f"copied to {file}, its audit up to head {head}")
    note(f"it opens nothing without {keys}: keep a copy of that too, elsewhere")
