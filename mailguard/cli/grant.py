"""`mailguard grant`: the strings of used codes that still open sessions."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.admin import grants
from mailguard.cli.output import AsJson, Row, listing, say, when
from mailguard.cli.records import Records, with_records
from mailguard.store.grants import GrantRow

app = typer.Typer(no_args_is_help=True, help="Grants: a used password and code opens further sessions.")


@app.command("list")
def list_(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="One account only.")] = "",
    as_json: AsJson = False,
) -> None:
    """Who may open sessions without a new code, from where, for how long."""

    async def read(records: Records) -> list[Row]:
        name = records.name(address) if address else None
        return [_row(each) for each in await grants.live(records.bureau, records.acting, name)]

    listing(with_records(ctx, read), as_json=as_json, empty="no live grants")


@app.command("revoke")
def revoke(
    ctx: typer.Context, grant_id: Annotated[str, typer.Argument(metavar="ID", help="Which one, as `list` names it.")]
) -> None:
    """End a grant and its sessions now: the next one needs a new code."""

    async def work(records: Records) -> str:
        return await grants.revoke(records.bureau, records.acting, grant_id)

    say(f"revoked {grant_id} of {with_records(ctx, work)}; sessions opened with it end now")


def _row(each: GrantRow) -> Row:
    grant = each.grant
    idle_end = None if grant.idle is None or each.sessions else grant.idle_since + grant.idle
    return {
        "id": grant.id,
        "account": each.account,
        "networks": [network for network in (grant.network, grant.second) if network],
        "sessions": each.sessions,
        "opened": when(grant.opened_at),
        "until": when(grant.until),
        "ends_unused": when(idle_end),
        "authenticator": grant.device_id,
        "one_session": grant.single,
    }
