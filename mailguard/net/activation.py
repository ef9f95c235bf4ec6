"""Listening sockets that were opened before us, by the service manager or by a generation before: sd_listen_fds(3)."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from mailguard.net.listener import BindError, bind

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

FIRST: Final = 3  # SD_LISTEN_FDS_START
OURS: Final = "mailguard"  # the name of those that no service manager holds
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Handed:
    """A listening socket and the name by which it is handed on."""

    sock: socket.socket
    name: str


def listeners(addresses: Sequence[str], environ: MutableMapping[str, str], pid: int) -> list[Handed]:
    """A listening socket for each address: the one handed to us where there is one, elsewhere one of our own.

    Raises BindError for one that nobody wants, before anything is bound: clients would be taken in there and never
    served. One that mailguard has opened itself, before its configuration changed, is closed instead.
    """
    given = {_place_of(each.sock): each for each in _given(environ, pid)}
    wanted = {_place(address) for address in addresses}
    for host, port in given.keys() - wanted:
        if given[host, port].name == OURS:
            given[host, port].sock.close()
            continue
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise BindError(
            f"{shown}: handed over by the service manager, and no door listens there; name it in [[listen]] or "
            f"portal.address exactly so, or remove ListenStream={shown} from the .socket unit"
        )
    return [given.get(_place(address)) or Handed(bind(address), OURS) for address in addresses]


def told_of(socks: Sequence[Handed], pid: int) -> Mapping[str, str]:
    """The environment in which process `pid` finds these at the descriptors from FIRST on."""
    names = ":".join(each.name for each in socks)
    return {"LISTEN_PID": str(pid), "LISTEN_FDS": str(len(socks)), "LISTEN_FDNAMES": names}


def _given(environ: MutableMapping[str, str], pid: int) -> list[Handed]:
    """What was handed over. The environment forgets them: a child must not take them for its own."""
    whose, count, names = (environ.pop(f"LISTEN_{what}", "") for what in ("PID", "FDS", "FDNAMES"))
    if whose != str(pid) or not count.isdecimal():
        return []
    named = [*names.split(":"), *[""] * int(count)]
    return [_adopted(FIRST + number, named[number]) for number in range(int(count))]


def _adopted(descriptor: int, name: str) -> Handed:
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
    return Handed(sock, name)


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
