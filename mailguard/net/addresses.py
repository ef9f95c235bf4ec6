"""Where a server is: its name is looked up once for all connections of a few seconds.

A look-up takes a thread and reads files, at every login. What was found is kept for so short a time that a store which
moves is found where it is; and if nobody answers at what is kept, the name is looked up at once.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

KEPT: Final = 5.0  # seconds

P = TypeVar("P", bound=asyncio.BaseProtocol)

_known: dict[tuple[str, int], tuple[float, Sequence[str]]] = {}
"""By name and port: until when, and the addresses in the order in which they are to be tried."""


async def connected(factory: Callable[[], P], host: str, port: int, **options: Any) -> tuple[asyncio.Transport, P]:
    """A connection to the first address of `host` that takes one; the rest is as for the loop's `create_connection`.

    Raises OSError, of the last address that was tried.
    """
    kept = _known.get((host, port))
    if kept is not None and asyncio.get_running_loop().time() < kept[0]:
        try:
            return await _first(factory, kept[1], port, options)
        except ssl.SSLError:  # somebody answered
            raise
        except OSError:
            _known.pop((host, port), None)
    return await _first(factory, await _look_up(host, port), port, options)


async def _look_up(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
    _known[host, port] = loop.time() + KEPT, addresses
    return addresses


async def _first(
    factory: Callable[[], P], addresses: Sequence[str], port: int, options: dict[str, Any]
) -> tuple[asyncio.Transport, P]:
    *others, last = addresses
    loop = asyncio.get_running_loop()
    for address in others:
        try:
            return await loop.create_connection(factory, address, port, **options)
        except ssl.SSLError:
            raise
        except OSError:
            continue
    return await loop.create_connection(factory, last, port, **options)
