"""`mailguard recovery-codes`: what stands in for a lost authenticator, kept on paper."""

from __future__ import annotations

import typer

from mailguard.auth import recovery
from mailguard.auth.accounts import CodeKind, OneTimeCode
from mailguard.cli.one_time import typed_at
from mailguard.cli.output import AsJson, Row, json_object, listing, note, say, when
from mailguard.cli.records import Address, Records, with_records
from mailguard.config import Settings

app = typer.Typer(no_args_is_help=True, help="Recovery codes: on paper, for the day the phone is lost.")


@app.command("issue")
def issue(ctx: typer.Context, address: Address, as_json: AsJson = False) -> None:
    """Make ten recovery codes and print them, once. Those of an older set end."""
    made = recovery.make(recovery.RECOVERY_CODES)

    async def work(records: Records) -> tuple[Settings, tuple[OneTimeCode, ...]]:
        name = records.name(address)
        return records.settings, await records.store.codes.issue(name, CodeKind.RECOVERY, made, actor=records.actor)

    settings, issued = with_records(ctx, work)
    if as_json:
        pairs = zip(issued, made.codes, strict=True)
        json_object({"codes": [{"id": row.id, "secret": recovery.grouped(code)} for row, code in pairs]})
        return
    for code in made.codes:
        say(recovery.grouped(code))
    note("each is good for one sign-in of a person, never in a mail client; they are not shown again")
    note(typed_at(settings))


@app.command("list")
def list_(ctx: typer.Context, address: Address, as_json: AsJson = False) -> None:
    """An account's one-time codes of all three kinds. Recovery, enrolment and bypass, used and ended ones too."""

    async def read(records: Records) -> list[Row]:
        return [_row(code, records.now) for code in await records.store.codes.list(records.name(address))]

    listing(with_records(ctx, read), as_json=as_json, empty=f"no codes: mailguard recovery-codes issue {address}")


def _row(code: OneTimeCode, now: float) -> Row:
    return {
        "id": code.id,
        "kind": code.kind.value,
        "usable": code.usable(now),
        "created": when(code.created_at),
        "expires": when(code.expires_at),
        "used": when(code.used_at),
        "ended": when(code.ended_at),
        "may_enrol": code.may_enrol,
        "issued_by": code.issued_by,
    }
