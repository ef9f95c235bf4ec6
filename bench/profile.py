"""Where the microseconds of a login go: `python -m bench --profile`."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import work
from bench.progress import Progress
from bench.targets import Column, Target
from bench.work import Amount
from tests.e2e.daemon import eventually

PROGRAM = "bench.sampled"
LOGINS = Amount(logins=800, at_once=8, waits=0, megabytes=0, trips=0, idle=0)
TOP = 12  # functions that are named

# The first that fits a file's name is whose work it is.
_PARTS = (
    ("TLS: OpenSSL, by way of ssl", re.compile(r"/ssl\.py$")),
    ("event loop: uvloop and the kernel", re.compile(r"/asyncio/runners\.py$|/uvloop/")),
    ("asyncio: futures, timeouts, streams", re.compile(r"/asyncio/")),
    ("SQLite, by way of sqlite3 and aiosqlite", re.compile(r"/(sqlite3|aiosqlite)/")),
    ("SQLAlchemy", re.compile(r"/sqlalchemy/")),
    ("aioimaplib", re.compile(r"/aioimaplib/")),
    ("aiosmtpd", re.compile(r"/aiosmtpd/")),
)
_ROOM = re.compile(r"/mailguard/(\w+)")


@dataclass(frozen=True, slots=True)
class Profile:
    """CPU µs a login, by part and by function. The sampling itself is in it, a few parts of a hundred."""

    whole: float
    parts: Mapping[str, float]
    functions: Mapping[str, float]


async def profiled(target: Target, folder: Path, tls: ssl.SSLContext, progress: Progress) -> dict[Column, Profile]:
    """Both protocols' logins at a guard that was started as PROGRAM, after everybody was there once."""
    found: dict[Column, Profile] = {}
    logins = work.Work(target, LOGINS, tls)
    for column, port in ((Column.IMAP_LOGIN, target.imap_port), (Column.SUBMISSION_LOGIN, target.submission_port)):
        progress.say(f"profile of {column.label}: warm-up")
        await logins.logins(target.credentials, port)
        before = _samples(target, folder)
        progress.say(f"profile of {column.label}")
        whole = await logins.logins(target.credentials, port)
        found[column] = of(Counter(_samples(target, folder)) - Counter(before), whole)
    return found


def of(spent: Mapping[str, int], whole: float) -> Profile:
    """Nanoseconds by function, scaled to what a login cost as a whole."""
    scale = whole / max(1, sum(spent.values()))
    parts: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for name, nanoseconds in spent.items():
        file, _, function = name.rpartition(":")
        parts[part(file)] += nanoseconds
        functions[f"{_short(file)}: {function}"] += nanoseconds
    return Profile(
        whole,
        {name: count * scale for name, count in parts.most_common()},
        {name: count * scale for name, count in functions.most_common(TOP)},
    )


def part(file: str) -> str:
    """Whose work a function of that file is."""
    for name, fits in _PARTS:
        if fits.search(file):
            return name
    room = _ROOM.search(file)
    return f"mailguard.{room[1]}" if room is not None else "the rest of Python"


def table(found: Mapping[Column, Profile]) -> str:
    """Parts of both kinds of login beside each other, then the functions with most."""
    names = list(dict.fromkeys(name for each in found.values() for name in each.parts))
    names.sort(key=lambda name: -sum(each.parts.get(name, 0.0) for each in found.values()))
    lines = [f"| | {' | '.join(f'{column.label}, µs' for column in found)} |", f"| --- |{' ---: |' * len(found)}"]
    lines += [
        f"| {name} | {' | '.join(f'{each.parts.get(name, 0):.0f}' for each in found.values())} |" for name in names
    ]
    lines.append(f"| **whole** | {' | '.join(f'**{each.whole:.0f}**' for each in found.values())} |")
    for column, each in found.items():
        lines += ["", f"Functions with most of the {column.label}:", ""]
        lines += [f"- {microseconds:.0f} µs `{name}`" for name, microseconds in each.functions.items()]
    return "\n".join(lines)


def as_json(found: Mapping[Column, Profile]) -> dict[str, object]:
    """All of it."""
    return {
        column.key: {"whole": each.whole, "parts": dict(each.parts), "functions": dict(each.functions)}
        for column, each in found.items()
    }


def _samples(target: Target, folder: Path) -> dict[str, int]:
    """The counts of the one worker so far."""
    _, worker, *_ = target.meter.pids()
    path = folder / f"samples.{worker}.json"
    path.unlink(missing_ok=True)
    os.kill(worker, signal.SIGRTMIN)
    assert eventually(path.exists, 10), "no samples"
    counts: dict[str, int] = json.loads(path.read_text())
    return counts


def _short(file: str) -> str:
    """From the package on."""
    return re.sub(r"^.*/(?:site-packages|python3\.\d+)/|^.*/(?=mailguard/)", "", file)
