"""`mailguard readiness`: who would be locked out if two-factor were enforced today, by which client, and what to do."""

from __future__ import annotations

from typing import Annotated

import typer

from mailguard.admin.readiness import Outcome, Unready, unready
from mailguard.cli.length import moment
from mailguard.cli.output import AsJson, Row, listing, note, when
from mailguard.cli.records import Records, with_records
from mailguard.cli.refusal import Refusal


def readiness(
    ctx: typer.Context,
    group: Annotated[str, typer.Option(help="One group only.", metavar="NAME")] = "",
    since: Annotated[str, typer.Option(help="How far back the record is read.", metavar="TIME")] = "30d",
    as_json: AsJson = False,
) -> None:
    """Who would be locked out by `enforce` today. By which client, as the logins of the last 30 days show it."""

    async def read(records: Records) -> list[Row]:
        if group and group not in records.settings.policy.group:
            raise Refusal(f"there is no group {group}: write [policy.group.{group}] in {records.settings.file} first")
        start = moment(since, records.now, "--since") or 0.0
        return [_row(each) for each in await unready(records.bureau, records.acting, start, group)]

    found = with_records(ctx, read)
    listing(found, as_json=as_json, empty=f"nobody would be locked out, as far as the last {since} show")
    locked = {row["account"] for row in found if row["outcome"] == Outcome.LOCKED_OUT}
    if locked:
        note(f"{len(locked)} accounts would be locked out")


def _row(each: Unready) -> Row:
    name, seen, handed_out = each.account.name, each.seen, each.handed_out
    enrol = f"mailguard totp enrol {name}"
    row: Row = {"account": name, "group": each.account.group, "outcome": each.outcome.value}
    if seen is not None:
        return {
            **row,
            "client": seen.place.client,
            "address": seen.place.address,
            "protocol": seen.place.protocol,
            "logins": seen.passed,
            "refused": seen.refused,
            "since": when(seen.since),
            "last": when(seen.last_at),
            "remedy": f"{enrol}; then for this client: mailguard app-password issue {name} --label L",
        }
    return {
        **row,
        "client": handed_out.label if handed_out is not None else "",
        "address": "",
        "protocol": "",
        "logins": 0,
        "refused": 0,
        "since": when(handed_out.created_at) if handed_out is not None else None,
        "last": None,
        "remedy": f"it goes on working; an operator issued it to somebody without a factor: {enrol}",
    }
