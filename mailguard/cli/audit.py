"""`mailguard audit`: the record."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.cli.length import seconds
from mailguard.cli.output import AsJson, Row, listing, when
from mailguard.cli.records import Records, with_records
from mailguard.store.audit import Recorded

app = typer.Typer(no_args_is_help=True, help="The record of attempts, changes and session ends.")


@app.command("list")
def list_(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="One account only.")] = "",
    since: Annotated[str, typer.Option(help="How far back, such as 1h; else as far as --limit.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows, the newest.")] = 200,
    as_json: AsJson = False,
) -> None:
    """The newest rows, oldest first."""
    back = seconds(since, "--since")

    async def read(records: Records) -> tuple[Recorded, ...]:
        name = records.name(address) if address else None
        start = records.now - back if back is not None else None
        return await records.store.audit.list(account=name, since=start, limit=limit)

    listing([_row(recorded) for recorded in with_records(ctx, read)], as_json=as_json, empty="no rows")


def _row(recorded: Recorded) -> Row:
    row = recorded.row
    return {
        "time": when(row.at),
        "event": str(row.event),
        "account": row.account,
        "person": row.person,
        "protocol": str(row.protocol or ""),
        "address": str(row.origin.address) if row.origin else "",
        "factor": str(row.factor or ""),
        "credential": row.credential,
        "reason": row.reason,
        "actor": row.actor,
        "client": row.client,
        "session": row.session,
        "detail": row.detail,
        "repeats": recorded.repeats,
    }
