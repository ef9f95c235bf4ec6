"""The whole of one worker: what clients say at its doors, and what comes of it."""

import asyncio
import resource
from pathlib import Path

import pytest

from mailguard import config
from mailguard.app.reload import reloaded
from mailguard.auth.accounts import AppPassword
from mailguard.auth.attempt import MailProtocol
from mailguard.protocols.codes import BUSY
from mailguard.store.sessions import SessionRow
from tests.app.conftest import Start
from tests.store.words import sql
from tests.support.hostile_store import Held, ImapStore, Peer, SubmissionStore
from tests.support.worker import ANN, MASTER, MASTER_SECRET, PASSWORD, Client, Running, eventually, plain

pytestmark = pytest.mark.both_loops

FAILED = b"NO [AUTHENTICATIONFAILED] Sign-in failed."
LATER = b"NO [UNAVAILABLE] " + BUSY.encode()


async def in_(running: Running, password: str, source: str = "127.0.0.1") -> tuple[Client, bytes]:
    client = await running.client(source=source)
    return client, await client.log_in(password)


async def alive(client: Client) -> bool:
    """Does the store still answer?"""
    client.say(b"n NOOP\r\n")
    try:
        return await client.until(b"\r\n") == b"n OK NOOP done\r\n"
    except AssertionError:
        return False


async def test_the_stores_own_words_reach_the_client_with_its_own_tag(own: Running) -> None:
    client = await own.client()
    assert await client.line() == (
        b"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN] mailguard ready"
    )
    client.say(b"x.1 CAPABILITY\r\nx.2 AUTHENTICATE PLAIN %b\r\nx.3 SELECT INBOX\r\nx.4 " % plain(ANN, PASSWORD))
    assert await client.until(b"x.1 OK Capability completed\r\n")
    assert await client.line() == b"* CAPABILITY IMAP4rev1 IDLE MOVE COMPRESS=DEFLATE"
    assert await client.line() == b"x.2 OK [CAPABILITY IMAP4rev1 IDLE MOVE COMPRESS=DEFLATE] Logged in"
    assert await client.line() == b"x.3 OK SELECT INBOX done"
    client.say(b"NOOP\r\n")
    assert await client.line() == b"x.4 OK NOOP done"
    client.close()


@pytest.mark.parametrize("step", [1, 7, 4096])
async def test_a_first_connection_in_any_cut_of_its_bytes(own: Running, step: int) -> None:
    client = await own.client("imap-starttls")
    assert b"LOGINDISABLED" in await client.line()
    client.say(b"a STARTTLS\r\n")
    assert await client.line() == b"a OK Begin TLS"
    await client.start_tls()
    said = b'b LOGIN "%b" {%d+}\r\n%b\r\nc SELECT INBOX\r\n' % (ANN.encode(), len(PASSWORD), PASSWORD.encode())
    for start in range(0, len(said), step):
        client.say(said[start : start + step])
        await asyncio.sleep(0)
    assert (await client.line()).startswith(b"b OK [CAPABILITY ")
    assert await client.line() == b"c OK SELECT INBOX done"
    client.close()


async def test_much_behind_the_login_reaches_the_store_in_order(own: Running) -> None:
    client = await own.client()
    await client.line()
    lines = [b"t%d NOOP %b" % (number, b"x" * 1000) for number in range(300)]
    client.say(b"a LOGIN ann secret\r\n" + b"".join(line + b"\r\n" for line in lines))
    assert (await client.line()).startswith(b"a OK")
    for line in lines:
        tag, _, command = line.partition(b" ")
        assert await client.line() == tag + b" OK " + command + b" done"
    client.close()


async def test_clear_text_behind_starttls_is_never_answered(own: Running) -> None:
    injected = {
        "imap-starttls": b"a STARTTLS\r\nb LOGIN ann secret\r\n",
        "submission-starttls": b"EHLO x\r\nSTARTTLS\r\nAUTH PLAIN %b\r\n" % plain(ANN, PASSWORD),
    }
    for door, said in injected.items():
        client = await own.client(door)
        client.say(said)
        heard = await client.rest()
        assert b"b OK" not in heard
        assert b"235" not in heard
        client.close()
    assert await own.reasons() == []


