"""What an organisation offers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from mailguard import config
from mailguard.web.discovery.offer import Offer, offer

IMAPS, IMAP = ("imap", "0.0.0.0:993", "implicit"), ("imap", "0.0.0.0:143", "starttls")
SUBMISSIONS, SUBMISSION = ("submission", "0.0.0.0:465", "implicit"), ("submission", "0.0.0.0:587", "starttls")
ALL = (IMAP, IMAPS, SUBMISSION, SUBMISSIONS)

Door = tuple[str, str, str]


@dataclass(frozen=True)
class Written:
    """Writes configurations."""

    folder: Path

    def __call__(self, *doors: Door, domain: str = "example.org", portal: str = "") -> config.Settings:
        """Settings with these doors and lines of [portal]."""
        backends = "".join(
            f'[backend.{name}]\nhost = "store.internal"\nport = 993\n' for name in ("imap", "submission")
        )
        listens = "".join(
            f'[[listen]]\nprotocol = "{protocol}"\naddress = "{address}"\ntls = "{tls}"\n'
            for protocol, address, tls in doors
        )
        file = self.folder / "config.toml"
        file.write_text(
            f'[server]\nhostname = "Mail.example.org"\n[names]\ndomain = "{domain}"\n'
            f"[portal]\n{portal}\n{backends}{listens}"
        )
        return config.load(file)

    def offered(self, *doors: Door, domain: str = "example.org", portal: str = "") -> Offer:
        """What these settings offer."""
        return offer(self(*doors, domain=domain, portal=portal))


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


@pytest.fixture
def everything(written: Written) -> Offer:
    """Both protocols, both forms of TLS."""
    return written.offered(*ALL)
