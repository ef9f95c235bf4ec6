"""Settings → who checks users' own passwords where that is not the mail store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.config import ConfigError, Source
from mailguard.config.secret_file import secret_in
from mailguard.net.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Callable

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
    secret = None
    if table.bind_secret_file is not None:
        secret = secret_in(
            table.bind_secret_file, "identity.ldap.bind_secret_file", "the password of identity.ldap.bind"
        )
    return Directory(table, client_context(table.ca), secret, now)
