"""The way to a directory: TLS is spoken here, and libldap is handed the inside of it as a socket.

libldap's own handshake knows no deadline: a directory that accepts a connection and is silent then keeps its thread for
ever, spinning (OpenLDAP 2.5 with GnuTLS). And it takes advice from ldap.conf and ~/.ldaprc. Here the certificate and
its name are demanded as they are of the mail store, and no conversation outlives its deadline.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailguard.config import TlsMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailguard.config import IdentityLdap

CONNECT_SECONDS = 3.0  # for each directory, its handshake included

_PORTS = {"ldap": 389, "ldaps": 636}
_CHUNK = 65536
# An ExtendedRequest, message 1, for 1.3.6.1.4.1.1466.20037 (RFC 4511 §4.14.1); libldap counts its own messages anew.
_STARTTLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"
_ANSWER = b"\x02\x01\x01\x78"  # message 1, an ExtendedResponse; its length and the result code follow
_LONGEST_ANSWER = 4096


class WireTrouble(Exception):
    """No directory was reached over TLS that can be trusted."""


@contextlib.contextmanager
def wire(table: IdentityLdap, context: ssl.SSLContext, seconds: float) -> Iterator[socket.socket]:
    """A socket to the first directory that can be reached; all of it ends after `seconds`. Raises WireTrouble."""
    deadline = time.monotonic() + seconds
    outside = _reached(table, context)
    near, far = socket.socketpair()
    pump = threading.Thread(target=_carry, args=(outside, far, deadline), name="directory-wire", daemon=True)
    pump.start()
    try:
        yield near
    finally:
        near.close()
        pump.join()


def _reached(table: IdentityLdap, context: ssl.SSLContext) -> ssl.SSLSocket:
    trouble = []
    for url in table.url.split():
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        try:
            return _secured(host, port, context, starttls=table.tls is TlsMode.STARTTLS)
        except ssl.SSLCertVerificationError as error:
            trouble.append(f"{url}: its certificate is refused: {error.verify_message}")
        except OSError as error:  # ssl.SSLError and TimeoutError are such
            trouble.append(f"{url}: {error.strerror or error}")
    raise WireTrouble("; ".join(trouble))


def _secured(host: str, port: int, context: ssl.SSLContext, *, starttls: bool) -> ssl.SSLSocket:
    deadline = time.monotonic() + CONNECT_SECONDS
    plain = socket.create_connection((host, port), CONNECT_SECONDS)
    try:
        if starttls:
            _start_tls(plain, deadline)
        plain.settimeout(max(0.001, deadline - time.monotonic()))
        return context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _start_tls(plain: socket.socket, deadline: float) -> None:
    """Ask for TLS. A byte behind the answer was put there by somebody who cannot know what is encrypted later."""
    plain.sendall(_STARTTLS)
    heard = b""
    while len(heard) < 2 or len(heard) < 2 + heard[1]:
        plain.settimeout(max(0.001, deadline - time.monotonic()))
        data = plain.recv(_LONGEST_ANSWER)
        if not data:
            raise ConnectionError("closed instead of starting TLS")
        heard += data
    sound = heard[0] == 0x30 and len(heard) == 2 + heard[1] and heard[2:6] == _ANSWER and heard[7:9] == b"\x0a\x01"
    if not sound or heard[9]:
        raise ConnectionError("does not start TLS")


def _carry(outside: ssl.SSLSocket, far: socket.socket, deadline: float) -> None:
    """Carry bytes both ways until either side ends, or the time is up."""
    with outside, far, contextlib.suppress(OSError):
        while (left := deadline - time.monotonic()) > 0:
            ready = [outside] if outside.pending() else select.select([outside, far], [], [], left)[0]
            for source in ready:
                data = _received(source)
                if data == b"":
                    return
                target = far if source is outside else outside
                target.settimeout(left)
                target.sendall(data or b"")


def _received(source: socket.socket) -> bytes | None:
    """What is there now; None where it was TLS's own, such as a session ticket: to wait for more would hold up what
    comes the other way."""
    source.settimeout(0)
    try:
        return source.recv(_CHUNK)
    except ssl.SSLWantReadError:
        return None
