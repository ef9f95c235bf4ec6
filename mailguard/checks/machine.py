"""What lies on this machine: keys, secrets, the clock, the records."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

from mailguard import keyring
from mailguard.auth.ports import StoreUnavailable
from mailguard.checks.files import read_by_guard
from mailguard.checks.findings import Finding, fail, ok, warn
from mailguard.config import Settings
from mailguard.keyring import Keyring, KeysError
from mailguard.store import SchemaError, Store
from mailguard.store.crowds import Crowd
from mailguard.store.engine import database_path
from mailguard.store.errors import RecordAltered

CLOCK_SLACK = 60.0
ROOM = 200 * 1024 * 1024
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_OCTETS = 1024  # room for struct timex of any platform; zeros ask and set nothing


def keys(settings: Settings) -> tuple[Keyring | None, Finding]:
    """The key file: there, readable by mailguard alone, apart from what it protects?"""
    file = settings.keys.file
    try:
        ring = keyring.load(file, shared=settings.keys_shared)
    except KeysError as error:
        return None, fail("key file", str(error))
    if file.parent == database_path(settings.store.url).parent:
        return ring, warn(
            f"{file.name} lies beside the database: one stolen folder opens every authenticator",
            "move it elsewhere and name it in keys.file",
        )
    return ring, ok(f"key file, {len(ring.generations)} generation(s), newest {ring.newest.id}")


def secrets(settings: Settings) -> Iterator[Finding]:
    """Are the secrets for stores, the directory and the relay for letters readable by mailguard alone?"""
    for key, file in settings.secret_files():
        # Where the portal is another user it asks the directory too, and reads that secret by its group.
        open_to_group = settings.keys_shared and key.startswith("identity.ldap.")
        if file.exists() and file.stat().st_mode & (0o037 if open_to_group else 0o077):
            yield fail(f"{key} may be read by others", f"do: chmod 0600 {file}")


def owners(settings: Settings) -> Iterator[Finding]:
    """May the user that mailguard drops to read what it needs?"""
    if not settings.server.user:
        return
    try:
        user = pwd.getpwnam(settings.server.user)
    except KeyError:
        yield fail(f"there is no user {settings.server.user}", "make it, or write another in server.user")
        return
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    for file in dict.fromkeys(read_by_guard(settings)):
        if file.exists() and not _readable(file.stat(), user.pw_uid, groups):
            yield fail(f"{file} cannot be read by {user.pw_name}", f"do: chown {user.pw_name} {file}")


def _readable(file: os.stat_result, user: int, groups: list[int]) -> bool:
    if file.st_uid == user:
        return bool(file.st_mode & 0o400)
    return bool(file.st_mode & (0o040 if file.st_gid in groups else 0o004))


def clock() -> Finding:
    """Is somebody keeping the clock right? Codes count in steps of 30 seconds."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        state: int = libc.adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS))
    except (OSError, AttributeError):
        state = -1
    if state in (-1, _TIME_ERROR):
        return warn(
            "the clock is not known to be synchronised",
            "run chrony or systemd-timesyncd, here or on the host of this container",
        )
    return ok("the clock is synchronised")


async def records(settings: Settings, ring: Keyring, now: float) -> list[Finding]:
    """Do the records open, may they be written, are they from the past?"""
    file = database_path(settings.store.url)
    try:
        store = await Store.open(settings.store.url, ring, now=lambda: now)
    except (StoreUnavailable, SchemaError, KeysError) as error:
        return [fail(f"records in {file}", str(error))]
    try:
        newest = await store.audit.newest()
        stuck = await store.notices.stuck()
        await store.sealer.tip()
        crowds = await store.crowds.list()
    except StoreUnavailable as error:
        return [fail(f"records in {file}", str(error))]
    except RecordAltered as altered:
        return [fail(str(altered), "see `mailguard audit verify`; keep a copy of the database as it is")]
    finally:
        await store.close()
    waiting = [warn(f"letters wait to be sent: {stuck}", "they are tried for five days in all")] if stuck else []
    found = list(_file(file, shared=settings.keys_shared)) + list(_age(newest, now)) + waiting or [
        ok(f"records in {file}")
    ]
    return found + list(_crowds(settings, crowds))


def _crowds(settings: Settings, crowds: Iterable[Crowd]) -> Iterator[Finding]:
    policies = (settings.policy, *settings.policy.group.values())
    for crowd in crowds:
        address = ip_address(crowd.address)
        if not all(any(address in network for network in policy.shared_networks) for policy in policies):
            yield fail(
                f"{crowd.accounts} accounts came from the one private address {crowd.address} within a day: grants "
                "and trusted networks are off there",
                "if a router, balancer or forwarder stands there, let clients reach the guard without it; if so many "
                "people share that machine, name it in policy.shared_networks",
            )


def _file(file: Path, *, shared: bool) -> Iterator[Finding]:
    for path in (file, file.parent):  # SQLite writes its log beside the database
        if not os.access(path, os.W_OK):
            yield fail(f"{path} cannot be written", "let the user that mailguard runs as write there")
    if file.stat().st_mode & (0o007 if shared else 0o077):
        yield warn(f"{file} may be read by others", f"do: chmod {'0660' if shared else '0600'} {file}")
    free = shutil.disk_usage(file.parent).free
    if free < ROOM:
        yield warn(f"{free // 2**20} MiB left for {file}", "make room: without it nobody new gets in")


def _age(newest: float, now: float) -> Iterator[Finding]:
    if newest > now + CLOCK_SLACK:
        yield fail(
            f"the clock is {newest - now:.0f} s behind the newest record",
            "set it right: until then codes are refused",
        )