async def test_password_and_code_open_a_mailbox_and_nothing_less(own: Running) -> None:
    await own.enrol()
    for string in (PASSWORD, PASSWORD + "000000", "wrong" + own.code(), own.code()):
        client, answer = await in_(own, string)
        assert answer.startswith(b"a " + FAILED)
        client.close()
    client, answer = await in_(own, PASSWORD + own.code())
    assert answer.startswith(b"a OK")
    assert await alive(client)
    client.close()
    assert await own.reasons() == ["code-missing", "code-wrong", "wrong-password", "wrong-password", ""]


@pytest.mark.parametrize("login", ["own", "master"])
async def test_five_connections_with_one_string_started_together_are_all_in(
    login: str, request: pytest.FixtureRequest, own: Running, master: Running
) -> None:
    running = own if login == "own" else master
    await running.enrol()
    string = PASSWORD + running.code()
    clients = await asyncio.gather(*(in_(running, string) for _ in range(5)))
    assert [answer[:4] for _, answer in clients] == [b"a OK"] * 5
    for client, _ in clients:
        assert await alive(client)
    away, answer = await in_(running, string, source="127.0.0.2")
    assert answer.startswith(b"a " + FAILED)
    for client in (away, *(client for client, _ in clients)):
        client.close()


async def test_thunderbirds_three_attempts_are_one_guess(master: Running) -> None:
    await master.enrol()
    client = await master.client()
    await client.line()
    client.say(b"1 AUTHENTICATE PLAIN\r\n")
    assert await client.line() == b"+ "
    client.say(plain(ANN, "stale") + b"\r\n")
    assert (await client.line()).startswith(b"* NO [ALERT]")
    assert (await client.line()).startswith(b"1 " + FAILED)
    client.say(b"2 AUTHENTICATE LOGIN\r\n")
    assert await client.line() == b"+ VXNlcm5hbWU6"
    client.say(b"YW5u\r\n")  # ann
    assert await client.line() == b"+ UGFzc3dvcmQ6"
    client.say(b"c3RhbGU=\r\n")
    assert (await client.line()).startswith(b"2 " + FAILED)
    client.say(b'3 LOGIN "ANN" "stale"\r\n')
    assert (await client.line()).startswith(b"3 " + FAILED)
    client.close()
    assert await master.reasons() == ["wrong-password", "wrong-repeated", "wrong-repeated"]


async def test_an_app_password_opens_both_doors_and_its_end_closes_them(master: Running) -> None:
    app_id, secret = await master.app_password()
    reader, answer = await in_(master, secret)
    assert answer.startswith(b"a OK")
    sender = await master.client("submission")
    await sender.line()
    sender.say(b"EHLO laptop\r\nAUTH PLAIN %b\r\nNOOP\r\n" % plain(ANN, secret))
    assert b"\r\n250-CHUNKING\r\n" in await sender.until(b"250 AUTH PLAIN LOGIN\r\n")
    assert await sender.line() == b"235 2.7.0 Authentication successful"
    assert await sender.line() == b"250 2.0.0 ok"
    began = asyncio.get_running_loop().time()
    await master.records.app_passwords.revoke(ANN, app_id, actor="operator:test")
    assert await reader.rest() == b""
    assert await sender.rest() == b""
    assert asyncio.get_running_loop().time() - began < 1.0
    again, answer = await in_(master, secret)
    assert b"NO [AUTHENTICATIONFAILED] This app password was revoked" in answer
    again.close()


@pytest.mark.parametrize("ending", ["revoke", "suspend", "end all"])
async def test_a_login_caught_between_decision_and_relay_falls_too(start: Start, ending: str) -> None:
    store = Held(ImapStore(users={ANN: "x"}, masters={MASTER: MASTER_SECRET}), b" OK [CAPABILITY IMAP4rev1 IDLE MOVE")
    async with start(imap=store, identity=ImapStore(users={ANN: PASSWORD}), login="master") as running:
        app_id, secret = await running.app_password()
        client = await running.client()
        login = asyncio.ensure_future(client.log_in(secret))  # noqa: TID251
        assert await asyncio.to_thread(store.asked.wait, 10)
        match ending:
            case "revoke":
                await running.records.app_passwords.revoke(ANN, app_id, actor="operator:test")
            case "suspend":
                await running.records.accounts.suspend(ANN, actor="operator:test")
            case _:
                await running.records.sessions.end_all(actor="operator:test")
        store.go.set()
        # Refused if the poll has followed it by then; else the session is registered, and the poll ends that.
        answer = await login
        assert answer.startswith((b"a " + FAILED, b"a OK"))
        if answer.startswith(b"a OK"):
            assert await client.rest() == b""
        else:
            assert "revoked-in-flight" in await running.reasons()
        client.close()


