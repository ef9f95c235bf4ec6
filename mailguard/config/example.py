"""Writes the commented example of config.toml from the declarations of its keys.

`python -m mailguard.config.example > config.toml` renews the file; `--check FILE` compares it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mailguard.config.connections import (
    Backend,
    Identity,
    IdentityBackend,
    Listen,
    NotifyRelay,
    Server,
    SubmissionBackend,
    Tls,
)
from mailguard.config.directory import IdentityLdap
from mailguard.config.key import keys_of
from mailguard.config.kinds import Raw, toml
from mailguard.config.rules import Names, Policy, Throttle
from mailguard.config.settings import Audit, Keys, Notify, Observe, Portal, Records

COMMENT_COLUMN = 41
_HEAD = """\
# mailguard: the configuration. Every key is shown with its default, or with an example where it has none.
# Relative file names start at this file's folder. Lengths of time: "90s", "15m", "12h", "365d", "0".
# Lines that begin with "# " and a key are defaults of features that are not built yet: leave them as they are.
"""
_DOORS: tuple[Mapping[str, Raw], ...] = (
    {"protocol": "imap", "address": "0.0.0.0:993", "tls": "implicit"},
    {"protocol": "imap", "address": "0.0.0.0:143", "tls": "starttls"},
    {"protocol": "submission", "address": "0.0.0.0:465", "tls": "implicit"},
    {"protocol": "submission", "address": "0.0.0.0:587", "tls": "starttls"},
)
_NOTHING: Mapping[str, Raw] = MappingProxyType({})


def render(changes: Mapping[str, Raw] = _NOTHING) -> str:
    """The file's text. `changes` maps full names of keys, such as `server.hostname`, to other example values."""
    return _HEAD + "".join("\n" + "\n".join(section) + "\n" for section in _sections(changes))


def _sections(changes: Mapping[str, Raw]) -> Iterator[list[str]]:
    def table(kind: type[Any], name: str) -> list[str]:
        of_table = {key.rpartition(".")[2]: value for key, value in changes.items() if key.rpartition(".")[0] == name}
        what = (kind.__doc__ or "").partition(".")[0]
        return [f"# {what}.", f"[{name}]", *_keys(kind, of_table)]

    yield table(Server, "server")
    yield table(Tls, "tls")
    first, *others = _DOORS
    yield ["# One table a door for clients.", "[[listen]]", *_keys(Listen, first)]
    for door in others:
        yield ["[[listen]]", *(f"{name} = {toml(value)}" for name, value in door.items())]
    yield table(Records, "store")
    yield table(Keys, "keys")
    yield table(Names, "names")
    yield table(Identity, "identity")
    yield _commented(
        'With login = "master": an IMAP listener of the store that takes users\' own passwords, used for nothing else.',
        ["[identity.backend]", *_keys(IdentityBackend, _NOTHING)],
    )
    yield _commented('With source = "ldap": the directory.', ["[identity.ldap]", *_keys(IdentityLdap, _NOTHING)])
    yield table(Backend, "backend.imap")
    yield table(SubmissionBackend, "backend.submission")
    yield table(Policy, "policy")
    yield _commented("Other rules for one group of accounts.", ["[policy.group.staff]", 'two_factor = "enforce"'])
    yield table(Throttle, "throttle")
    yield table(Portal, "portal")
    yield table(Audit, "audit")
    yield table(Notify, "notify")
    yield _commented(
        "Who takes the letters, where [backend.submission] has no master login or shall not.",
        ["[notify.relay]", *_keys(NotifyRelay, _NOTHING)],
    )
    yield table(Observe, "observe")


def _keys(kind: type[Any], values: Mapping[str, Raw]) -> Iterator[str]:
    for _, key in keys_of(kind):
        line = f"{key.name} = {toml(values.get(key.name, key.example))}"
        if not key.built:
            line = "# " + line
        comment = key.comment if key.built else f"not built yet; {key.comment}".removesuffix("; ")
        yield f"{line:<{COMMENT_COLUMN - 1}} # {comment}" if comment else line


def _commented(why: str, lines: list[str]) -> list[str]:
    return [f"# {why}", *(f"# {line}" for line in lines)]


def main(arguments: list[str]) -> int:
    """Print the example, or say whether a file still is it."""
    match arguments:
        case []:
            sys.stdout.write(render())
            return 0
        case ["--check", name]:
            if Path(name).read_text(encoding="utf-8") == render():
                return 0
            sys.stderr.write(f"{name} is not what the code says; do: python -m mailguard.config.example > {name}\n")
            return 1
        case _:
            sys.stderr.write("usage: python -m mailguard.config.example [--check FILE]\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
