"""The first files of an installation: configuration, keys, a certificate to begin with. Nothing is ever overwritten."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mailguard import config, keyring
from mailguard.authority import self_signed
from mailguard.config import Tls
from mailguard.config.example import render

CERTIFICATE_VALID = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Step:
    """One file that was made, or was there and is kept."""

    file: Path
    what: str
    made: bool


def begin(file: Path, *, hostname: str, store_host: str) -> Iterator[Step]:
    """Make what is not there, configuration first: it says where the others belong. Raises ConfigError, OSError."""
    changes = {
        "server.hostname": hostname,
        "portal.public_url": f"https://{hostname}",
        "names.domain": _domain(hostname),
        "notify.from": f"security@{_domain(hostname)}",
        "backend.imap.host": store_host,
        "backend.submission.host": store_host,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file = file.absolute()
    yield Step(file, "configuration", _put(file, render(changes).encode(), 0o644))
    settings = config.load(file)
    yield Step(settings.keys.file, "keys", _keys(settings.keys.file))
    yield from _certificate(settings.tls, settings.server.hostname)


def _domain(hostname: str) -> str:
    """The mail domain behind a host's name: mail.example.org serves example.org."""
    rest = hostname.partition(".")[2]
    return rest if "." in rest else hostname


def _keys(file: Path) -> bool:
    if file.exists():
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    keyring.create(file)
    return True


def _certificate(tls: Tls, hostname: str) -> Iterator[Step]:
    kept = [
        Step(file, what, made=False)
        for file, what in ((tls.certificate, "certificate"), (tls.private_key, "private key"))
        if file.exists()
    ]
    if kept:
        yield from kept
        return
    key, certificate = self_signed(hostname, CERTIFICATE_VALID)
    for file, content, mode, what in (
        (tls.private_key, key, 0o600, "private key"),
        (tls.certificate, certificate, 0o644, "certificate, self-signed: replace it before users come"),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        yield Step(file, what, _put(file, content, mode))


def _put(file: Path, content: bytes, mode: int) -> bool:
    """Write a whole file or none, and never over one that is there: not even over one that appears just now."""
    if file.exists():
        return False
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as draft:
            draft.write(content)
            draft.flush()
            os.fchmod(draft.fileno(), mode)
            os.fsync(draft.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, file)
            return True
        return False
    finally:
        os.unlink(name)