@pytest.mark.parametrize("ending", ["suspend", "end session", "end account", "remove authenticator"])
async def test_what_ends_an_account_ends_its_live_sessions(own: Running, ending: str) -> None:
    await own.enrol()
    client, answer = await in_(own, PASSWORD + own.code())
    assert answer.startswith(b"a OK")
    live = await eventually(lambda: own.records.sessions.list(ANN))
    match ending:
        case "suspend":
            await own.records.accounts.suspend(ANN, actor="operator:test")
        case "end session":
            await own.records.sessions.end(live[0].id, actor="operator:test")
        case "end account":
            await own.records.sessions.end_account(ANN, actor="operator:test")
        case _:
            await own.records.devices.remove(ANN, live[0].device, actor="operator:test")
    assert await client.rest() == b""


async def test_the_client_names_itself_after_login(own: Running) -> None:
    async def named() -> list[SessionRow]:
        return [row for row in await own.records.sessions.list() if row.client]

    async def gone() -> bool:
        return not await own.records.sessions.list()

    client, _ = await in_(own, PASSWORD)
    client.say(b'i ID ("name" "Thunderbird" "version" "128.0")\r\n')
    assert (await client.line()).startswith(b"i OK")
    (row,) = await eventually(named)
    assert "Thunderbird" in row.client
    client.close()
    await eventually(gone)
    ended = (await own.records.audit.list(limit=1))[0].row
    assert (ended.event, ended.reason, ended.client) == ("session-ended", "client-closed", row.client)


async def test_a_client_lock_hears_a_name_given_before_the_login_too(master: Running) -> None:
    app_id, secret = await master.app_password(MailProtocol.IMAP, client_lock=True)

    async def named(name: bytes) -> Client:
        client = await master.client()
        await client.line()
        client.say(b'i ID ("name" "%b" "version" "1")\r\n' % name)
        await client.until(b"i OK ID completed")
        client.say(b"a AUTHENTICATE PLAIN %b\r\n" % plain(ANN, secret))
        while not (line := await client.line()).startswith(b"a "):
            pass
        assert line.startswith(b"a OK")
        return client

    async def bound() -> list[AppPassword]:
        return [row for row in await master.records.app_passwords.list(ANN) if row.client_bound]

    thunderbird = await named(b"Thunderbird")
    (row,) = await eventually(bound)
    assert (row.id, row.client_bound, row.last_client) == (app_id, "Thunderbird", "Thunderbird 1")
    thief = await named(b"curl")
    assert await thief.rest() == b""
    assert await alive(thunderbird)
    thunderbird.close()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param(ImapStore(after="IMAP4rev1 UNAUTHENTICATE"), "backend-unsafe", id="UNAUTHENTICATE after login"),
        pytest.param(
            ImapStore(capabilities="IMAP4rev1 SASL-IR ID AUTH=PLAIN UNAUTHENTICATE"), "backend-unsafe", id="and before"
        ),
        pytest.param(ImapStore(no="%t NO [UNAVAILABLE] db", users={}), "backend-unavailable", id="its own trouble"),
        pytest.param(ImapStore(yes="%t OKAY"), "backend-unavailable", id="nonsense"),
        pytest.param(ImapStore(greeting="* PREAUTH welcome"), "backend-unavailable", id="PREAUTH"),
    ],
)  # fmt: skip
async def test_a_store_in_trouble_never_reads_as_a_wrong_password(start: Start, script: ImapStore, reason: str) -> None:
    async with start(imap=script) as running:
        await running.enrol()
        running.seen_well()
        client, answer = await in_(running, PASSWORD + running.code())
        assert answer == b"a " + LATER
        assert await running.reasons() == [reason]
        client.close()


async def test_no_alert_says_that_the_sign_in_failed_where_the_store_is_in_trouble(start: Start) -> None:
    script = ImapStore(no="%t NO [UNAVAILABLE] db", users={})
    async with start(imap=script) as running:
        running.seen_well()
        client = await running.client()
        await client.line()
        client.say(b"a LOGIN ann secret\r\n")
        assert await client.line() == b"a " + LATER
        script.no = "%t NO [AUTHENTICATIONFAILED] no"
        client.say(b"b LOGIN ann secret\r\n")
        assert (await client.line()).startswith(b"* NO [ALERT] Sign-in failed.")
        client.close()


class Counted:
    """A store that knows how many are connected."""

    def __init__(self, store: ImapStore | SubmissionStore) -> None:
        self._store = store
        self.begun = self.ended = 0

    def __call__(self, peer: Peer) -> None:
        self.begun += 1
        try:
            self._store(peer)
        finally:
            self.ended += 1


