"""What systemd is told of the guard's life: sd_notify(3). Where nobody asks, nothing is said."""

from __future__ import annotations

import logging
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

log = logging.getLogger("mailguard.supervisor")


@dataclass(frozen=True, slots=True)
class Notifier:
    """`address`: the service manager's socket, "" where there is none. `watchdog`: it ends us after so many seconds of
    silence; None: it does not."""

    address: str
    watchdog: float | None

    @classmethod
    def of(cls, environ: MutableMapping[str, str], pid: int) -> Notifier:
        """Take what concerns this process out of the environment, so that no child speaks for it."""
        address = environ.pop("NOTIFY_SOCKET", "")
        microseconds, whose = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        asked = microseconds.isdecimal() and int(microseconds) > 0 and whose in ("", str(pid))
        abstract = address.startswith("@")
        return cls("\0" + address[1:] if abstract else address, int(microseconds) / 1e6 if asked else None)

    def environment(self) -> dict[str, str]:
        """What tells another process of the same."""
        if not self.address:
            return {}
        address = "@" + self.address[1:] if self.address.startswith("\0") else self.address
        watched = {} if self.watchdog is None else {"WATCHDOG_USEC": str(round(self.watchdog * 1e6))}
        return {"NOTIFY_SOCKET": address, **watched}

    def succeeded(self, pid: int) -> None:
        """Another process is the service from now on; it alone is heard then."""
        self._say(f"MAINPID={pid}", "READY=1", "STATUS=handed over to the next generation")

    def ready(self, status: str) -> None:
        """All is up, for the first time or again after a reload."""
        self._say("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it. The time lets systemd tell it from one before (systemd.service(5))."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """The end begins."""
        self._say("STOPPING=1", f"STATUS={status}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if not self.address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            try:
                sock.sendto("\n".join(lines).encode(), self.address)
            except OSError as error:  # mail goes on; systemd ends a service that it does not hear, and says so
                log.warning("the service manager does not hear us", extra={"detail": f"{lines[0]}: {error}"})
