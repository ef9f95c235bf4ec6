"""A directory as the identity source, against a real slapd."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailguard import config
from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Answer, Reason, Verdict
from mailguard.checks import Level
from mailguard.checks.directory import directory
from mailguard.config import ConfigError
from mailguard.identity.configured import directory_of
from mailguard.net.tls import TlsError
from mailguard.secret import Secret
from tests.e2e import daemon
from tests.e2e.guard import toml
from tests.e2e.slapd import BASE, PEOPLE, SERVICE, STAFF, UNIX, DirectoryUser, Slapd
from tests.support.certs import Authority, Issued

SMALLEST = {
    "server": {"hostname": "mail.example.org"},
    "listen": [{"protocol": "imap", "address": "127.0.0.1:0"}],
    "backend": {"imap": {"host": "localhost", "port": 993}},
}
GROUPS = [{"group": STAFF, "policy": "staff"}, {"group": UNIX, "policy": "unix"}]
POLICY: dict[str, object] = {"group": {"staff": {}, "unix": {}}}


def settings_of(slapd: Slapd, folder: Path, **changes: object) -> config.Settings:
    file = folder / "config.toml"
    identity = {"source": "ldap", "ldap": slapd.table(folder, **changes)}
    file.write_text(toml({**SMALLEST, "identity": identity, "policy": POLICY}))
    return config.load(file)


@pytest.fixture
def ask(slapd: Slapd, tmp_path: Path) -> Callable[..., asyncio.Future[Answer]]:
    """Put one question to the directory as configured, with changes."""

    async def question(user: DirectoryUser | str, password: str | None = None, **changes: object) -> Answer:
        directory = directory_of(settings_of(slapd, tmp_path, **changes), time.time)
        assert directory is not None
        name = user.name if isinstance(user, DirectoryUser) else user
        if isinstance(user, DirectoryUser) and password is None:
            password = user.password
        return await directory.ask(AccountName(name), Secret((password or "").encode()))

    return question  # type: ignore[return-value]


Ask = Callable[..., asyncio.Future[Answer]]


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_right_password_and_wrong_ones(slapd: Slapd, ask: Ask, tls: str) -> None:
    user = slapd.user("pä$$ wörd(*)\\")
    way = {"tls": tls, "url": slapd.ldaps if tls == "implicit" else slapd.ldap}
    assert (await ask(user, **way)).verdict is Verdict.YES
    for wrong in ("", " ", "pä$$ wörd(*)", "PÄ$$ WÖRD(*)\\", user.password + "x"):
        assert (await ask(user, wrong, **way)).verdict is Verdict.NO, wrong
    assert await ask("nobody@example.org", "x", **way) == Answer(Verdict.NO, detail="no entry fits the name")


async def test_an_empty_password_reaches_no_directory(slapd: Slapd, ask: Ask) -> None:
    user = slapd.user()
    mark = slapd.log.mark()
    assert (await ask(user, "")).verdict is Verdict.NO
    assert SERVICE not in slapd.log.since(mark)
    await ask(user, "x")
    slapd.log.wait_for(SERVICE, mark)


@pytest.mark.parametrize("name", ["*@example.org", "*", "d1)(uid=*", "\\2a", "d1@example.org)(|(mail=*"])
async def test_no_name_widens_the_filter(slapd: Slapd, ask: Ask, name: str) -> None:
    user = slapd.user()
    assert (await ask(name, user.password)).detail == "no entry fits the name"


async def test_a_name_that_fits_two_entries_gets_in_by_neither(slapd: Slapd, ask: Ask) -> None:
    one = slapd.user()
    two = slapd.user()
    slapd.change(two.dn, f"replace: mail\nmail: {one.name}")
    for password in (one.password, two.password):
        assert await ask(one.name, password) == Answer(Verdict.NO, detail="several entries fit the name")
    three = slapd.user()
    slapd.change(three.dn, f"replace: mail\nmail: {one.name}")
    assert await ask(one) == Answer(Verdict.NO, detail="several entries fit the name")
    slapd.delete(three.dn)
    slapd.delete(two.dn)
    assert (await ask(one)).verdict is Verdict.YES


async def test_a_second_address_of_an_entry_is_told(slapd: Slapd, ask: Ask) -> None:
    user = slapd.user()
    assert not (await ask(user)).another
    slapd.change(user.dn, "add: mail\nmail: second@example.org")
    for name in (user.name, "second@example.org"):
        answer = await ask(name, user.password)
        assert (answer.verdict, answer.another) == (Verdict.YES, True)
    slapd.change(user.dn, f"replace: mail\nmail: {user.name.upper()}")
    assert not (await ask(user)).another


async def test_a_referral_is_not_followed(slapd: Slapd, ask: Ask) -> None:
    user = slapd.user()
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        where = f"ldap://127.0.0.1:{trap.getsockname()[1]}/{PEOPLE}"
        slapd.edit("ldapmodify", f"dn: ou=far,{PEOPLE}\ncontrol: 2.16.840.1.113730.3.4.2 true\nchangetype: modify\n"
                                 f"replace: ref\nref: {where}\n")  # fmt: skip
        assert (await ask(user)).verdict is Verdict.YES
        with pytest.raises(BlockingIOError):
            trap.accept()


async def test_a_certificate_that_does_not_fit_ends_it_before_any_bind(
    slapd: Slapd, ask: Ask, tmp_path_factory: pytest.TempPathFactory
) -> None:
    user = slapd.user()
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    mark = slapd.log.mark()
    for change in ({"ca": str(stranger.ca)}, {"ca": ""}, {"url": slapd.ldaps_elsewhere},
                   {"ca": str(stranger.ca), "tls": "starttls", "url": slapd.ldap}):  # fmt: skip
        answer = await ask(user, **change)
        assert (answer.verdict, answer.reason) == (Verdict.UNAVAILABLE, Reason.IDENTITY_UNAVAILABLE), change
        assert slapd.service_secret not in answer.detail
    assert SERVICE not in slapd.log.since(mark)


async def test_trouble_of_the_guards_own_is_no_answer_about_the_user(slapd: Slapd, ask: Ask, tmp_path: Path) -> None:
    user = slapd.user()
    (tmp_path / "wrong").write_text("wrong")
    for change, said in (
        ({"bind_secret_file": "wrong"}, "refuses identity.ldap.bind or its password"),
        ({"search": {"base": f"ou=moved,{BASE}", "filter": "(mail={address})"}}, "has no ou=moved"),
        ({"url": "ldaps://127.0.0.1:1"}, "ldaps://127.0.0.1:1"),
    ):
        answer = await ask(user, **change)
        assert (answer.verdict, answer.reason) == (Verdict.UNAVAILABLE, Reason.IDENTITY_UNAVAILABLE)
        assert said in answer.detail


async def test_of_several_directories_the_next_is_asked(slapd: Slapd, ask: Ask) -> None:
    user = slapd.user()
    assert (await ask(user, url=f"ldaps://127.0.0.1:1 {slapd.ldaps}")).verdict is Verdict.YES


async def test_groups_of_the_directory_name_the_policy(slapd: Slapd, ask: Ask) -> None:
    staff, unix, nobody = slapd.user(), slapd.user(), slapd.user()
    slapd.change(STAFF, f"add: member\nmember: {staff.dn}")
    slapd.change(UNIX, f"add: memberUid\nmemberUid: {unix.name.partition('@')[0]}")
    assert (await ask(staff, groups=GROUPS)).group == "staff"
    assert (await ask(unix, groups=GROUPS)).group == "unix"
    assert (await ask(nobody, groups=GROUPS)).group == ""
    assert (await ask(staff)).group is None
    assert (await ask(staff, "wrong", groups=GROUPS)).group is None


async def test_an_entry_closed_by_its_administrator(slapd: Slapd, ask: Ask) -> None:
    user = slapd.user()
    slapd.change(user.dn, "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z")
    assert (await ask(user)).verdict is Verdict.NO
    slapd.change(user.dn, "delete: pwdAccountLockedTime")
    assert (await ask(user)).verdict is Verdict.YES


@pytest.fixture
def silence() -> Iterator[int]:
    """A port that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in kept:
            each.close()


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_a_directory_that_hangs_costs_a_bounded_pool_and_not_the_loop(
    slapd: Slapd, tmp_path: Path, silence: int, tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailguard.identity import directory as module
    from mailguard.identity.directory import THREADS

    scheme = "ldaps" if tls == "implicit" else "ldap"
    monkeypatch.setattr(module, "QUEUE_SECONDS", 0.1)  # long before the first question is given up
    settings = settings_of(slapd, tmp_path, url=f"{scheme}://127.0.0.1:{silence}", tls=tls)
    directory = directory_of(settings, time.time)
    assert directory is not None
    before, files = threads("directory_"), open_files()

    async def gave_up() -> bool:
        answer = await directory.ask(AccountName("ann@example.org"), Secret(b"secret"))
        assert (answer.verdict, answer.reason) == (Verdict.UNAVAILABLE, Reason.IDENTITY_UNAVAILABLE)
        assert answer.detail.endswith(("every thread still waits for its answers", "timed out"))
        return answer.detail.endswith("timed out")

    waited: list[bool] = []
    # Whoever finds every thread busy is told so while those that hold them still wait: the loop goes round meanwhile.
    for each in asyncio.as_completed([gave_up() for _ in range(5 * THREADS)]):
        waited.append(await each)
        if len(waited) == 4 * THREADS:
            assert await asyncio.to_thread(lambda: "done") == "done", "somebody else's work in threads goes on"
            assert len(threads("directory_") - before) <= THREADS
    assert waited == 4 * THREADS * [False] + THREADS * [True]
    assert await eventually(lambda: open_files() <= files + THREADS + 1), "more is open than the silent side's own ends"
    assert await gave_up()


def threads(prefix: str) -> set[threading.Thread]:
    """Those of a directory: how many others this process has is no business of a test's."""
    return {thread for thread in threading.enumerate() if thread.name.startswith(prefix)}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Liar(threading.Thread):
    """A directory that takes one connection and answers as it is told."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(daemon=True)
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard = b""

    def run(self) -> None:
        with self._listener, self._listener.accept()[0] as peer:
            self.heard += peer.recv(4096)
            if not self._answer:
                return
            peer.sendall(self._answer)
            with contextlib.suppress(OSError):
                self.heard += peer.recv(4096)


class Mute(threading.Thread):
    """A directory with a sound certificate that says one thing after the handshake, or nothing."""

    def __init__(self, certificate: Issued, words: bytes | None) -> None:
        super().__init__(daemon=True)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._words = words
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def run(self) -> None:
        with (
            contextlib.suppress(OSError),
            self._listener,
            self._context.wrap_socket(self._listener.accept()[0], server_side=True) as peer,
        ):
            peer.recv(4096)
            if self._words is None:
                return
            peer.sendall(self._words)
            while peer.recv(4096):
                pass


@pytest.mark.parametrize(
    ("words", "waits"),
    [
        pytest.param(None, False, id="closed"),
        pytest.param(bytes.fromhex("308480000000"), True, id="an answer of two gigabytes"),
        pytest.param(b"\x30", True, id="silent in the midst of an answer"),
        pytest.param(b"\xff" * 100_000, False, id="noise"),
    ],
)
async def test_a_directory_that_answers_nonsense_is_no_answer(
    slapd: Slapd, ask: Ask, localhost: Issued, words: bytes | None, waits: bool
) -> None:
    mute = Mute(localhost, words)
    mute.start()
    got = await ask("ann@example.org", "secret", url=f"ldaps://127.0.0.1:{mute.port}")
    assert (got.verdict, got.reason) == (Verdict.UNAVAILABLE, Reason.IDENTITY_UNAVAILABLE)
    assert got.detail.casefold().endswith(("no answer in time", "timed out", "timeout")) == waits, got.detail
    assert await eventually(lambda: not mute.is_alive()), "the guard has not left"
    assert await eventually(lambda: not threads("directory-wire")), "a thread is left of it"


async def eventually(true: Callable[[], bool]) -> bool:
    """Whether it comes true, while the loop goes round."""
    return await asyncio.to_thread(daemon.eventually, true, 30)


YES = bytes.fromhex("300c02010178070a010004000400")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(YES + bytes.fromhex("300c02010161070a010004000400"), "does not start TLS", id="a byte behind it"),
        pytest.param(bytes.fromhex("300c02010178070a013504000400"), "does not start TLS", id="refused"),
        pytest.param(bytes.fromhex("300c02010261070a010004000400"), "does not start TLS", id="another answer"),
        pytest.param(b"220 mail.example.org ESMTP\r\n" + bytes(80), "does not start TLS", id="no directory"),
        pytest.param(b"", "instead of starting TLS", id="closed"),
        pytest.param(YES, "EOF", id="closed after it"),
    ],
)
async def test_a_directory_that_starts_no_tls_hears_no_password(
    slapd: Slapd, ask: Ask, answer: bytes, said: str
) -> None:
    liar = Liar(answer)
    liar.start()
    got = await ask("ann@example.org", "secret", url=f"ldap://127.0.0.1:{liar.port}", tls="starttls")
    assert await eventually(lambda: not liar.is_alive())
    assert got.verdict is Verdict.UNAVAILABLE
    assert said in got.detail
    assert b"secret" not in liar.heard
    assert slapd.service_secret.encode() not in liar.heard


def test_without_its_library_the_start_says_what_to_do(
    slapd: Slapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    settings = settings_of(slapd, tmp_path)
    for module in ("mailguard.identity.directory", "mailguard.identity.talk"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "ldap", None)
    with pytest.raises(ConfigError, match=r"identity.source: .*do `make ldap`, or: pip install mailguard\[ldap\]"):
        directory_of(settings, time.time)


def test_a_missing_file_is_named(slapd: Slapd, tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"nowhere\.pem"):
        directory_of(settings_of(slapd, tmp_path, ca="nowhere.pem"), time.time)
    with pytest.raises(ConfigError, match=r"identity.ldap.bind_secret_file: .* cannot be read"):
        directory_of(settings_of(slapd, tmp_path, bind_secret_file="nowhere"), time.time)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match=r"must hold the password of identity.ldap.bind alone"):
        directory_of(settings_of(slapd, tmp_path, bind_secret_file="empty"), time.time)


async def test_check_says_how_the_directory_fares(slapd: Slapd, tmp_path: Path) -> None:
    (found,) = [finding async for finding in directory(settings_of(slapd, tmp_path))]
    assert found.what.startswith(f"directory {slapd.ldaps} answers in ")
    (found,) = [finding async for finding in directory(settings_of(slapd, tmp_path, url="ldaps://127.0.0.1:1"))]
    assert (found.level, "Connection refused" in found.what) == (Level.FAIL, True)
    (found,) = [finding async for finding in directory(settings_of(slapd, tmp_path, bind_secret_file="nowhere"))]
    assert "cannot be read" in found.remedy
    assert [finding async for finding in directory(config.Settings())] == []
