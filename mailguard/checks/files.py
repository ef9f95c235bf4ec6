"""Who may read and change what mailguard lives by: its configuration, certificates, database and their folders."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mailguard.checks.findings import Finding, fail, warn
from mailguard.store.engine import database_path

if TYPE_CHECKING:
    from mailguard.config import Settings

_OTHERS_WRITE = 0o022


def files(settings: Settings) -> Iterator[Finding]:
    """Modes and owners. Whether the guard itself may read them: machine.owners."""
    database = database_path(settings.store.url)
    trusted = _trusted(settings)
    for file in dict.fromkeys(read_by_guard(settings)):
        if file.exists():
            shared = settings.keys_shared and file == database  # with the portal's user
            yield from _changed_by_others(file, trusted, 0o002 if shared else _OTHERS_WRITE)
    for folder in dict.fromkeys(each.parent for each in (settings.file, settings.keys.file, database)):
        if folder.exists():
            yield from _folder(folder, shared=settings.keys_shared and folder == database.parent)


def read_by_guard(settings: Settings) -> Iterator[Path]:
    """Every file that mailguard opens while it serves."""
    yield from (settings.file, settings.keys.file, settings.tls.certificate, settings.tls.private_key)
    for name in settings.tls.names:
        yield from (name.certificate, name.private_key)
    yield from (file for _, file in settings.secret_files())
    if settings.names.aliases is not None:
        yield settings.names.aliases
    yield database_path(settings.store.url)


def _trusted(settings: Settings) -> set[int]:
    """Root, whoever runs this, and the user that the guard drops to."""
    users = {0, os.geteuid()}
    try:
        users.add(pwd.getpwnam(settings.server.user).pw_uid)
    except KeyError:  # none is named, or one who is not there: machine.owners tells
        return users
    return users


def _changed_by_others(file: Path, trusted: set[int], others: int) -> Iterator[Finding]:
    state = file.stat()
    if state.st_mode & others:
        yield fail(f"{file} may be changed by others: they decide who gets in", f"do: chmod go-w {file}")
    if state.st_uid not in trusted:
        yield fail(
            f"{file} belongs to {_name(state.st_uid)}, who is neither root nor mailguard's user",
            f"do: chown root {file}, or to the user in server.user",
        )


def _folder(folder: Path, *, shared: bool) -> Iterator[Finding]:
    mode = folder.stat().st_mode
    if mode & 0o002 and not mode & 0o1000:
        yield fail(f"{folder} may be changed by everybody: files in it can be replaced", f"do: chmod go-w {folder}")
    elif mode & _OTHERS_WRITE and not mode & 0o1000 and not shared:
        yield warn(f"{folder} may be changed by its group: files in it can be replaced", f"do: chmod go-w {folder}")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
