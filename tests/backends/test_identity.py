import pytest

from mailguard.auth.attempt import Answer, Reason, Verdict
from mailguard.backends import identity
from mailguard.secret import Secret
from tests.backends.conftest import ANN, CALLER, PASSWORD, Stores
from tests.support.hostile_store import ImapStore, Peer, Script


async def test_a_right_password_opens_a_session_and_ends_it(stores: Stores) -> None:
    with stores.imap(ImapStore()) as (store, target):
        answer = await identity.ask(target, ANN, PASSWORD, CALLER)
    assert answer == Answer(Verdict.YES)
    assert store.connections == 1


async def test_a_wrong_password(stores: Stores) -> None:
    with stores.imap(ImapStore()) as (_, target):
        answer = await identity.ask(target, ANN, Secret(b"wrong"), CALLER)
    assert answer.verdict is Verdict.NO


async def test_a_password_that_no_store_may_be_asked(stores: Stores) -> None:
    """Directories take an empty one for an anonymous bind."""
    with stores.imap(ImapStore(users={str(ANN): ""})) as (store, target):
        answer = await identity.ask(target, ANN, Secret(b""), CALLER)
    assert answer.verdict is Verdict.NO
    assert store.connections == 0


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param(Peer.drop, Reason.BACKEND_UNAVAILABLE, id="down"),
        pytest.param(Peer.wait_for_end, Reason.BACKEND_UNAVAILABLE, id="silent"),
        pytest.param(ImapStore(no="%t NO [UNAVAILABLE] later", users={}), Reason.BACKEND_UNAVAILABLE, id="trouble"),
        pytest.param(ImapStore(after="IMAP4rev1 UNAUTHENTICATE"), Reason.BACKEND_UNSAFE, id="unsafe"),
    ],
)
async def test_trouble_is_no_verdict(stores: Stores, script: Script, reason: Reason) -> None:
    with stores.imap(script) as (_, target):
        answer = await identity.ask(target, ANN, PASSWORD, CALLER, timeout=0.5)
    assert (answer.verdict, answer.reason) == (Verdict.UNAVAILABLE, reason)
    assert answer.detail.startswith("imap store localhost")
