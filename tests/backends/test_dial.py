"""Whom we dial, and whom we believe."""

import asyncio
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailguard.auth.attempt import LoginForm, MailProtocol
from mailguard.backends.dial import open_leg
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import Credential, master, own
from mailguard.backends.target import Target
from mailguard.config import MasterForm, TlsMode, Username
from mailguard.secret import Secret
from tests.backends.conftest import ANN, CALLER, PASSWORD, Stores
from tests.support.certs import Authority
from tests.support.hostile_store import HostileStore, ImapStore, Peer, Script, SubmissionStore

PROTOCOLS = list(MailProtocol)
TLS = [TlsMode.IMPLICIT, TlsMode.STARTTLS]


def sound(protocol: MailProtocol, tls: TlsMode) -> Script:
    clear = tls is TlsMode.STARTTLS
    if protocol is MailProtocol.SUBMISSION:
        return SubmissionStore(clear=clear, masters={"gate": "m"})
    starttls = " STARTTLS" if clear else ""
    return ImapStore(
        capabilities=f"IMAP4rev1 SASL-IR AUTH=PLAIN{starttls}",
        masters={"gate": "m"},
        users={"ann@example.org": "secret", "ann": "secret", "ann@example.org*gate": "m"},
    )


async def failure(target: Target, store: HostileStore | None = None, *, timeout: float = 20.0) -> BackendFailure:
    started = asyncio.get_running_loop().time()
    with pytest.raises(BackendFailure) as raised:
        await open_leg(target, own(target, ANN, PASSWORD), CALLER, timeout=timeout)
    assert asyncio.get_running_loop().time() - started < 5.0
    assert raised.value.text.startswith(f"{target}: ")
    if store is not None:
        assert await asyncio.to_thread(store.ended.wait, 5), "the connection is still open"
    return raised.value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("tls", list(TlsMode))
async def test_a_leg_over_each_kind_of_tls(stores: Stores, protocol: MailProtocol, tls: TlsMode) -> None:
    with stores.open(protocol, sound(protocol, tls), tls) as (store, target):
        leg = await open_leg(target, own(target, ANN, PASSWORD), CALLER)
        transport, behind = leg.detach()
        assert (transport.get_extra_info("ssl_object") is not None) is (tls is not TlsMode.NONE)
        assert behind == b""
        transport.abort()
    assert store.connections == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("tls", TLS)
