"""Taking connections in, and keeping those that have not logged in yet within bounds."""

import asyncio
import errno
import logging
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from mailguard.net.stream import keep_alive
from mailguard.net.tasks import Tasks

log = logging.getLogger("mailguard.net")

BACKLOG: Final = 512
BREATHER: Final = 0.5  # seconds without accepting when the machine has no descriptor or buffer left
BURST: Final = 16  # connections taken in one go; the rest is left for the other processes at the same socket
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

Afterwards = Callable[[], Awaitable[None]]
Serve = Callable[[socket.socket, tuple[str, int]], Awaitable[Afterwards | None]]
"""What it returns comes last. By then whatever led to it is forgotten: it may last for days."""


class BindError(Exception):
    """An address that cannot be listened at; the text says what to do."""


class Listener:
    """Accepts at a bound, listening, non-blocking socket that other processes may share.

    Hands out plain sockets: what comes first on them, TLS or something before it, is `serve`'s matter.
    The socket stays open and belongs to who bound it.
    """

    def __init__(self, sock: socket.socket, serve: Serve, tasks: Tasks, name: str) -> None:
        keep_alive(sock)  # each socket that is accepted inherits it, which spares four calls for each
        self._sock = sock
        self._serve = serve
        self._tasks = tasks
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept."""
        self._loop.add_reader(self._sock, self._accept)

    async def stop(self) -> None:
        """Accept no more; running sessions go on."""
        self._loop.remove_reader(self._sock)
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _accept(self) -> None:
        for _ in range(BURST):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return  # another process was faster
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # this one peer is gone already: ECONNABORTED, and what accept(2) passes on
                told = {"listener": self._name, "detail": error.strerror, "seconds": BREATHER}
                log.warning("not accepting for a while", extra=told)
                # The socket stays readable: without a pause this would spin until a session ends.
                self._loop.remove_reader(self._sock)
                self._again = self._loop.call_later(BREATHER, self.start)
                return
            self._hand_out(sock, (str(address[0]), int(address[1])))

    def _hand_out(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        sock.setblocking(False)
        begun = False

        async def session() -> None:
            nonlocal begun
            begun = True
            afterwards = await self._serve(sock, peer)
            if afterwards is not None:
                lasting = afterwards()
                del afterwards
                await lasting

        def never_begun(_: asyncio.Task[None]) -> None:
            if not begun:  # cancelled before its first step: nobody else knows of this socket
                sock.close()

        self._tasks.spawn(session(), name=f"{self._name} {peer[0]}:{peer[1]}").add_done_callback(never_begun)


class Ticket:
    """A place in the lobby."""

    __slots__ = ("_lobby", "network", "shed")

    def __init__(self, lobby: "Lobby", network: str, shed: Callable[[], None]) -> None:
        self._lobby = lobby
        self.network = network
        self.shed = shed

    def leave(self) -> None:
        """Give the place back, at login or at close; once or more often."""
        self._lobby.forget(self)

    def renew(self) -> None:
        """Count as the newest from now on: whoever says something is not the one who sits and waits."""
        self._lobby.renew(self)


class Lobby:
    """The connections that have not logged in: so many overall, so many of one network.

    At a cap the newcomer gets in and the oldest goes: an honest client is through in a second or two,
    who sits and waits is a slow-loris. All in constant time.
    """

    def __init__(self, *, overall: int, per_network: int) -> None:
        self._overall = overall
        self._per_network = per_network
        self._all: OrderedDict[Ticket, None] = OrderedDict()
        self._networks: dict[str, OrderedDict[Ticket, None]] = {}
        self.shed = 0  # how many had to go so far

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, network: str, shed: Callable[[], None]) -> Ticket:
        """Let a connection in; `shed` is called once, from a later `enter`, if its place is needed."""
        if len(self._networks.get(network, ())) >= self._per_network:
            self._shed_oldest(self._networks[network])
        elif len(self._all) >= self._overall:
            self._shed_oldest(self._all)
        ticket = Ticket(self, network, shed)
        self._all[ticket] = None
        self._networks.setdefault(network, OrderedDict())[ticket] = None
        return ticket

    def forget(self, ticket: Ticket) -> None:
        """Called by the ticket."""
        if ticket not in self._all:
            return
        del self._all[ticket]
        of_network = self._networks[ticket.network]
        del of_network[ticket]
        if not of_network:
            del self._networks[ticket.network]

    def renew(self, ticket: Ticket) -> None:
        """Called by the ticket."""
        if ticket in self._all:
            self._all.move_to_end(ticket)
            self._networks[ticket.network].move_to_end(ticket)

    def _shed_oldest(self, tickets: OrderedDict[Ticket, None]) -> None:
        oldest = next(iter(tickets))
        self.forget(oldest)  # first: `shed` may well call leave()
        self.shed += 1
        oldest.shed()


def bind(address: str) -> socket.socket:
    """A listening socket at "0.0.0.0:993" or "[::]:993" (which takes IPv4 too); port 0 picks one. Raises BindError."""
    host, _, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or not bare or (":" in bare and bare == host):
        raise BindError(f"{address}: not an address to listen at; write 0.0.0.0:993 or [::]:993")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((bare, int(port)))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise BindError(f"{address}: {_remedy(error, int(port))}") from error
    return sock


def _remedy(error: OSError, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"the port is in use; stop the program that `ss -ltnp sport = :{port}` names, or choose another port"
        case errno.EACCES:
            return (
                "ports below 1024 need a privilege; give AmbientCapabilities=CAP_NET_BIND_SERVICE in the service file, "
                "run as root, or choose a port from 1024"
            )
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address; choose one that `ip address` lists, or 0.0.0.0"
        case _:
            return f"{error.strerror or error}; write an address of this machine, such as 0.0.0.0:{port} or [::]:{port}"
