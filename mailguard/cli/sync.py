"""`account sync`: who is still there, told by a list, where the identity source cannot be asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailguard.auth.names import NameRefused
from mailguard.cli.output import AsJson, json_object, note, say
from mailguard.cli.records import Records, with_records
from mailguard.cli.refusal import Refusal
from mailguard.config import Source
from mailguard.identity.entry import Seen, Standing
from mailguard.identity.plan import Plan, plan

if TYPE_CHECKING:
    from mailguard.auth.accounts import AccountName

ANYWAY = "--anyway"


def sync(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The addresses of everybody who is active, one a line.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    anyway: Annotated[bool, typer.Option(ANYWAY, help="Even if the list looks wrong.")] = False,
    as_json: AsJson = False,
) -> None:
    """Suspend who is not on a list, and resume who is on it again. Lines that begin with # are notes."""
    lines = _lines(file)

    async def work(records: Records) -> tuple[Plan, int]:
        if records.settings.identity.source is Source.LDAP:
            raise Refusal('the directory itself is asked while identity.source = "ldap": there is nothing to sync')
        active = _names(records, file, lines)
        known = await records.store.rechecks.known()
        here = [each.account.name for each in known]
        seen = {name: Seen(Standing.ACTIVE if name in active else Standing.GONE) for name in here}
        planned = plan(known, seen)
        if not (anyway or dry_run):
            _demand_sense(planned, file, names_somebody=not active.isdisjoint(here))
        if not dry_run:
            for change in planned.changes:
                await records.store.rechecks.settle(change, actor=records.actor)
        return planned, len(active.difference(here))

    planned, strangers = with_records(ctx, work)
    if as_json:
        json_object({"suspended": planned.suspends, "resumed": planned.resumes, "dry_run": dry_run})
        return
    for names, done, to_do in ((planned.suspends, "suspended", "suspend"), (planned.resumes, "resumed", "resume")):
        for name in names:
            say(f"would {to_do} {name}" if dry_run else f"{done} {name}")
    if not planned.changes:
        note("everybody stays as they are")
    if strangers:
        note(f"on the list and without an account here: {strangers}")


def _lines(file: Path) -> list[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise Refusal(f"{file} must be text in UTF-8, an address a line") from None
    stripped = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in stripped if line and not line.startswith("#")]


def _names(records: Records, file: Path, lines: list[tuple[int, str]]) -> frozenset[AccountName]:
    found = set()
    for number, line in lines:
        try:
            found.add(records.name(line))
        except NameRefused as refused:
            raise Refusal(f"{file}, line {number}: this account name {refused}; mend the list") from None
    return frozenset(found)


def _demand_sense(planned: Plan, file: Path, *, names_somebody: bool) -> None:
    """A list that was cut short or is of another domain would shut everybody out."""
    if planned.suspends and not names_somebody:
        raise Refusal(f"{file} names nobody who has an account here; if that is right, say {ANYWAY}")
    if planned.suspicious:
        many = f"{file} would suspend {len(planned.suspends)} accounts at once"
        raise Refusal(f"{many}; see --dry-run, and if it is right, say {ANYWAY}")
