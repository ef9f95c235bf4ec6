"""`mailguard session`: who is connected now, and cutting them off."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.admin import sessions
from mailguard.cli.ask import Yes, consent
from mailguard.cli.output import AsJson, Row, listing, say, when
from mailguard.cli.records import Records, with_records
from mailguard.store.sessions import SessionRow

app = typer.Typer(no_args_is_help=True, help="Live sessions.")


@app.command("list")
def list_(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="One account only.")] = "",
    as_json: AsJson = False,
) -> None:
    """Who is connected now, by what, from where."""

    async def read(records: Records) -> list[Row]:
        name = records.name(address) if address else None
        return [_row(session) for session in await sessions.live(records.bureau, records.acting, name)]

    listing(with_records(ctx, read), as_json=as_json, empty="no live sessions")


@app.command("end")
def end(
    ctx: typer.Context,
    session_id: Annotated[str, typer.Argument(metavar="ID", help="One session, as `list` names it.")] = "",
    account: Annotated[str, typer.Option(help="All sessions of an account.", metavar="ADDRESS")] = "",
    every: Annotated[bool, typer.Option("--all", help="All sessions.")] = False,
    yes: Yes = False,
) -> None:
    """End sessions now, on every worker. A client with an app password can connect again."""
    if (bool(session_id), bool(account), every).count(True) != 1:
        raise typer.BadParameter("name one ID, or --account ADDRESS, or --all")
    if every:
        consent("End every live session?", given=yes)

    async def work(records: Records) -> str:
        bureau, acting = records.bureau, records.acting
        if every:
            await sessions.end_all(bureau, acting)
            return "all sessions end now"
        if account:
            name = records.name(account)
            await sessions.end_of_account(bureau, acting, name)
            return f"the sessions of {name} end now"
        await sessions.end(bureau, acting, session_id)
        return f"session {session_id} ends now"

    ended = with_records(ctx, work)
    say(f"{ended}; a client with an app password can connect again: revoke that to keep it out")


def _row(session: SessionRow) -> Row:
    return {
        "id": session.id,
        "account": session.account,
        "person": session.person,
        "protocol": str(session.protocol),
        "address": session.address,
        "factor": str(session.factor),
        "credential": session.credential,
        "client": session.client,
        "started": when(session.started_at),
        "process": session.pid,
    }
