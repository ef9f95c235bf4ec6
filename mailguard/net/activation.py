"""Listening sockets that the service manager has opened for us: sd_listen_fds(3)."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from mailguard.net.listener import BindError, bind

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

FIRST: Final = 3  # SD_LISTEN_FDS_START
Place = tuple[str, int]


def listeners(addresses: Sequence[str], environ: MutableMapping[str, str], pid: int) -> list[socket.socket]:
    """A listening socket for each address: the one handed to us where there is one, elsewhere one of our own.

    Raises BindError for one that nobody wants, before anything is bound: clients would be taken in there and never
    served.
    """
    given = {_place_of(sock): sock for sock in _given(environ, pid)}
    wanted = {_place(address) for address in addresses}
    for host, port in given.keys() - wanted:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise BindError(
            f"{shown}: handed over by the service manager, and no door listens there; name it in [[listen]] or "
            f"portal.address exactly so, or remove ListenStream={shown} from the .socket unit"
        )
    return [given.get(_place(address)) or bind(address) for address in addresses]


def _given(environ: MutableMapping[str, str], pid: int) -> list[socket.socket]:
    """What was handed over. The environment forgets them: a child must not take them for its own."""
    whose, count, names = (environ.pop(f"LISTEN_{what}", "") for what in ("PID", "FDS", "FDNAMES"))
    if whose != str(pid) or not count.isdecimal():
        return []
    named = [*names.split(":"), *[""] * int(count)]
    return [_adopted(FIRST + number, named[number]) for number in range(int(count))]


def _adopted(descriptor: int, name: str) -> socket.socket:
    try:
        sock = socket.socket(fileno=descriptor)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise BindError(f"{name or descriptor}: handed over by the service manager, and no socket ({error})") from None
    if not listens or sock.type is not socket.SOCK_STREAM or sock.family not in (socket.AF_INET, socket.AF_INET6):
        raise BindError(
            f"{name or descriptor}: handed over by the service manager, and no listening TCP socket; write "
            "ListenStream=ADDRESS:PORT and Accept=no in the .socket unit"
        )
    sock.setblocking(False)
    sock.set_inheritable(False)
    return sock


def _place_of(sock: socket.socket) -> Place:
    host, port = sock.getsockname()[:2]
    return str(ip_address(host)), port


def _place(address: str) -> Place:
    """However it is written: [0:0::0]:993 is [::]:993."""
    host, _, port = address.rpartition(":")
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]"))), int(port)
    except ValueError:
        return address, 0  # `bind` says what is wrong with it
