"""`python -m bench.scale`: the runs one after the other, or those that are named."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bench import machine
from bench.place import RESULTS, ended_by_sigterm, folder
from bench.progress import Progress
from bench.scale import crowds, patience
from bench.scale.findings import Finding, as_json, table
from bench.scale.ground import ground
from bench.scale.passwords import compared
from bench.scripted import running_scripted
from tests.e2e.daemon import free_ports
from tests.e2e.stack import Stack

MANY = 1_000_000
Run = Callable[[Stack, Path, Progress], Awaitable[list[Finding]]]


async def rest(stack: Stack, place: Path, progress: Progress) -> list[Finding]:
    """Nobody is there."""
    progress.say("at rest")
    overrides = {"observe": {"metrics": f"127.0.0.1:{free_ports(1)[0]}"}}
    with ground(stack, place / "rest", progress, overrides, accounts=10, portal=True) as before:
        return await crowds.at_rest(before)


async def idle(stack: Stack, place: Path, progress: Progress) -> list[Finding]:
    """10,000 sessions."""
    with ground(stack, place / "idle", progress) as before:
        return await crowds.idle(before)


async def burst(stack: Stack, place: Path, progress: Progress) -> list[Finding]:
    """2,000 connections in one moment."""
    progress.say("burst")
    with ground(stack, place / "burst", progress) as before:
        return await crowds.burst(before)


async def strangers(stack: Stack, place: Path, progress: Progress) -> list[Finding]:
    """2,000 who never log in."""
    progress.say("strangers")
    found: list[Finding] = []
    for tls, most in (("starttls", 64.0), ("implicit", 128.0)):  # of TLS, OpenSSL has half
        with ground(stack, place / f"strangers-{tls}", progress, accounts=10) as before:
            found += await crowds.strangers(before, tls, 2000, most)
    return found


def main() -> int:
    """Exit code 0 whatever the figures are."""
    runs: dict[str, Run] = {"rest": rest, "idle": idle, "burst": burst, "strangers": strangers}
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("runs", nargs="*", help=f"of {', '.join([*runs, 'patience', 'passwords'])}")
    parser.add_argument("--passwords", type=int, default=MANY, help="how many there are in the run of that name")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder for the file")
    options = parser.parse_args()
    runs["patience"] = patience.waited
    runs["passwords"] = lambda stack, place, progress: compared(stack, place, progress, options.passwords)
    if unknown := set(options.runs) - runs.keys():
        parser.error(f"no such run: {', '.join(sorted(unknown))}")
    progress = Progress()
    found: dict[str, list[Finding]] = {}
    with ended_by_sigterm("scale"), folder() as place, running_scripted(place) as stack:
        for name in options.runs or runs:
            found[name] = uvloop.run(_run(runs[name], stack, place, progress))
            progress.end()
            print(f"\n{name}\n\n{table(found[name])}", flush=True)
    options.results.mkdir(parents=True, exist_ok=True)
    described = machine.described()
    path = options.results / f"scale-{described['date'][:10]}.json"
    kept = json.loads(path.read_text())["runs"] if path.exists() else {}
    kept |= {name: as_json(each) for name, each in found.items()}
    path.write_text(json.dumps({"about": described, "runs": kept}, indent=1) + "\n")
    print(f"\n{path}", file=sys.stderr)
    return 0


async def _run(run: Run, stack: Stack, place: Path, progress: Progress) -> list[Finding]:
    return await run(stack, place, progress)


if __name__ == "__main__":
    sys.exit(main())
