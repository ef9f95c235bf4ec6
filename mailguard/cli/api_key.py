"""`mailguard api-key`: what programs come to the API with."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.admin import keys
from mailguard.admin.keys import Issued
from mailguard.auth.api_keys import LONGEST_SECONDS, ApiKey
from mailguard.auth.roles import Role, Scope
from mailguard.cli import roles
from mailguard.cli.length import seconds
from mailguard.cli.output import AsJson, Row, json_object, listing, note, say, when
from mailguard.cli.records import Records, with_records
from mailguard.cli.roles import WantedLimit, WantedRole

app = typer.Typer(no_args_is_help=True, help="API keys: what programs come to the API with.")

_SCOPES = ",".join(Scope)


@app.command("issue")
def issue(
    ctx: typer.Context,
    *,
    label: Annotated[str, typer.Option(help="Which program it is for.", metavar="L")],
    scope: Annotated[str, typer.Option(help="What it is good for.", metavar=_SCOPES)],
    role: WantedRole = "auditor",
    role_limit: WantedLimit = None,
    expires: Annotated[str, typer.Option(help="Its life, at most 365d.", metavar="90d")] = "90d",
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it, once."""
    life = seconds(expires, "--expires")
    if life is None or life > LONGEST_SECONDS:
        raise typer.BadParameter("must be a length of time, at most 365d", param_hint="--expires")
    lasts, scopes = life, _scopes(scope)
    wanted, limit = roles.role(role) or Role.NONE, roles.limit(role_limit)

    async def work(records: Records) -> Issued:
        return await keys.issue(
            records.bureau, records.acting, label, seconds=lasts, scopes=scopes, role=wanted, limit=limit
        )

    made = with_records(ctx, work)
    shown = made.secret.reveal().decode()
    if as_json:
        json_object({"id": made.row.id, "secret": shown})
        return
    say(shown)
    note(f"API key {made.row.id}, until {when(made.row.expires_at)}; it is not shown again")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """All API keys, revoked and expired ones too."""

    async def read(records: Records) -> list[Row]:
        return [_row(each, records.now) for each in await keys.seen(records.bureau, records.acting)]

    empty = "no API keys: mailguard api-key issue --label L --scope read"
    listing(with_records(ctx, read), as_json=as_json, empty=empty)


@app.command("revoke")
def revoke(
    ctx: typer.Context, key_id: Annotated[str, typer.Argument(metavar="ID", help="Which one, as `list` names it.")]
) -> None:
    """End an API key now."""

    async def work(records: Records) -> None:
        await keys.revoke(records.bureau, records.acting, key_id)

    with_records(ctx, work)
    say(f"revoked API key {key_id}")


def _scopes(written: str) -> frozenset[Scope]:
    try:
        return frozenset(Scope(each.strip()) for each in written.split(","))
    except ValueError:
        raise typer.BadParameter(f"must be one or several of {_SCOPES}", param_hint="--scope") from None


def _row(key: ApiKey, now: float) -> Row:
    return {
        "id": key.id,
        "label": key.label,
        "usable": key.usable(now),
        "role": key.role.value,
        "role_limit": str(key.limit),
        "scopes": sorted(key.scopes),
        "created": when(key.created_at),
        "expires": when(key.expires_at),
        "revoked": when(key.revoked_at),
        "last_used": when(key.last_used_at),
        "last_used_from": key.last_used_from,
        "issued_by": key.issued_by,
        "seen_by_operator": key.seen_by_operator,
    }
