"""The key file: read, made, rotated. It is replaced as a whole, so that a crash leaves the old one or the new one.

    [[generation]]
    id = "g1-7k2m"
    created = 2026-11-24T09:30:00Z
    secret = "…"            # 32 bytes, base64

The newest generation comes first.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import re
import secrets
import stat
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mailguard.keyring.ring import ALPHABET, SECRET_BYTES, Generation, Keyring, KeysError

LOCK_SECONDS = 10.0
LOCK_PAUSE = 0.02

_HEAD = """\
# The keys of mailguard. Whoever has this file and the database can open every authenticator seed.
# Keep a copy in a safe place, apart from the backups of the database: without it they are worthless.
"""
_NUMBER = re.compile(r"g(\d{1,6})-")


def create(path: Path, now: datetime | None = None) -> Keyring:
    """Write a new key file with one generation, readable by its owner alone. FileExistsError rather than overwrite."""
    generations = (_generation(1, now or datetime.now(UTC)),)
    _fill(path, generations)
    return Keyring(generations, partial(_read, path))


def load(path: Path, *, shared: bool = False) -> Keyring:
    """Read the key file. KeysError where it is missing, open to others or damaged; it never shows a secret. `shared`:
    its group may read it."""
    return Keyring(_read(path, shared=shared), partial(_read, path, shared=shared))


def rotate(path: Path, now: datetime | None = None) -> Generation:
    """Put a new generation first. KeysError where the file cannot be replaced: it is as it was."""
    with _alone(path):
        old = _read(path, shared=True)
        number = 1 + max(int(match[1]) if (match := _NUMBER.match(g.id)) else 0 for g in old)
        new = _generation(number, now or datetime.now(UTC))
        _replace(path, (new, *old))
        return new


def retire(path: Path, key_id: str) -> None:
    """Take a generation out. KeysError where the file cannot be replaced: it is as it was."""
    with _alone(path):
        _replace(path, [generation for generation in _read(path, shared=True) if generation.id != key_id])


def _generation(number: int, now: datetime) -> Generation:
    key_id = f"g{number}-" + "".join(secrets.choice(ALPHABET) for _ in range(4))
    return Generation(key_id, now.replace(microsecond=0), secrets.token_bytes(SECRET_BYTES))


def _text(generations: Sequence[Generation]) -> str:
    return _HEAD + "".join(
        "\n[[generation]]\n"
        f'id = "{generation.id}"\n'
        f"created = {generation.created.isoformat().replace('+00:00', 'Z')}\n"
        f'secret = "{base64.b64encode(generation.secret).decode()}"\n'
        for generation in generations
    )


def _fill(path: Path, generations: Sequence[Generation], owner: os.stat_result | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if owner is not None and (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        if owner is not None:
            os.fchmod(descriptor, owner.st_mode & 0o640)  # whoever could read the old one follows the rotation
        file.write(_text(generations))
        file.flush()
        os.fsync(descriptor)


def _replace(path: Path, generations: Sequence[Generation]) -> None:
    path = path.resolve()  # a link is kept, what it leads to is replaced
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)  # of a crash
        try:
            _fill(fresh, generations, path.stat())
            os.replace(fresh, path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync(path.parent)
    except OSError as error:
        raise KeysError(
            f"{path} cannot be replaced ({error.strerror}): run mailguard as root or as the user that owns it, "
            "and let that user write in its folder"
        ) from None


def _sync(folder: Path) -> None:
    """Else a power cut could undo the replacement, after rows were sealed under what it brought."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time changes the file: of two rotations at once, one generation would be lost with its rows."""
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise KeysError(f"{path}: its folder cannot be opened ({error.strerror}); name another in keys.file") from None
    try:
        for _ in range(round(LOCK_SECONDS / LOCK_PAUSE)):
            with suppress(BlockingIOError):
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(LOCK_PAUSE)
        else:
            raise KeysError(f"another process has locked {path.parent} for {LOCK_SECONDS:.0f} s: find and end it")
        yield
    finally:
        os.close(folder)


def _read(path: Path, *, shared: bool = False) -> tuple[Generation, ...]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = tomllib.load(file)
    except FileNotFoundError:
        raise KeysError(
            f"{path}: no such key file; restore it; a new installation gets one by `mailguard init`"
        ) from None
    except OSError as error:
        raise KeysError(f"{path}: cannot be read ({error.strerror}); run mailguard as the user that owns it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise KeysError(f"{path}: is not valid TOML; restore it from your copy") from None
    if mode & (0o037 if shared else 0o077):
        wanted = "0640" if shared else "0600"
        raise KeysError(f"{path}: others may read it (mode {mode:04o}); do: chmod {wanted} {path}")
    tables = content.get("generation")
    if not isinstance(tables, list) or not tables:
        raise KeysError(f"{path}: holds no [[generation]]; restore it from your copy")
    generations = tuple(_read_one(path, number, table) for number, table in enumerate(tables, 1))
    if len({g.id for g in generations}) != len(generations):
        raise KeysError(f"{path}: two generations have the same id; restore it from your copy")
    return generations


def _read_one(path: Path, number: int, table: object) -> Generation:
    where = f"{path}: generation {number}"
    if not isinstance(table, dict):
        raise KeysError(f"{where} is no table; restore it from your copy")
    key_id, created, secret = table.get("id"), table.get("created"), table.get("secret")
    if not isinstance(key_id, str) or not _ID.fullmatch(key_id):
        raise KeysError(f"{where} has no id; restore it from your copy")
    if not isinstance(created, datetime):
        raise KeysError(f"{where} has no date in `created`; restore it from your copy")
    try:
        raw = base64.b64decode(secret if isinstance(secret, str) else "", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != SECRET_BYTES:
        raise KeysError(f"{where} has no secret of {SECRET_BYTES} bytes in base64; restore it from your copy")
    return Generation(key_id, created, raw)


_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")
