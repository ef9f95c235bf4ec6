"""`python -m bench.page`: the newest figures of bench/results/ into docs/performance.md."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import profile, report
from bench.place import RESULTS
from bench.profile import Profile
from bench.scale.findings import Finding
from bench.scale.findings import table as findings_table
from bench.targets import Column, Who

PAGE = Path(__file__).parents[1] / "docs/performance.md"
DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


def filled(page: str, sections: Mapping[str, str]) -> str:
    """The page with each section's text between its marks, `<!-- NAME -->` and `<!-- /NAME -->`."""
    for name, body in sections.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"the page has no place for {name}")
        head, rest = page.split(begin)
        page = f"{head}{begin}\n{body}\n{end}{rest.split(end)[1]}"
    return page


def bench_section(kept: Mapping[str, Any], picture: str) -> str:
    """Where and with what, the table, the plot."""
    medians = {
        Who(who): {column: each[column.key] for column in Column if column.key in each}
        for who, each in kept["medians"].items()
    }
    return f"{about(kept)}\n\n{report.table(medians)}\n\n![What mailguard costs, by what a peer costs]({picture})"


def scale_section(kept: Mapping[str, Any]) -> str:
    """One table of all runs."""
    found = [
        Finding(each["what"], each["value"], each["unit"], each["most"])
        for run in kept["runs"].values()
        for each in run
    ]
    return f"{about(kept)}\n\n{findings_table(found)}"


def profile_section(kept: Mapping[str, Any]) -> str:
    """Both kinds of login."""
    found = {
        column: Profile(each["whole"], each["parts"], each["functions"])
        for column in Column
        if (each := kept["profile"].get(column.key)) is not None
    }
    return f"{about(kept)}\n\n{profile.table(found)}"


def about(kept: Mapping[str, Any]) -> str:
    """Date, machine, versions: one paragraph."""
    said = dict(kept["about"])
    return f"Taken {said.pop('date')} on {said.pop('machine')}. " + "; ".join(f"{k} {v}" for k, v in said.items()) + "."


def newest(results: Path, pattern: str) -> Path | None:
    """The file of the last day."""
    return max(results.glob(pattern), default=None)


def main() -> int:
    """Exit code 0; what was not measured stays as it is on the page."""
    sections: dict[str, str] = {}
    if (path := newest(RESULTS, f"{DAY}.json")) is not None:
        picture = f"../bench/results/{path.stem}.svg"
        sections["bench"] = bench_section(json.loads(path.read_text()), picture)
    if (path := newest(RESULTS, f"scale-{DAY}.json")) is not None:
        sections["scale"] = scale_section(json.loads(path.read_text()))
    if (path := newest(RESULTS, f"profile-{DAY}.json")) is not None:
        sections["profile"] = profile_section(json.loads(path.read_text()))
    PAGE.write_text(re.sub(r"[ \t]+\n", "\n", filled(PAGE.read_text(), sections)))
    print(f"{PAGE}: {', '.join(sections) or 'nothing new'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
