"""TLS contexts, and errors that name the file."""

import asyncio
import asyncio.sslproto
import inspect
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from mailguard.net.stream import connect
from mailguard.net.tls import TLS_READ_SIZE, SniName, TlsError, certificate_facts, client_context, server_context
from tests.support.certs import Authority, Issued
from tests.support.streams import Tls, accept_at, listening, stream_pair


@pytest.fixture
def folder(localhost: Issued, tmp_path: Path) -> Path:
    """A good certificate and key, to be spoilt."""
    (tmp_path / "crt").write_bytes(localhost.certificate.read_bytes())
    (tmp_path / "key").write_bytes(localhost.key.read_bytes())
    return tmp_path


def encrypted_key(path: Path, issued: Issued) -> None:
    key = serialization.load_pem_private_key(issued.key.read_bytes(), None)
    form = serialization.BestAvailableEncryption(b"passphrase")
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form))


@pytest.mark.parametrize(
    ("spoil", "file", "remedy"),
    [
        (lambda folder, _: (folder / "crt").unlink(), "crt", "put the file there"),
        (lambda folder, _: (folder / "key").unlink(), "key", "put the file there"),
        (lambda folder, _: (folder / "crt").write_bytes(b"\x30\x82DER"), "crt", "BEGIN CERTIFICATE"),
        (lambda folder, _: (folder / "key").write_text("-----BEGIN CERTIFICATE-----"), "key", "PRIVATE KEY"),
        (lambda folder, _: (folder / "crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n"), "crt", "PEM"),
        (lambda folder, other: (folder / "key").write_bytes(other.key.read_bytes()), "key", "made for"),
        (lambda folder, other: encrypted_key(folder / "key", other), "key", "without a passphrase"),
    ],
    ids=["no certificate", "no key", "DER", "not a key", "damaged", "another's key", "encrypted key"],
)
def test_an_unusable_file_is_named_with_its_remedy(
    folder: Path, authority: Authority, spoil: Callable[[Path, Issued], None], file: str, remedy: str
) -> None:
    spoil(folder, authority.issue("other.example.org"))
    with pytest.raises(TlsError) as caught:
        server_context(folder / "crt", folder / "key", minimum="TLSv1.2")
    assert str(folder / file) in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    "content", [None, b"\x30\x82", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_an_unusable_authority_is_named(tmp_path: Path, content: bytes | None) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_bytes(content)
    with pytest.raises(TlsError, match=r"ca\.pem"):
        client_context(ca)


@pytest.mark.parametrize("minimum", ["TLSv1", "TLSv1.1", "SSLv3", "1.2", ""])
def test_versions_before_1_2_are_not_offered(localhost: Issued, minimum: str) -> None:
    with pytest.raises(TlsError, match=r"write one of TLSv1\.2, TLSv1\.3"):
        server_context(localhost.certificate, localhost.key, minimum=minimum)


def test_contexts_are_hardened(authority: Authority, localhost: Issued) -> None:
    contexts = (
        server_context(localhost.certificate, localhost.key, minimum="TLSv1.3"),
        client_context(authority.ca, minimum="TLSv1.3"),
    )
    for context in contexts:
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.options & ssl.OP_NO_COMPRESSION


def test_the_store_is_always_verified(authority: Authority) -> None:
    for context in (client_context(authority.ca), client_context(None)):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


@pytest.mark.both_loops
async def test_a_client_below_the_minimum_is_turned_away(localhost: Issued) -> None:
    server = server_context(localhost.certificate, localhost.key, minimum="TLSv1.3")
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with listening() as listener:
        ends = await asyncio.gather(
            connect(*listener.getsockname(), context=old, server_hostname="localhost", timeout=5),
            accept_at(listener, server),
            return_exceptions=True,
        )
    theirs, ours = ends
    assert isinstance(theirs, OSError)
    assert isinstance(ours, ssl.SSLError)


@pytest.mark.both_loops
@pytest.mark.parametrize("asked", ["imap.example.net", "mail.example.org"])
async def test_a_name_chooses_its_certificate_and_others_get_the_first(
    authority: Authority, localhost: Issued, asked: str
) -> None:
    second = authority.issue("imap.example.net")
    names = [SniName("IMAP.example.net", second.certificate, second.key)]
    server = server_context(localhost.certificate, localhost.key, minimum="TLSv1.2", alpn=["imap"], names=names)
    client = client_context(authority.ca)
    client.set_alpn_protocols(["imap"])

    theirs, ours = await stream_pair(Tls(server, client), asked)  # verifies the certificate against the name

    transport, _ = theirs.detach()
    session: ssl.SSLObject = transport.get_extra_info("ssl_object")
    assert session.selected_alpn_protocol() == "imap"
    transport.abort()
    await ours.close()


@pytest.mark.both_loops
async def test_a_store_with_a_strangers_name_or_authority_is_refused(
    authority: Authority, localhost: Issued, tmp_path: Path
) -> None:
    (tmp_path / "stranger").mkdir()
    stranger = Authority(tmp_path / "stranger")
    server = server_context(localhost.certificate, localhost.key, minimum="TLSv1.2")
    for name, ca in (("store.example.net", authority.ca), ("localhost", stranger.ca)):
        with listening() as listener:
            refusal, _ = await asyncio.gather(
                connect(*listener.getsockname(), context=client_context(ca), server_hostname=name, timeout=5),
                accept_at(listener, server),
                return_exceptions=True,
            )
        assert isinstance(refusal, ssl.SSLCertVerificationError)


def test_what_a_certificate_says(authority: Authority) -> None:
    issued = authority.issue("mail.example.net", "192.0.2.1", "2001:db8::1", valid=timedelta(days=3))
    facts = certificate_facts(issued.certificate)
    assert facts.names == ("mail.example.net", "192.0.2.1", "2001:db8::1")
    assert not facts.self_signed
    assert timedelta(days=2, hours=23) < facts.not_after - datetime.now(UTC) < timedelta(days=3, hours=1)
    with pytest.raises(TlsError, match="PEM"):
        certificate_facts(issued.key)


def test_an_authoritys_own_certificate_names_no_server(authority: Authority) -> None:
    facts = certificate_facts(authority.ca)
    assert facts.names == ()
    assert facts.self_signed


def test_asyncio_has_the_buffer_size_that_we_shrink() -> None:
    """Private to asyncio: should it be renamed, an idle session costs 280 KiB instead of 40 on that loop."""
    assert asyncio.sslproto.SSLProtocol.max_size == TLS_READ_SIZE == 16 * 1024
    assert "max_size" in inspect.getsource(asyncio.sslproto.SSLProtocol.__init__)
