"""TLS contexts for both legs, and errors that say which file to mend."""

import asyncio.sslproto
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from mailguard.net.resumption import ResumingContext

C = TypeVar("C", bound=ssl.SSLContext)

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}

# asyncio keeps a zero-filled receive buffer of this size, 256 KiB by default, for every TLS connection: an idle
# session costs 280 KiB with it and 40 KiB with this. The attribute is private, so its absence is no error;
# uvloop has its own, which becomes resident only as it is used.
TLS_READ_SIZE = 16 * 1024
if hasattr(asyncio.sslproto.SSLProtocol, "max_size"):
    asyncio.sslproto.SSLProtocol.max_size = TLS_READ_SIZE


class TlsError(Exception):
    """A certificate, key or setting that cannot be used; the text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class SniName:
    """A further name of this server, with its own certificate."""

    name: str
    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What an operator wants to know of a certificate file; the first certificate in it counts."""

    not_after: datetime  # UTC
    names: tuple[str, ...]  # DNS names and IP addresses
    self_signed: bool
    issuer: str = ""
    alone: bool = False  # no certificate of whoever issued it lies behind it
    ordered: bool = True  # each certificate behind it issued the one before


def server_context(
    certificate: Path,
    private_key: Path,
    *,
    minimum: str,
    alpn: Sequence[str] = (),
    names: Sequence[SniName] = (),
) -> ssl.SSLContext:
    """What clients meet: TLS of at least `minimum`, no renegotiation, no compression.

    `names` are chosen by SNI from a table made here and never grown, since what a client asks for is the
    client's to invent; any other name gets `certificate`. A mismatch in ALPN does not end the handshake
    (the ssl module has no way to), the dialogue has to see to strange protocols. Raises TlsError.
    (RFC 8996, RFC 8314 §3; RFC 6066 §3, RFC 7301 §3.2)
    """
    context = _server_context(certificate, private_key, minimum, alpn)
    others = {each.name.lower(): _server_context(each.certificate, each.private_key, minimum, alpn) for each in names}

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None and (other := others.get(name.lower())) is not None:
            connection.context = other

    if others:
        context.sni_callback = choose
    return context


def client_context(ca: Path | None, *, minimum: str = "TLSv1.2") -> ResumingContext:
    """For the way to the store: chain and name are verified, always. `ca` None: the system's authorities.

    Raises TlsError. (RFC 8314 §3, RFC 7817 §3)
    """
    if ca is not None:
        _text(ca, "-----BEGIN CERTIFICATE-----", "certificate authority")
    context = ResumingContext()
    try:
        if ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise TlsError(f"{ca}: unreadable as certificates ({error.reason}); write the authority's PEM file") from None
    return _harden(context, minimum)


def certificate_facts(path: Path) -> CertificateFacts:
    """What a certificate file says of itself. Raises TlsError."""
    text = _text(path, "-----BEGIN CERTIFICATE-----", "certificate")
    try:
        chain = x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise TlsError(f"{path}: damaged certificate ({error}); copy it again from its issuer") from None
    certificate = chain[0]
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names: tuple[str, ...] = ()
    else:
        addresses = (str(address) for address in alternatives.get_values_for_type(x509.IPAddress))
        names = (*alternatives.get_values_for_type(x509.DNSName), *addresses)
    self_signed = certificate.issuer == certificate.subject
    return CertificateFacts(
        certificate.not_valid_after_utc,
        names,
        self_signed,
        certificate.issuer.rfc4514_string(),
        alone=len(chain) == 1 and not self_signed,
        ordered=all(below.issuer == above.subject for below, above in pairwise(chain)),
    )


def _server_context(certificate: Path, private_key: Path, minimum: str, alpn: Sequence[str]) -> ssl.SSLContext:
    _text(certificate, "-----BEGIN CERTIFICATE-----", "certificate")
    _text(private_key, "PRIVATE KEY-----", "private key")

    def no_passphrase() -> str:  # without this OpenSSL asks at the terminal, and the start hangs there
        raise TlsError(
            f"{private_key}: the private key is encrypted; write one without a passphrase "
            f"(openssl pkey -in {private_key} -out plain.key) and protect it by its file mode"
        )

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, private_key, password=no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = (
                f"{private_key}: does not belong to {certificate}; configure the key that the certificate was made for"
            )
        else:
            text = f"{certificate}, {private_key}: unusable ({error.reason}); configure a PEM certificate chain and key"
        raise TlsError(text) from None
    if alpn:
        context.set_alpn_protocols(list(alpn))
    context.num_tickets = 1  # as many as are used up, if each connection goes on with the last one's; each costs 25 µs
    return _harden(context, minimum)


def _harden(context: C, minimum: str) -> C:
    if minimum not in _VERSIONS:
        raise TlsError(f"TLS version {minimum!r} is not offered; write one of {', '.join(_VERSIONS)}")
    context.minimum_version = _VERSIONS[minimum]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _text(path: Path, mark: str, what: str) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise TlsError(
            f"{path}: cannot read the {what}: {error.strerror}; put the file there or mend its mode"
        ) from None
    if mark.encode() not in text:
        raise TlsError(f"{path}: no {what} in PEM form in it; it must have a line with {mark!r}")
    return text
