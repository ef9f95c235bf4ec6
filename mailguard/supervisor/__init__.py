"""The processes: bind the ports, keep them open, run the workers and the portal and start a new one for each that dies.

The supervisor speaks no protocol and runs no event loop: it holds the listening sockets, so that a worker that is
killed loses its own sessions and no client is refused. Children are forked and accept from the same sockets. Where it
is started as root it stays root, for nothing but to start children as their users.

Run `only` as one half, each half has a supervisor of its own and none needs root.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
from typing import TYPE_CHECKING

from mailguard import config
from mailguard.app.worker import Door
from mailguard.config import ConfigError
from mailguard.config.choices import Half
from mailguard.config.letters import silence
from mailguard.net.activation import listeners
from mailguard.observe import logs
from mailguard.supervisor.children import Supervisor
from mailguard.supervisor.handover import Predecessor
from mailguard.supervisor.notify import Notifier
from mailguard.supervisor.users import Users

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("mailguard.supervisor")


def serve(path: Path, only: Half | None = None) -> int:
    """Run until told to stop; the exit code. Raises ConfigError, and BindError for a port that cannot be had."""
    for number in (signal.SIGHUP, signal.SIGUSR2):  # until they are heeded: told too early, they would end us
        signal.signal(number, signal.SIG_IGN)
    notifier = Notifier.of(os.environ, os.getpid())
    predecessor = Predecessor.of(os.environ)
    settings = config.load(path)
    logs.start(settings.observe.log)
    _take_all_descriptors()
    users = Users.of(settings, only)
    mail = settings.listen if only is not Half.PORTAL else ()
    pages = settings.portal.address if only is not Half.MAIL else ""
    metrics = settings.observe.metrics if only is not Half.PORTAL else ""
    if only is Half.PORTAL and not pages:
        raise ConfigError("portal.address", 'is "none", and nothing else was asked for; write one, or end this service')
    addresses = [address for address in (*(listen.address for listen in mail), pages, metrics) if address]
    handed = listeners(addresses, os.environ, os.getpid())
    socks = (each.sock for each in handed)
    doors = [Door(listen, next(socks)) for listen in mail]
    portal = next(socks) if pages else None
    monitor = next(socks) if metrics else None
    supervisor = Supervisor(
        settings, users, doors, portal, monitor, notifier=notifier, handed=handed, predecessor=predecessor
    )
    # Whatever runs beside us holds its sessions still.
    if failed := supervisor.preflight(settings, fresh=predecessor is None):
        return failed
    for line in settings.unacted():
        log.info("not acted on yet", extra={"setting": line})
    if mute := silence(settings):
        log.warning("some are told nothing", extra={"detail": "; ".join(mute)})
    if doors and portal is not None and not users.apart:
        log.warning(
            "the portal runs as the same user as the workers",
            extra={"detail": "whoever breaks into it can read all that they can: see portal.user"},
        )
    return supervisor.run()


def _take_all_descriptors() -> None:
    """Each session holds two. The usual soft limit of 1024 protects users of select(2), and would let strangers who
    sit there unauthenticated shut everybody out."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
