"""`mailguard audit`: the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mailguard.cli.ask import Yes, consent
from mailguard.cli.length import moment
from mailguard.cli.output import AsJson, Progress, Row, counted, json_object, lines_to, listing, note, say, when
from mailguard.cli.records import Records, with_records
from mailguard.cli.refusal import Refusal
from mailguard.store.audit import Recorded
from mailguard.store.chain import Broken, Head
from mailguard.store.verify import Verified

app = typer.Typer(no_args_is_help=True, help="The record of attempts, changes and session ends.")


@app.command("list")
def list_(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="One account only.")] = "",
    since: Annotated[str, typer.Option(help="Not before: how far back, or a date (UTC).", metavar="1h|DATE")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows, the newest.", metavar="N")] = 200,
    as_json: AsJson = False,
) -> None:
    """The newest rows, oldest first."""

    async def read(records: Records) -> tuple[Recorded, ...]:
        name = records.name(address) if address else None
        start = moment(since, records.now, "--since")
        return await records.store.audit.list(account=name, since=start, limit=limit)

    listing([_row(recorded) for recorded in with_records(ctx, read)], as_json=as_json, empty="no rows")


Since = Annotated[str, typer.Option(help="Not before: how far back, or a date (UTC).", metavar="30d|DATE")]
Until = Annotated[str, typer.Option(help="Before: the same.", metavar="1d|DATE")]


@app.command("export")
def export(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="One account only.")] = "",
    since: Since = "",
    until: Until = "",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that is not there yet, instead of standard output.")
    ] = None,
) -> None:
    """All rows that match, oldest first, as lines of JSON. There may be any number."""

    async def work(records: Records) -> int:
        name = records.name(address) if address else None
        start, end = (moment(each, records.now, option) for each, option in ((since, "--since"), (until, "--until")))
        count = 0
        with lines_to(output) as write:
            async for page in records.store.audit.pages(name, start, end):
                write(page)
                count += len(page)
        return count

    count = with_records(ctx, work)
    if output is not None:
        say(f"{count} rows written to {output}")


@app.command("verify")
def verify(
    ctx: typer.Context,
    head: Annotated[
        str, typer.Option(metavar="HEAD", help="One that was written down elsewhere: in a log, in a backup.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Check every row against the chain. Exit code 1 where anything was changed, taken out or put in."""
    try:
        wanted = Head.parse(head) if head else None
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--head") from None

    async def work(records: Records) -> Verified:
        return await records.store.verify(wanted, Progress("rows fit"))

    found = with_records(ctx, work)
    broken, anchor = found.broken, found.ends.anchor
    if as_json:
        json_object(_findings(found))
    else:
        if anchor.position:
            note(f"rows up to {anchor} were purged, the last time at {when(found.ends.anchor_at)}")
        if found.unsealed:
            note(f"not sealed yet: {counted(found.unsealed, 'row')}; that takes a second, and a guard that runs")
        if broken is None:
            say(f"{counted(found.rows, 'sealed row')} fit, up to head {found.ends.head}")
    if broken is not None:
        raise Refusal(_in_words(broken, found))


@app.command("restart")
def restart(ctx: typer.Context, yes: Yes = False) -> None:
    """Begin a new chain after the old one was broken. Over the rows as they stand. Stop the guard meanwhile."""
    consent("Let every head that was written down so far prove nothing any more?", given=yes)

    async def work(records: Records) -> None:
        await records.store.sealer.restart(actor=records.actor)

    with_records(ctx, work)
    say("the guard seals all rows anew when it runs, under a new key; the record says who began it")


def _findings(found: Verified) -> dict[str, object]:
    broken, ends = found.broken, found.ends
    return {
        "whole": broken is None,
        "rows": found.rows,
        "not_sealed_yet": found.unsealed,
        "head": str(ends.head),
        "sealed": when(ends.sealed_at or None),
        "purged_up_to": str(ends.anchor) if ends.anchor.position else None,
        "purged": when(ends.anchor_at),
        "broken": None
        if broken is None
        else {
            "fault": str(broken.fault),
            "position": broken.position,
            "seq": broken.seq,
            "time": when(broken.at),
            "text": broken.text,
        },
    }


def _in_words(broken: Broken, found: Verified) -> str:
    where = f" at position {broken.position}" if broken.position is not None else ""
    written = f", of {when(broken.at)}" if broken.at is not None else ""
    return (
        f"{broken.fault}{where}{written}: {broken.text}; {found.rows} rows before it fit. "
        "Keep a copy of the database as it is, and compare with `audit export` of backups and with what was streamed"
    )


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
        "position": recorded.position,
    }
