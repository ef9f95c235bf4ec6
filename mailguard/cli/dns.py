"""`mailguard dns`: the zone lines by which mail programs find the guard."""

from __future__ import annotations

from itertools import groupby

import typer

from mailguard import config
from mailguard.cli.output import AsJson, Row, listing, say
from mailguard.cli.records import settings_path
from mailguard.cli.refusal import Refusal
from mailguard.web.discovery.offer import offer
from mailguard.web.discovery.zone import zone


def dns(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Zone lines by which mail programs find the guard."""
    settings = config.load(settings_path(ctx))
    told = offer(settings)
    if not told.domains:
        raise Refusal(f"no mail domain is known: write portal.domains or names.domain in {settings.file}")
    lines = {domain: zone(told, domain) for domain in told.domains}
    if as_json:
        rows: list[Row] = [
            {"domain": domain, "name": each.name, "type": each.type, "value": each.value, "note": each.note}
            for domain, records in lines.items()
            for each in records
        ]
        listing(rows, as_json=True, empty="")
        return
    for domain, records in lines.items():
        say(f"; the zone of {domain}: its mail programs find the guard by these lines")
        for note, alike in groupby(records, key=lambda record: record.note):
            say(f"; {note}")
            for record in alike:
                say(record.line())
