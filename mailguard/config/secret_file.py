"""A secret that the configuration names by its file, so that it stands in no file that people show around."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailguard.config.errors import ConfigError
from mailguard.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path


def secret_in(file: Path, key: str, what: str) -> Secret:
    """The one line of a file, bytes as they are. ConfigError names `key` and says that `what` belongs there."""
    try:
        secret = file.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        raise ConfigError(key, f"{file} cannot be read ({error.strerror}); put {what} there, mode 0600") from None
    if not secret or any(byte < 0x20 for byte in secret):
        raise ConfigError(key, f"{file} must hold {what} alone, on one line")
    return Secret(secret)
