"""Coverage-guided fuzzing of one target: python -m tests.fuzz TARGET [options of libFuzzer and folders of inputs]."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["mailguard"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit("\n".join(TARGETS))
    target, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], TARGETS[target])
    atheris.Fuzz()


main()
