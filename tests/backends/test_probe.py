import asyncio

import pytest

from mailguard.auth.attempt import MailProtocol
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.probe import probe
from mailguard.config import TlsMode
from tests.backends.conftest import Stores
from tests.support.hostile_store import ImapStore, Peer, SubmissionStore


async def test_an_imap_store(stores: Stores) -> None:
    script = ImapStore(capabilities="IMAP4rev1 Literal+ IDLE AUTH=PLAIN auth=xoauth2")
    with stores.imap(script) as (store, target):
        found = await probe(target)
        assert await asyncio.to_thread(store.ended.wait, 5), "the connection is still open"
    assert found.capabilities == {"IMAP4REV1", "LITERAL+", "IDLE", "AUTH=PLAIN", "AUTH=XOAUTH2"}
    assert found.mechanisms == {"PLAIN", "XOAUTH2"}
    assert found.dangers == frozenset()
    assert found.size is None
    assert found.greeting == "ready"
    assert 0 < found.seconds < 5
    assert [line.split()[1] for line in store.heard] == [b"LOGOUT"]


async def test_capabilities_count_only_over_tls(stores: Stores) -> None:
    script = ImapStore(capabilities="IMAP4rev1 STARTTLS IDLE", greeting="* OK [CAPABILITY STARTTLS X-CLEAR] hi")
    with stores.imap(script, TlsMode.STARTTLS) as (_, target):
        assert (await probe(target)).capabilities == {"IMAP4REV1", "STARTTLS", "IDLE"}


async def test_a_submission_store(stores: Stores) -> None:
    keywords = ("PIPELINING", "SIZE 1000", "VRFY", "ETRN", "AUTH PLAIN login", "DSN")
    with stores.submission(SubmissionStore(keywords=keywords, clear=True), TlsMode.STARTTLS) as (store, target):
        found = await probe(target)
        assert await asyncio.to_thread(store.ended.wait, 5), "the connection is still open"
    assert found.capabilities == {"PIPELINING", "SIZE 1000", "DSN"}
    assert found.mechanisms == {"PLAIN", "LOGIN"}
    assert found.size == 1000
    assert found.greeting == "220 store ESMTP"
    ehlo = b"EHLO mail.example.org"
    assert store.heard == [ehlo, b"STARTTLS", ehlo, b"QUIT"]


async def test_dangers_are_found_and_not_raised(stores: Stores) -> None:
    with stores.imap(ImapStore(capabilities="IMAP4rev1 unauthenticate AUTH=PLAIN")) as (_, target):
        assert (await probe(target)).dangers == {"UNAUTHENTICATE"}
    with stores.submission(SubmissionStore(in_clear=("XCLIENT", "STARTTLS"), clear=True), TlsMode.STARTTLS) as (_, to):
        assert (await probe(to)).dangers == {"XCLIENT"}


@pytest.mark.parametrize("protocol", list(MailProtocol))
async def test_a_store_that_cannot_be_asked(stores: Stores, protocol: MailProtocol) -> None:
    with stores.open(protocol, Peer.drop) as (_, target):
        with pytest.raises(BackendFailure) as raised:
            await probe(target)
        assert raised.value.kind is FailureKind.UNREACHABLE
    with stores.open(protocol, Peer.wait_for_end) as (store, target):
        with pytest.raises(BackendFailure) as raised:
            await probe(target, timeout=0.3)
        assert raised.value.kind is FailureKind.UNREACHABLE
        assert await asyncio.to_thread(store.ended.wait, 5), "the connection is still open"
