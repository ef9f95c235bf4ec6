"""`mailguard bypass` and `mailguard enrolment-code`: one-time codes that an administrator hands out."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.admin import factors
from mailguard.admin.factors import Handed
from mailguard.auth import recovery
from mailguard.auth.accounts import AccountName
from mailguard.cli.length import seconds
from mailguard.cli.output import AsJson, json_object, note, say, when
from mailguard.cli.records import Address, Records, with_records
from mailguard.config import Settings

bypass = typer.Typer(no_args_is_help=True, help="Bypass codes: in place of the code, for hours, once.")
enrolment_code = typer.Typer(no_args_is_help=True, help="Enrolment codes: leave to bind the first authenticator.")


def typed_at(settings: Settings) -> str:
    """Where whoever is handed such a code types it."""
    if not settings.portal.address:
        return f'no page takes it: portal.address is "none" in {settings.file.name}'
    return f"it is typed at {settings.portal.public_url}, where the second page asks for a code"


@bypass.callback()
@enrolment_code.callback()
def noun() -> None:
    """So that `issue` stays a word of its own where it is the only verb."""


@bypass.command("issue")
def issue_bypass(
    ctx: typer.Context,
    address: Address,
    lasts: Annotated[str, typer.Option("--for", help="How long it is good, at most 3d.", metavar="8h")],
    may_enrol: Annotated[
        bool, typer.Option("--may-enrol", help="Whoever signs in by it may bind a new authenticator.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a code that replaces the authenticator's at one sign-in. The password is still needed. Print it, once."""
    good_for = seconds(lasts, "--for")
    if good_for is None or good_for > recovery.BYPASS_SECONDS_MOST:
        raise typer.BadParameter("must be a length of time, at most 3d", param_hint="--for")

    async def work(records: Records) -> tuple[Settings, AccountName, Handed]:
        name = records.name(address)
        handed = await factors.bypass(records.bureau, records.acting, name, good_for, may_enrol=may_enrol)
        return records.settings, name, handed

    settings, name, handed = with_records(ctx, work)
    row, code = handed.row, recovery.grouped(handed.code)
    if as_json:
        json_object({"id": row.id, "secret": code})
        return
    say(code)
    able = "and may bind a new authenticator" if may_enrol else "and binds no authenticator"
    note(f"with the password it signs {name} in once, until {when(row.expires_at)}, {able}; it is not shown again")
    note(typed_at(settings))


@enrolment_code.command("issue")
def issue_enrolment(ctx: typer.Context, address: Address, as_json: AsJson = False) -> None:
    """Make a code that lets its owner bind the first authenticator. Good for 24 hours, once. Print it, once."""

    async def work(records: Records) -> tuple[Settings, AccountName, Handed]:
        name = records.name(address)
        return records.settings, name, await factors.enrolment_code(records.bureau, records.acting, name)

    settings, name, handed = with_records(ctx, work)
    row, code = handed.row, recovery.grouped(handed.code)
    if as_json:
        json_object({"id": row.id, "secret": code})
        return
    say(code)
    note(f"with the password it lets {name} set up an authenticator, until {when(row.expires_at)}; not shown again")
    note(typed_at(settings))