@pytest.mark.parametrize("door", ["imap", "submission"])
async def test_a_fault_in_a_login_leaves_no_connection_and_no_session_behind(start: Start, door: str) -> None:
    imap, submission = (
        Counted(ImapStore(users={ANN: PASSWORD})),
        Counted(SubmissionStore(users={ANN: PASSWORD})),
    )

    async def alone() -> bool:
        return (imap.begun, submission.begun) == (imap.ended, submission.ended)

    async with start(imap=imap, submission=submission) as running:
        database = Path(running.settings.store.url.removeprefix("sqlite:///"))
        sql(database, "CREATE TRIGGER fault BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'a fault'); END")
        before = (imap.begun, submission.begun)
        client = await running.client(door)
        said = b"a LOGIN ann secret\r\n" if door == "imap" else b"EHLO x\r\nAUTH PLAIN %b\r\n" % plain(ANN, PASSWORD)
        client.say(said)
        heard = await client.rest()
        assert b"a OK" not in heard
        assert b"235" not in heard
        assert (imap.begun, submission.begun) != before
        await eventually(alone)
        assert len(running.worker.house.registry) == 0
        sql(database, "DROP TRIGGER fault")
        client.close()


async def test_a_store_that_refuses_our_own_credential_burns_nothing(start: Start) -> None:
    imap = ImapStore(users={ANN: "x"}, masters={MASTER: "another secret"})
    async with start(imap=imap, identity=ImapStore(users={ANN: PASSWORD}), login="master") as running:
        await running.enrol()
        string = PASSWORD + running.code()
        client, answer = await in_(running, string)
        assert answer == b"a " + LATER
        client.close()
        imap.masters = {MASTER: MASTER_SECRET}
        client, answer = await in_(running, string)
        assert answer.startswith(b"a OK")
        client.close()
        assert await running.reasons() == ["", "backend-refused", ""]


async def test_a_submission_store_that_would_take_xclient_from_us_is_refused(start: Start) -> None:
    keywords = ("PIPELINING", "XCLIENT NAME ADDR LOGIN", "AUTH PLAIN LOGIN")
    async with start(imap=ImapStore(), submission=SubmissionStore(keywords=keywords)) as running:
        client = await running.client("submission")
        client.say(b"EHLO x\r\n")
        assert b"XCLIENT" not in await client.until(b"250 AUTH PLAIN LOGIN\r\n")
        client.say(b"AUTH PLAIN %b\r\n" % plain(ANN, PASSWORD))
        assert (await client.line()).startswith(b"454 4.7.0 ")
        assert await running.reasons() == ["backend-unsafe"]
        client.close()


def test_a_reload_leaves_no_door_without_a_store(tmp_path: Path) -> None:
    def load(*protocols: str) -> config.Settings:
        doors = "".join(f'[[listen]]\nprotocol = "{p}"\naddress = "127.0.0.1:0"\n' for p in protocols)
        stores = "".join(f'[backend.{p}]\nhost = "store.internal"\nport = 993\n' for p in protocols)
        file = tmp_path / "config.toml"
        file.write_text(f'[server]\nhostname = "mail.example.org"\n{doors}{stores}')
        return config.load(file)

    both, one = load("imap", "submission"), load("imap")
    assert reloaded(one, both).backend.keys() == {"imap", "submission"}
    with pytest.raises(config.ConfigError, match=r"backend\.submission: is gone"):
        reloaded(both, one)


async def test_a_store_known_to_be_down_turns_clients_away_at_the_greeting(start: Start) -> None:
    def gone(peer: Peer) -> None:
        peer.drop()

    async with start(imap=gone, submission=gone) as running:
        imap, submission = await running.client(), await running.client("submission")
        assert await imap.rest() == b"* BYE " + BUSY.encode() + b"\r\n"
        assert (await submission.rest()).startswith(b"421 4.3.2 ")


def resident() -> int:
    """Octets of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def test_two_thousand_idle_connections_stay_small(own: Running) -> None:
    clients = []
    before = resident()
    for number in range(500):
        client = await own.client("imap-starttls", source=f"127.0.1.{number % 20 + 1}")
        client.say(b"a" * 8191)
        clients.append(client)
    for client in clients:
        await client.line()
    # Both ends of every connection live in this process.
    assert resident() - before < 500 * 64 * 1024
    for client in clients:
        client.close()
