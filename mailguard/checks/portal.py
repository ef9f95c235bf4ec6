"""The portal: is it up, does its certificate name it, and what does its user see of what it must not?"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailguard.checks.certificates import covers
from mailguard.checks.files import read_by_guard
from mailguard.checks.findings import Finding, Level, fail, ok, warn
from mailguard.checks.nearby import nearby
from mailguard.config import Source
from mailguard.net.stream import connect
from mailguard.net.tls import TlsError, certificate_facts
from mailguard.store.engine import database_path

if TYPE_CHECKING:
    from mailguard.config import Settings

TIMEOUT = 3.0


async def portal(settings: Settings) -> list[Finding]:
    """Everything about it. Nothing where it is switched off."""
    if not settings.portal.address:
        return []
    return [await _listens(settings), *_named(settings), *_users(settings)]


async def _listens(settings: Settings) -> Finding:
    host, port = nearby(settings.portal.address)
    where = f"portal.address {settings.portal.address}"
    try:
        stream = await connect(host, port, context=None, server_hostname=None, timeout=TIMEOUT)
    except OSError:
        return Finding(Level.NOTE, f"nobody listens at {where}", "right before mailguard serve; else see its log")
    stream.abort()
    return ok(f"somebody listens at {where}: {settings.portal.public_url}")


def _named(settings: Settings) -> Iterator[Finding]:
    """A browser must find the name it asked for. Behind a forwarder it meets the forwarder's certificate."""
    name = urlsplit(settings.portal.public_url).hostname or ""
    if settings.portal.proxy_from or name == settings.server.hostname.lower():
        return
    shown = [settings.tls.certificate, *(each.certificate for each in settings.tls.names)]
    try:
        known = [pattern for file in shown for pattern in certificate_facts(file).names]
    except TlsError:
        return  # told with the certificates
    if not any(covers(pattern, name) for pattern in known):
        yield fail(
            f"no certificate names {name}, the host of portal.public_url: every browser warns",
            f"get one that names {name}, or name it in tls.names, or correct portal.public_url",
        )


def _users(settings: Settings) -> Iterator[Finding]:
    mail, web = settings.server.user, settings.portal.user
    if not web or web == mail:
        yield Finding(
            Level.NOTE,
            "the portal runs as the same user as the mail workers: whoever breaks into it reads all that they read",
            "give it a user of its own in portal.user (docs/operators/install.md)",
        )
        return
    try:
        theirs, own = pwd.getpwnam(mail or "root"), pwd.getpwnam(web)
    except KeyError as error:
        yield fail(f"{error.args[0]} (server.user, portal.user)", "make that user, or write another")
        return
    if os.geteuid() not in (0, own.pw_uid):
        yield Finding(
            Level.NOTE,
            f"the portal becomes {web} only in a service of its own, or where mailguard serve is started as root",
            "see to it that one of these holds (docs/operators/install.md)",
        )
    shared = sorted(_groups(theirs) & _groups(own)) if mail else sorted(_groups(own))
    if not shared:
        yield fail(f"{mail} and {web} share no group", f"do: usermod -a -G {_name(theirs.pw_gid)} {web}")
        return
    yield from _files(settings, theirs, own, _name(shared[0]))


def _files(settings: Settings, theirs: pwd.struct_passwd, own: pwd.struct_passwd, group: str) -> Iterator[Finding]:
    database = database_path(settings.store.url)
    secrets = dict(settings.secret_files())
    needed = {file for key, file in secrets.items() if _asked(settings, key)}
    bad = False
    for file in dict.fromkeys(read_by_guard(settings)):
        if file in secrets.values() and file not in needed:
            if _may(file, own, 4):
                bad = True
                yield warn(
                    f"{file} can be read by {own.pw_name}: whoever breaks into the portal has what it opens",
                    f"do: chown {theirs.pw_name} {file} && chmod 0600 {file}",
                )
        elif file != database and file.exists() and not _may(file, own, 4):
            bad = True
            yield fail(
                f"{file} cannot be read by {own.pw_name}, as whom the portal runs",
                f"do: chgrp {group} {file} && chmod 0640 {file}; and let that group enter its folder (chmod g+x)",
            )
    for path, mode, rights in ((database.parent, "2770", 7), (database, "0660", 6)):
        beside = f"{path}*" if path == database else f"{path}"
        if path.exists() and not all(_may(path, user, rights) for user in (theirs, own)):
            bad = True
            yield fail(
                f"{path} is not for both {theirs.pw_name} and {own.pw_name} to read and change",
                f"do: chgrp {group} {beside} && chmod {mode} {beside}",
            )
    if not bad:
        yield ok(f"the portal runs as {own.pw_name}, who reads what it needs and no master's secret")


def _asked(settings: Settings, key: str) -> bool:
    """Does the portal need this secret itself? It asks the directory who people are."""
    return key.startswith("identity.ldap.") and settings.identity.source is Source.LDAP


def _may(path: Path, user: pwd.struct_passwd, rights: int) -> bool:
    """May this user do that (read 4, write 2, enter 1) with this path, and enter every folder above it?"""
    if not path.exists():
        return False
    above = all(_granted(folder, user, 1) for folder in path.resolve().parents)
    return above and _granted(path, user, rights)


def _granted(path: Path, user: pwd.struct_passwd, rights: int) -> bool:
    state = path.stat()
    if user.pw_uid == 0:
        return True
    if state.st_uid == user.pw_uid:
        given = state.st_mode >> 6
    elif state.st_gid in _groups(user):
        given = state.st_mode >> 3
    else:
        given = state.st_mode
    return given & rights == rights


def _groups(user: pwd.struct_passwd) -> set[int]:
    return set(os.getgrouplist(user.pw_name, user.pw_gid))


def _name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