async def test_a_detached_leg_is_alive(stores: Stores, protocol: MailProtocol, tls: TlsMode) -> None:
    """What the store says next goes to whatever protocol takes the transport over."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    class Next(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            heard.put_nowait(data)

    with stores.open(protocol, sound(protocol, tls), tls) as (_, target):
        leg = await open_leg(target, own(target, ANN, PASSWORD), CALLER)
        transport, _ = leg.detach()
        transport.set_protocol(Next())
        transport.resume_reading()
        transport.write(b"x NOOP\r\n")
        async with asyncio.timeout(5):
            answer = await heard.get()
        transport.abort()
    assert answer in (b"x OK NOOP done\r\n", b"250 2.0.0 ok\r\n")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("tls", TLS)
async def test_a_certificate_of_another_name_is_refused(
    stores: Stores, authority: Authority, protocol: MailProtocol, tls: TlsMode
) -> None:
    other = authority.issue("other.example.org")
    with stores.open(protocol, sound(protocol, tls), tls, certificate=other) as (store, target):
        refused = await failure(target, store)
    assert refused.kind is FailureKind.TLS
    assert "certificate is refused" in refused.text
    assert "localhost" in refused.text
    assert not any(b"AUTH" in line for line in store.heard)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("tls", TLS)
async def test_a_certificate_of_an_unknown_authority_is_refused(
    stores: Stores, tmp_path: Path, protocol: MailProtocol, tls: TlsMode
) -> None:
    stranger = Authority(tmp_path).issue("localhost")
    with stores.open(protocol, sound(protocol, tls), tls, certificate=stranger) as (store, target):
        refused = await failure(target, store)
    assert refused.kind is FailureKind.TLS
    assert "certificate is refused" in refused.text
    assert not any(b"AUTH" in line for line in store.heard)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_expired_certificate_is_refused(stores: Stores, authority: Authority, protocol: MailProtocol) -> None:
    old = authority.issue("localhost", stem="old", valid=timedelta(days=-1))
    with stores.open(protocol, sound(protocol, TlsMode.IMPLICIT), certificate=old) as (store, target):
        refused = await failure(target, store)
    assert refused.kind is FailureKind.TLS
    assert "expired" in refused.text


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_address_must_stand_in_the_certificate(
    stores: Stores, authority: Authority, protocol: MailProtocol
) -> None:
    with stores.open(protocol, sound(protocol, TlsMode.IMPLICIT), host="127.0.0.1") as (_, target):
        (await open_leg(target, own(target, ANN, PASSWORD), CALLER)).abort()
    nameless = authority.issue("localhost", stem="no-address")
    script = sound(protocol, TlsMode.IMPLICIT)
    with stores.open(protocol, script, host="127.0.0.1", certificate=nameless) as (_, target):
        assert (await failure(target)).kind is FailureKind.TLS


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_store_that_speaks_no_tls(stores: Stores, protocol: MailProtocol) -> None:
    def in_clear(peer: Peer) -> None:
        peer.say(b"* OK ready\r\n" if protocol is MailProtocol.IMAP else b"220 ready\r\n")
        peer.wait_for_end()

    with HostileStore(in_clear) as store, stores.open(protocol, in_clear, port=store.port) as (_, target):
        assert (await failure(target, store)).kind is FailureKind.TLS


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_store_that_never_finishes_the_handshake(stores: Stores, protocol: MailProtocol) -> None:
    with HostileStore(Peer.wait_for_end) as store, stores.open(protocol, Peer.drop, port=store.port) as (_, target):
        refused = await failure(target, store, timeout=0.3)
    assert refused.kind is FailureKind.UNREACHABLE
    assert "no answer in time" in refused.text


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_nobody_there(stores: Stores, protocol: MailProtocol) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with stores.open(protocol, Peer.drop, port=port) as (_, target):
            refused = await failure(target)
    assert refused.kind is FailureKind.UNREACHABLE
    assert "refused" in refused.text.lower() or "failed" in refused.text.lower()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_no_such_host(stores: Stores, protocol: MailProtocol) -> None:
    with stores.open(protocol, Peer.drop, host="store.invalid") as (_, target):
        assert (await failure(target)).kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_unix_socket(tmp_path: Path, protocol: MailProtocol) -> None:
    path = tmp_path / "store"
    with HostileStore(sound(protocol, TlsMode.NONE), path=path):
        target = Target(protocol=protocol, host=f"unix:{path}", port=1, tls=TlsMode.NONE, hostname="mail.example.org")
        leg = await open_leg(target, own(target, ANN, PASSWORD), CALLER)
        leg.detach()[0].abort()
    path.unlink()
    assert str(target) == f"{protocol} store unix:{path}"
    assert (await failure(target)).kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_local_address_can_be_chosen(stores: Stores, protocol: MailProtocol) -> None:
    script = sound(protocol, TlsMode.IMPLICIT)
    with stores.open(protocol, script, host="127.0.0.1", bind="127.0.0.77") as (store, target):
        (await open_leg(target, own(target, ANN, PASSWORD), CALLER)).abort()
        assert store.sources == ["127.0.0.77"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_wrong_password_is_refused(stores: Stores, protocol: MailProtocol) -> None:
    with stores.open(protocol, sound(protocol, TlsMode.IMPLICIT)) as (store, target):
        with pytest.raises(BackendFailure) as raised:
            await open_leg(target, own(target, ANN, Secret(b"wrong")), CALLER)
        assert await asyncio.to_thread(store.ended.wait, 5), "the connection is still open"
    assert raised.value.kind is FailureKind.REFUSED


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_master_by_authzid(stores: Stores, protocol: MailProtocol) -> None:
    changes: dict[str, Any] = {"form": LoginForm.MASTER, "master_user": "gate", "master_secret": Secret(b"m")}
    with stores.open(protocol, sound(protocol, TlsMode.IMPLICIT), **changes) as (_, target):
        (await open_leg(target, master(target, ANN), CALLER)).abort()
        with pytest.raises(BackendFailure) as raised:
            await open_leg(target, Credential("bob@example.org", "gate", Secret(b"m")), CALLER)
    assert raised.value.kind is FailureKind.REFUSED


async def test_a_master_by_separator(stores: Stores) -> None:
    changes: dict[str, Any] = {"form": LoginForm.MASTER, "master_user": "gate", "master_secret": Secret(b"m")}
    script = sound(MailProtocol.IMAP, TlsMode.IMPLICIT)
    with stores.imap(script, **changes, master_form=MasterForm.SEPARATOR) as (_, target):
        (await open_leg(target, master(target, ANN), CALLER)).abort()


async def test_the_local_part_alone(stores: Stores) -> None:
    with stores.imap(sound(MailProtocol.IMAP, TlsMode.IMPLICIT), username=Username.LOCAL) as (_, target):
        (await open_leg(target, own(target, ANN, PASSWORD), CALLER)).abort()
