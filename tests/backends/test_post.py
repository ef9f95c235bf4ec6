"""Handing in our own letters: over TLS to whom we mean, as whom we are, within bounds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.backends import post as post_room
from mailguard.backends.failure import BackendFailure, FailureKind
from mailguard.backends.login import Credential
from mailguard.backends.post import Post, hand_in, post_of, rehearse
from mailguard.config import ConfigError, Settings, TlsMode, load
from mailguard.net.tls import client_context
from mailguard.secret import Secret
from tests.support.certs import Authority, Issued
from tests.support.hostile_store import HostileStore, Peer, SubmissionStore

SENDER, ANN = "security@example.org", "ann@home.example"
MASTER = Credential(SENDER, "guard", Secret(b"master-secret"))
LETTER = b"Subject: hello\r\n\r\n.a line that begins with a dot\r\n"
At = Callable[[HostileStore], Post]


@pytest.fixture
def at(authority: Authority) -> At:
    def made(store: HostileStore) -> Post:
        return Post(
            host="localhost",
            port=store.port,
            tls=TlsMode.IMPLICIT,
            hostname="mail.example.org",
            sender=SENDER,
            context=client_context(authority.ca),
            credential=MASTER,
        )

    return made


def sound(**more: object) -> SubmissionStore:
    return SubmissionStore(users={SENDER: "x"}, masters={"guard": "master-secret"}, **more)  # type: ignore[arg-type]


async def test_a_letter_is_handed_in_as_master_for_the_sender(at: At, localhost: Issued) -> None:
    script = sound()
    with HostileStore(script, certificate=localhost) as store:
        delivery = await hand_in(at(store), {ANN: LETTER, "desk@office.example": LETTER})
    assert (delivery.refused, delivery.later) == ({}, {})
    assert script.letters == [b"Subject: hello\r\n\r\n..a line that begins with a dot"] * 2
    assert b"EHLO mail.example.org" in store.heard[0].upper().replace(b"MAIL.EXAMPLE.ORG", b"mail.example.org")
    assert [line for line in store.heard if line.upper().startswith((b"MAIL", b"RCPT", b"QUIT"))] == [
        b"mail FROM:<security@example.org>",
        b"rcpt TO:<ann@home.example>",
        b"mail FROM:<security@example.org>",
        b"rcpt TO:<desk@office.example>",
        b"QUIT",
    ]


async def test_starttls_and_nothing_in_clear(at: At, localhost: Issued) -> None:
    script = sound(clear=True)
    with HostileStore(script, certificate=localhost, implicit=False) as store:
        await hand_in(replace(at(store), tls=TlsMode.STARTTLS), {ANN: LETTER})
    assert len(script.letters) == 1
    assert store.heard.index(b"STARTTLS") < next(n for n, line in enumerate(store.heard) if line.startswith(b"AUTH"))


async def test_answers_injected_before_the_handshake_are_not_believed(at: At, localhost: Issued) -> None:
    script = sound(clear=True, behind_starttls=b"250-injected\r\n250 AUTH PLAIN\r\n235 in\r\n")
    with HostileStore(script, certificate=localhost, implicit=False) as store, pytest.raises(BackendFailure) as failed:
        await hand_in(replace(at(store), tls=TlsMode.STARTTLS), {ANN: LETTER})
    assert failed.value.kind in (FailureKind.PROTOCOL, FailureKind.TLS)
    assert not any(line.startswith(b"AUTH") for line in store.heard)
    assert script.letters == []


async def test_a_store_without_starttls_hears_no_secret(at: At, localhost: Issued) -> None:
    script = sound(clear=True, in_clear=("PIPELINING", "AUTH PLAIN"))
    with (
        HostileStore(script, certificate=localhost, implicit=False) as store,
        pytest.raises(BackendFailure, match="no STARTTLS") as failed,
    ):
        await rehearse(replace(at(store), tls=TlsMode.STARTTLS))
    assert failed.value.kind is FailureKind.TLS
    assert not any(line.startswith(b"AUTH") for line in store.heard)


async def test_a_stranger_in_its_place_hears_no_secret(at: At, localhost: Issued, tmp_path: Path) -> None:
    tmp_path.joinpath("ca").mkdir()
    stranger = Authority(tmp_path / "ca").issue("localhost")
    with (
        HostileStore(sound(), certificate=stranger) as store,
        pytest.raises(BackendFailure, match="certificate is refused") as failed,
    ):
        await rehearse(at(store))
    assert failed.value.kind is FailureKind.TLS
    assert store.heard == []


async def test_a_wrong_name_in_the_certificate_is_refused(at: At, authority: Authority) -> None:
    with (
        HostileStore(sound(), certificate=authority.issue("elsewhere.example")) as store,
        pytest.raises(BackendFailure, match="certificate is refused"),
    ):
        await rehearse(at(store))


async def test_a_refused_login_names_no_secret(at: At, localhost: Issued) -> None:
    with HostileStore(sound(no="535 5.7.8 no \x1b[2J"), certificate=localhost) as store:
        wrong = replace(at(store), credential=replace(MASTER, password=Secret(b"hunter2")))
        with pytest.raises(BackendFailure) as failed:
            await hand_in(wrong, {ANN: LETTER})
        assert failed.value.text == f"letters by localhost:{store.port}: it said 535 5.7.8 no  [2J"
    assert failed.value.kind is FailureKind.REFUSED


class Picky:
    """Takes mail without a login, and answers each RCPT by its local part."""

    letters = 0

    def __call__(self, peer: Peer) -> None:
        peer.say(b"220 relay\r\n")
        while line := peer.line():
            match line.upper().split(b":")[0]:
                case b"RCPT TO":
                    peer.say(line.partition(b"<")[2][:3] + b" as asked\r\n")
                case b"DATA":
                    peer.say(b"354 go on\r\n")
                    while peer.line() != b".":
                        pass
                    self.letters += 1
                    peer.say(b"250 taken\r\n")
                case _:
                    peer.say(b"250 ok\r\n")


async def test_recipients_are_answered_for_one_by_one(at: At, localhost: Issued) -> None:
    script = Picky()
    with HostileStore(script, certificate=localhost) as store:
        relay = replace(at(store), credential=None)
        delivery = await hand_in(relay, dict.fromkeys(["250@a.example", "550@b.example", "451@c.example"], LETTER))
        assert delivery.refused == {"550@b.example": "550 as asked"}
        assert delivery.later == {"451@c.example": "451 as asked"}
        await hand_in(relay, {"550@b.example": LETTER})
    assert script.letters == 1


async def test_whom_it_reached_before_the_relay_broke_off_is_known(at: At, localhost: Issued) -> None:
    class BreaksOff(Picky):
        def __call__(self, peer: Peer) -> None:
            say = peer.say

            def last(data: bytes) -> bool:
                if data.startswith(b"999"):
                    peer.drop()
                return say(data)

            peer.say = last  # type: ignore[method-assign]
            super().__call__(peer)

    recipients = ["250@a.example", "999@b.example", "250@c.example"]
    with HostileStore(BreaksOff(), certificate=localhost) as store:
        delivery = await hand_in(replace(at(store), credential=None), dict.fromkeys(recipients, LETTER))
    assert (delivery.refused, list(delivery.later)) == ({}, recipients[1:])


async def test_a_port_that_speaks_no_tls_is_said_to_be_so(at: At) -> None:
    with HostileStore(sound()) as store:
        way = at(store)
        with pytest.raises(BackendFailure, match="TLS failed") as failed:
            await rehearse(way)
    assert failed.value.kind is FailureKind.TLS


async def test_a_port_where_nobody_listens(at: At, localhost: Issued) -> None:
    with HostileStore(sound(), certificate=localhost) as store:
        gone = at(store)
    with pytest.raises(BackendFailure) as failed:
        await hand_in(gone, {ANN: LETTER})
    assert failed.value.kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n", b"220 hello\r\n250-", b"421 busy\r\n"])
async def test_whatever_a_peer_says_ends_in_a_failure(at: At, localhost: Issued, said: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.say(said)

    with HostileStore(script, certificate=localhost) as store, pytest.raises(BackendFailure):
        await hand_in(at(store), {ANN: LETTER})


async def test_a_peer_that_hangs_or_drips_is_left_by_the_deadline_and_its_thread_ends(
    at: At, localhost: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_room, "WHOLE_SECONDS", 0.3)

    def drips(peer: Peer) -> None:
        while peer.say(b"220-and more\r\n"):
            time.sleep(0.02)

    for script in (drips, Peer.wait_for_end):
        with HostileStore(script, certificate=localhost) as store:
            with pytest.raises(BackendFailure, match="no answer in time"):
                await hand_in(at(store), {ANN: LETTER})
            assert await asyncio.to_thread(store.ended.wait, 15)


def settings(folder: Path, *more: str) -> Settings:
    (folder / "config.toml").write_text(
        '[server]\nhostname = "mail.example.org"\n[[listen]]\nprotocol = "imap"\naddress = "127.0.0.1:0"\n'
        '[backend.imap]\nhost = "store.internal"\nport = 993\n[notify]\nfrom = "security@example.org"\n'
        + "\n".join(more)
    )
    return load(folder / "config.toml")


RELAY = '[notify.relay]\nhost = "127.0.0.1"\nport = 25\ntls = "none"\n'
SUBMISSION = '[backend.submission]\nhost = "127.0.0.1"\nport = 465\ntls = "none"\n'


def test_the_way_is_the_relay_or_the_master_or_none(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("open sesame\n")
    by_master = 'login = "master"\nmaster_user = "guard"\nmaster_secret_file = "secret"\n[identity.backend]\n'
    by_master += 'host = "store.internal"\nport = 993\n'
    assert post_of(settings(tmp_path)) is None
    assert post_of(settings(tmp_path, SUBMISSION)) is None
    way = post_of(settings(tmp_path, SUBMISSION + by_master))
    assert way is not None
    assert way.credential == Credential(SENDER, "guard", Secret(b"open sesame"))
    relay = post_of(settings(tmp_path, RELAY, SUBMISSION + by_master))
    assert relay is not None
    assert (relay.port, relay.credential) == (25, None)
    known = post_of(settings(tmp_path, RELAY + 'user = "guard"\nsecret_file = "secret"\n'))
    assert known is not None
    assert known.credential == Credential("", "guard", Secret(b"open sesame"))
    assert "sesame" not in repr(known)


def test_a_sender_that_is_the_master_itself_is_refused(tmp_path: Path) -> None:
    """Dovecot forgets whom a login is for where master and user are the same."""
    (tmp_path / "secret").write_text("open sesame\n")
    master = f'login = "master"\nmaster_user = "{SENDER}"\nmaster_secret_file = "secret"\n'
    with pytest.raises(ConfigError, match=r"notify\.from: .*write another address"):
        post_of(settings(tmp_path, SUBMISSION + master + '[identity.backend]\nhost = "store.internal"\nport = 993\n'))


@pytest.mark.parametrize("content", [None, "", "two\nlines"])
def test_a_secret_that_cannot_be_read_names_its_key(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_text(content)
    with pytest.raises(ConfigError, match=r"notify\.relay\.secret_file"):
        post_of(settings(tmp_path, RELAY + 'user = "guard"\nsecret_file = "secret"\n'))


async def test_a_letter_over_a_unix_socket(tmp_path: Path) -> None:
    script = Picky()
    nowhere = Post(host=f"unix:{tmp_path}/no", port=25, tls=TlsMode.NONE, hostname="mail.example.org", sender=SENDER)
    with pytest.raises(BackendFailure, match="No such file") as failed:
        await rehearse(nowhere)
    assert failed.value.kind is FailureKind.UNREACHABLE
    with HostileStore(script, path=tmp_path / "smtp"):
        by = Post(host=f"unix:{tmp_path}/smtp", port=25, tls=TlsMode.NONE, hostname="mail.example.org", sender=SENDER)
        await hand_in(by, {"250@a.example": LETTER})
    assert script.letters == 1
