"""The description of the API as a file: `python -m mailguard.web.api.document > docs/operators/openapi.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mailguard.web.api.application import described, routes


def render() -> str:
    """The whole file."""
    return json.dumps(described(routes()), indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Print it, or say whether a file still is it."""
    match arguments:
        case []:
            sys.stdout.write(render())
            return 0
        case ["--check", name]:
            if Path(name).read_text(encoding="utf-8") == render():
                return 0
            sys.stderr.write(f"{name} is not what the code says; do: python -m mailguard.web.api.document > {name}\n")
            return 1
        case _:
            sys.stderr.write("usage: python -m mailguard.web.api.document [--check FILE]\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
