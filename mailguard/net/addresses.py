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
    until, kept = _known.get((host, port), (0.0, ()))
    if asyncio.get_running_loop().time() >= until:
        return await _first(factory, await _look_up(host, port), port, options)
    try:
        return await _first(factory, kept, port, options)
    except ssl.SSLError:  # somebody answered
        raise
    except OSError:
        found = await _look_up(host, port)
        if found == kept:  # where it always was: one that is down or full is not asked twice
            raise
        return await _first(factory, found, port, options)


async def _look_up(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = tuple(dict.fromkeys(_written(address) for *_, address in found))
    _known[host, port] = loop.time() + KEPT, addresses
    return addresses


def _written(address: tuple[Any, ...]) -> str:
    """With the link that an IPv6 address of a link alone is on."""
    host, _, *more = address
    return f"{host}%{more[1]}" if len(more) == 2 and more[1] else str(host)


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
