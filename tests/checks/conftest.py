"""An installation whose stores do as a script says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from mailguard.app.naming import naming_of
from mailguard.checks import Finding, Level, examine
from mailguard.config.example import render
from mailguard.config.kinds import Raw
from mailguard.keyring import create
from tests.support.certs import Authority, Issued
from tests.support.hostile_store import HostileStore, ImapStore, Script, SubmissionStore


@dataclass
class Site:
    """One installation; `changes` go into its configuration."""

    folder: Path
    changes: dict[str, Raw]
    stack: ExitStack
    certificate: Issued
    heard: dict[str, list[bytes]] = field(default_factory=dict)
    relay: str = ""  # the table [notify.relay]

    def store(self, key: str, script: Script, *, implicit: bool = True) -> None:
        """Start a store and point the table `key` at it."""
        store = self.stack.enter_context(HostileStore(script, certificate=self.certificate, implicit=implicit))
        self.heard[key] = store.heard
        self.changes |= {f"{key}.host": "127.0.0.1", f"{key}.port": store.port}
        self.changes[f"{key}.tls"] = "implicit" if implicit else "starttls"

    def write(self, more: str = "") -> Path:
        """Its configuration file."""
        file = self.folder / "etc" / "config.toml"
        file.write_text(render(self.changes) + self.relay + more)
        return file

    async def found(self, more: str = "") -> list[Finding]:
        """Everything that the check finds."""
        return [finding async for finding in examine(self.write(more), naming_of)]

    async def worst(self, more: str = "") -> list[Finding]:
        """What it finds that is not in order, the clock of the machine under test apart."""
        return [
            each
            for each in await self.found(more)
            if each.level in (Level.WARN, Level.FAIL) and "synchronised" not in each.what
        ]


@pytest.fixture(scope="session")
def fresh(authority: Authority) -> Issued:
    """A certificate that is good for longer than the check warns about."""
    return authority.issue("mail.example.org", "127.0.0.1", stem="fresh", valid=timedelta(days=40))


@pytest.fixture
def site(tmp_path: Path, authority: Authority, fresh: Issued) -> Iterator[Site]:
    """One in which nothing is wrong."""
    for name in ("etc", "keys", "records"):
        (tmp_path / name).mkdir()
    create(tmp_path / "keys" / "keys.toml")
    changes: Mapping[str, Raw] = {
        "server.hostname": "mail.example.org",
        "tls.certificate": str(fresh.certificate),
        "tls.private_key": str(fresh.key),
        "keys.file": "../keys/keys.toml",
        "observe.metrics": "none",
        "store.url": "sqlite:///../records/mailguard.db",
        "backend.imap.ca": str(authority.ca),
        "backend.submission.ca": str(authority.ca),
        "notify.organisation": "desk@office.example",
    }
    with ExitStack() as stack:
        made = Site(tmp_path, dict(changes), stack, fresh)
        made.store("backend.imap", ImapStore())
        made.store("backend.submission", SubmissionStore())
        relay = stack.enter_context(HostileStore(SubmissionStore(), certificate=fresh))
        made.heard["notify.relay"] = relay.heard
        made.relay = (
            f'[notify.relay]\nhost = "127.0.0.1"\nport = {relay.port}\ntls = "implicit"\nca = "{authority.ca}"\n'
        )
        yield made
