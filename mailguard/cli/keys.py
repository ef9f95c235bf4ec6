"""`mailguard keys`: the generations of the key file."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.cli.output import AsJson, Row, listing, note, say, when
from mailguard.cli.records import Records, with_records
from mailguard.store.keys import Hanging
from mailguard.store.reseal import Resealed

app = typer.Typer(no_args_is_help=True, help="The keys outside the database, generation by generation.")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Each generation, newest first, and what hangs on it. That would no longer be read without it."""

    async def read(records: Records) -> list[Row]:
        return [_row(hanging) for hanging in await records.store.keys.list()]

    listing(with_records(ctx, read), as_json=as_json, empty="the key file holds no generation")


@app.command("rotate")
def rotate(ctx: typer.Context) -> None:
    """Make a new generation and bring everything under it. The guard may run meanwhile, and takes it over at once."""

    async def work(records: Records) -> tuple[Resealed, str]:
        file = records.settings.keys.file
        done = await records.store.keys.rotate(file, actor=records.actor)
        return done, f"{file} has changed: copy it to a safe place, and keep what you had for the backups made before"

    done, told = with_records(ctx, work)
    say(f"made a new generation and brought {done.renewed} rows under it")
    for unfit in done.unfit:
        note(f"{unfit} was changed outside mailguard and opens nothing: see `mailguard audit list`")
    note(told)
    note("app passwords follow at their next use; then `mailguard keys list`, `mailguard keys retire ID`")


@app.command("retire")
def retire(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="A generation, as `list` names it.")],
    forget_dead: Annotated[
        bool, typer.Option("--forget-dead", help="Forget app passwords of it that are revoked or expired.")
    ] = False,
) -> None:
    """Take an old generation out of the key file. Refused while anything hangs on it."""

    async def work(records: Records) -> None:
        file = records.settings.keys.file
        await records.store.keys.retire(file, key_id, actor=records.actor, forget_dead=forget_dead)

    with_records(ctx, work)
    say(f"{key_id} is out of the key file; backups made under it open only with a copy that has it")


def _row(hanging: Hanging) -> Row:
    return {
        "id": hanging.generation.id,
        "created": when(hanging.generation.created.timestamp()),
        "newest": hanging.newest,
        **{table.replace("totp_devices", "authenticators"): count for table, count in hanging.rows.items()},
        "app_passwords_unused": hanging.unused,
        "app_passwords_dead": hanging.dead,
    }
