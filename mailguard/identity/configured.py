"""Settings → who checks users' own passwords where that is not the mail store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.config import ConfigError, Source
from mailguard.net.tls import client_context
from mailguard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mailguard.config import Settings
    from mailguard.identity.directory import Directory


def directory_of(settings: Settings, now: Callable[[], float]) -> Directory | None:
    """The directory, where one is asked. Raises ConfigError, TlsError where its library or a file is missing."""
    table = settings.identity.ldap
    if settings.identity.source is not Source.LDAP or table is None:
        return None
    try:
        from mailguard.identity.directory import Directory  # python-ldap is installed only where it is needed
    except ImportError as error:
        raise ConfigError(
            "identity.source",
            f'"ldap" needs python-ldap, which is not here ({error}); do `make ldap`, or: pip install mailguard[ldap]',
        ) from None
    secret = None if table.bind_secret_file is None else _secret(table.bind_secret_file)
    return Directory(table, client_context(table.ca), secret, now)


def _secret(file: Path) -> Secret:
    key = "identity.ldap.bind_secret_file"
    try:
        secret = file.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        why = f"{file} cannot be read ({error.strerror}); put the password of identity.ldap.bind there, mode 0600"
        raise ConfigError(key, why) from None
    if not secret or any(byte < 0x20 for byte in secret):
        raise ConfigError(key, f"{file} must hold the password of identity.ldap.bind alone, on one line")
    return Secret(secret)
