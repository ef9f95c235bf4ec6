"""As whom the children run. Half root can become somebody else."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mailguard
from mailguard.config import ConfigError
from mailguard.config.choices import Half

if TYPE_CHECKING:
    from mailguard.config import Settings


@dataclass(frozen=True, slots=True)
class User:
    """An account of this machine, and the key that names it."""

    key: str
    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, key: str, name: str) -> User:
        """ConfigError where there is no such account."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise ConfigError(key, f"there is no user {name!r} on this machine; write an existing one") from None
        return cls(key, name, entry.pw_uid, entry.pw_gid)

    def become(self) -> None:
        """Be this user for good, with all that one's groups. ConfigError where that user cannot run mailguard."""
        if os.geteuid() == self.uid:
            return
        os.initgroups(self.name, self.gid)
        os.setgid(self.gid)
        os.setuid(self.uid)
        for file in (mailguard.__file__, os.__file__):  # else the first import that is still to come ends the child
            if not os.access(file, os.R_OK):
                raise ConfigError(
                    self.key,
                    f"{self.name!r} may not read {file}; install mailguard and its Python where that user can, "
                    "such as below /opt, or write another user",
                )


@dataclass(frozen=True, slots=True)
class Users:
    """Who runs the workers and who the portal; None: whoever started all this."""

    workers: User | None
    portal: User | None

    @classmethod
    def of(cls, settings: Settings, only: Half | None = None) -> Users:
        """ConfigError for users that are not there, or that whoever started this cannot become."""
        workers = _named("server.user", settings.server.user) if only is not Half.PORTAL else None
        portal = _named("portal.user", settings.portal.user) if settings.portal.address else None
        if os.geteuid() == 0:
            return cls(workers, portal)
        first = portal if only is Half.PORTAL else workers
        if first is not None and first.uid != os.geteuid():
            raise ConfigError(
                first.key, f"only root can become {first.name!r}; start as root, or as that user without it"
            )
        return cls(None, None)  # whoever started this: `check` says so where that makes one user of two

    @property
    def apart(self) -> bool:
        """Is what the workers may read kept from the portal?"""
        return self.portal is not None and self.portal.uid != (
            os.geteuid() if self.workers is None else self.workers.uid
        )


def _named(key: str, name: str) -> User | None:
    return User.of(key, name) if name else None
