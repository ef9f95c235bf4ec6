"""Keys that are written and do nothing, given the others. What contradicts stops the start: config.consistency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mailguard.checks.findings import Finding, warn
from mailguard.config import Login, Source, TlsMode

if TYPE_CHECKING:
    from mailguard.config import Settings


def dead(settings: Settings) -> Iterator[Finding]:
    """Each with the key that makes it so."""
    doors = {str(door.protocol) for door in settings.listen}
    for name, backend in settings.backend.items():
        key = f"backend.{name}"
        if name not in doors:
            yield _dead(key, f"no door leads there ([[listen]] with protocol = {name!r})")
        if backend.login is Login.OWN:
            if backend.master_user:
                yield _dead(f"{key}.master_user", f'{key}.login is "own"')
            if backend.master_secret_file is not None:
                yield _dead(f"{key}.master_secret_file", f'{key}.login is "own"')
        if backend.ca is not None and backend.tls is TlsMode.NONE:
            yield _dead(f"{key}.ca", f'{key}.tls is "none"')
    yield from _of_identity(settings)
    for each in settings.tls.names:
        if each.name.lower() == settings.server.hostname.lower():
            yield _dead(f"tls.names {each.name}", "it is server.hostname, which tls.certificate is for")


def _of_identity(settings: Settings) -> Iterator[Finding]:
    identity = settings.identity
    masters = any(backend.login is Login.MASTER for backend in settings.backend.values())
    if identity.backend is not None and identity.source is not Source.BACKEND:
        yield _dead("identity.backend", f'identity.source is "{identity.source}"')
    elif identity.backend is not None and not masters:
        yield _dead("identity.backend", "no backend has a master login: users' passwords open their own legs")
    if identity.ldap is not None and identity.source is not Source.LDAP:
        yield _dead("identity.ldap", f'identity.source is "{identity.source}"')


def _dead(key: str, why: str) -> Finding:
    return warn(f"{key} does nothing: {why}", "take it out, or correct the other")
