"""`mailguard explain`: why logins at one address failed, in plain words."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from mailguard.cli.length import seconds
from mailguard.cli.output import AsJson, json_object, printable, say, when
from mailguard.cli.records import Address, Records, with_records
from mailguard.explain import words
from mailguard.explain.case import Case, read
from mailguard.explain.paragraph import Words
from mailguard.explain.troubles import Trouble

WIDTH = 100


def explain(
    ctx: typer.Context,
    address: Address,
    since: Annotated[str, typer.Option(help="How far back.", metavar="24h")] = "24h",
    as_json: AsJson = False,
) -> None:
    """Why logins failed: which device, why, and what to do."""
    back = seconds(since, "--since") or 0.0

    async def work(records: Records) -> Case:
        return await read(records.store, records.name(address), records.now - back, records.now)

    case = with_records(ctx, work)
    if as_json:
        json_object(_values(case))
        return
    say("\n\n".join(_lines(case)))


def _lines(case: Case) -> Iterator[str]:
    yield _block(words.summary(case))
    for each in case.troubles:
        yield _block(words.paragraph(each, case))


def _block(said: Words) -> str:
    text = printable(said.text)
    if sys.stdout.isatty():
        text = textwrap.fill(text, WIDTH)
    return "\n".join((text, *(f"    {printable(command)}" for command in said.commands)))


def _values(case: Case) -> dict[str, object]:
    said = words.summary(case)
    return {
        "account": case.name,
        "exists": case.account is not None,
        "since": when(case.since),
        "until": when(case.now),
        "let_in": when(case.let_in_at),
        "text": said.text,
        "commands": said.commands,
        "troubles": [_trouble(each, case) for each in case.troubles],
    }


def _trouble(trouble: Trouble, case: Case) -> dict[str, object]:
    said = words.paragraph(trouble, case)
    password = case.app_passwords.get(trouble.credential)
    times = {"since": when(trouble.since), "last_at": when(trouble.last_at), "mended_at": when(trouble.mended_at)}
    label = password.label if password is not None else ""
    return {**asdict(trouble), **times, "label": label, "text": said.text, "commands": said.commands}
