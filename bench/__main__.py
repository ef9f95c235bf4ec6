"""`python -m bench`: the guard, nginx and Dovecot before one store, one table (see docs/performance.md)."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench import clients, figures, machine, plot, profile, report, rounds, work
from bench.guard import running_guard
from bench.meter import Meter
from bench.peers import running_dovecot, running_nginx
from bench.place import RESULTS, ended_by_sigterm, folder
from bench.progress import Progress
from bench.store import running_store
from bench.targets import Target, Who

ROUNDS = 5


def main() -> int:
    """Exit code 0 whatever the figures are, 1 where they cannot be taken."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: the same columns, rougher figures")
    parser.add_argument("--profile", action="store_true", help="no peers: where the microseconds of a login go")
    parser.add_argument("--rounds", type=int, default=0, help=f"so many rounds; {ROUNDS} where none are named")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder for the files")
    options = parser.parse_args()
    if reason := machine.lacking():
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    if options.profile:
        return _profile(options.results)
    amount, count = (work.QUICK, 1) if options.quick else (work.WHOLE, ROUNDS)
    progress = Progress()
    with (
        ended_by_sigterm("bench"),
        folder() as place,
        running_targets(place, progress) as (targets, ca),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        found = runner.run(rounds.measured(targets, amount, options.rounds or count, clients.context(ca), progress))
    progress.end()
    described, medians = machine.described(), figures.medians(found)
    print(report.table(medians))
    stem = options.results / ("quick" if options.quick else described["date"][:10])
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(report.as_json(described, found, medians), indent=1) + "\n")
    stem.with_suffix(".svg").write_text(plot.drawn(medians, described))
    print(f"\n{stem}.json and .svg", file=sys.stderr)
    return 0


def _profile(results: Path) -> int:
    progress = Progress()
    with (
        ended_by_sigterm("bench"),
        folder() as place,
        running_store(place) as store,
        running_guard(store, place / "mailguard", profile.PROGRAM) as target,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        found = runner.run(profile.profiled(target, place / "mailguard", clients.context(store.ca), progress))
    progress.end()
    described = machine.described()
    print(profile.table(found))
    results.mkdir(parents=True, exist_ok=True)
    kept = {"about": described, "profile": profile.as_json(found)}
    (results / f"profile-{described['date'][:10]}.json").write_text(json.dumps(kept, indent=1) + "\n")
    return 0


@contextlib.contextmanager
def running_targets(place: Path, progress: Progress) -> Iterator[tuple[list[Target], Path]]:
    """Everybody, before one store; and the store's authority."""
    with contextlib.ExitStack() as daemons:
        progress.say("starting Dovecot and Postfix")
        store = daemons.enter_context(running_store(place))
        progress.say("starting mailguard")
        targets = [daemons.enter_context(running_guard(store, place / "mailguard"))]
        progress.say("starting nginx and the Dovecot proxy")
        targets += [
            daemons.enter_context(running_nginx(store, place / who.name.lower(), who))
            for who in (Who.NGINX_TLS, Who.NGINX_PLAIN)
        ]
        targets.append(daemons.enter_context(running_dovecot(store, place / "front")))
        targets.append(Target(Who.STORE, store.imap_port, store.submission_port, Meter(0), store.users))
        yield targets, store.ca


if __name__ == "__main__":
    sys.exit(main())
