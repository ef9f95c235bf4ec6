"""Whether a mail store is a way around the guard."""

import re
import time
from collections import Counter

import pytest

from mailguard import keyring
from mailguard.checks import Level
from mailguard.store import Store
from tests.checks.conftest import Site
from tests.store.words import ANN, OPERATOR
from tests.support.certs import Authority
from tests.support.hostile_store import ImapStore, Peer, SubmissionStore

WITH_MASTER = {"login": "master", "master_user": "guard", "master_secret_file": "../etc/master"}


def master(site: Site, key: str, authority: Authority) -> None:
    """Give one backend a master login."""
    secret = site.folder / "etc" / "master"
    secret.write_text("s3cret")
    secret.chmod(0o600)
    site.changes |= {f"{key}.{name}": value for name, value in WITH_MASTER.items()}
    site.changes[f"{key}.ca"] = str(authority.ca)


async def test_sound_stores_raise_no_finding(site: Site) -> None:
    assert await site.worst() == []
    told = [each.what.partition(":")[0] for each in await site.found() if each.level is Level.OK]
    assert told.count("imap store 127.0.0.1") == 3
    assert told.count("submission store 127.0.0.1") == 4


async def test_the_probe_sends_no_message(site: Site) -> None:
    await site.found()
    verbs = {line.split(b" ")[0].upper() for line in site.heard["backend.submission"]}
    assert verbs <= {b"EHLO", b"MAIL", b"RCPT", b"QUIT", b"AUTH"}


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_store_that_relays_for_us_without_a_login_is_found(site: Site, implicit: bool) -> None:
    site.store("backend.submission", SubmissionStore(rcpt="250 2.1.5 Ok", clear=not implicit), implicit=implicit)
    (found,) = await site.worst()
    assert found.level is Level.FAIL
    assert "relays for us without a login" in found.what
    assert "mynetworks" in found.remedy
    assert b"RCPT TO:<probe@mailguard-probe.invalid>" in site.heard["backend.submission"]


async def test_a_store_that_wants_a_login_before_mail_is_not_asked_on(site: Site) -> None:
    site.store("backend.submission", SubmissionStore(mail="530 5.7.0 Authentication required", rcpt="250 2.1.5 Ok"))
    assert await site.worst() == []
    assert not any(line.startswith(b"RCPT") for line in site.heard["backend.submission"])


async def test_a_store_that_hangs_up_at_the_question_is_a_warning(site: Site) -> None:
    calls: list[int] = []

    def script(peer: Peer) -> None:
        calls.append(1)
        if len(calls) == 2:  # the first connection is the probe
            peer.say(b"220 store ESMTP\r\n")
            peer.line()
            peer.say(b"250 store\r\n")
            peer.line()
            return
        SubmissionStore()(peer)

    site.store("backend.submission", script)
    (found,) = await site.worst()
    assert found.level is Level.WARN
    assert "when asked whether it relays" in found.what


async def test_what_would_let_a_user_become_another_is_found(site: Site) -> None:
    site.store("backend.submission", SubmissionStore(keywords=("AUTH PLAIN", "XCLIENT NAME ADDR LOGIN", "STARTTLS")))
    site.store("backend.imap", ImapStore(capabilities="IMAP4rev1 AUTH=PLAIN ID UNAUTHENTICATE"))
    found = {each.what: each for each in await site.worst()}
    for danger, word in (
        ("XCLIENT", "smtpd_authorized_xclient_hosts"),
        ("STARTTLS", "smtpd_tls_security_level=none"),
        ("UNAUTHENTICATE", "switch it off"),
    ):
        (name,) = [what for what in found if what.endswith(f"offers {danger}")]
        assert found[name].level is Level.FAIL
        assert word in found[name].remedy


async def test_a_store_that_cannot_be_logged_in_to_is_found(site: Site) -> None:
    site.store("backend.submission", SubmissionStore(keywords=("AUTH LOGIN",)))
    assert any("offers no AUTH PLAIN" in each.what for each in await site.worst())


async def test_a_store_that_sees_only_us_is_a_warning(site: Site) -> None:
    site.store("backend.imap", ImapStore(capabilities="IMAP4rev1 AUTH=PLAIN"))
    (found,) = await site.worst()
    assert (found.level, "does not take ID" in found.what) == (Level.WARN, True)


async def test_an_unreachable_and_an_untrusted_store_are_told_apart(site: Site) -> None:
    site.changes["backend.imap.port"] = 1
    site.changes["backend.submission.ca"] = ""
    imap, submission = await site.worst()
    assert (imap.level, submission.level) == (Level.FAIL, Level.FAIL)
    assert "mend host and port" in imap.remedy
    assert "certificate is refused" in submission.what
    assert "ca" in submission.remedy


async def test_a_no_that_is_slower_than_our_refusals_is_found(site: Site) -> None:
    class Slow(ImapStore):
        def _answer(self, peer: Peer, tag: str, authzid: str, user: str, password: str) -> bool:
            time.sleep(0.4)
            return super()._answer(peer, tag, authzid, user, password)

    site.store("backend.imap", Slow())
    site.changes["throttle.failure_delay"] = "0.3s"
    (found,) = [each for each in await site.worst() if "longer than" in each.what]
    assert found.level is Level.FAIL
    assert re.search(r'failure_delay = "[2-9]s"', found.remedy)


async def test_a_store_that_lets_anybody_in_is_found(site: Site) -> None:
    class Open(ImapStore):
        def _answer(self, peer: Peer, tag: str, authzid: str, user: str, password: str) -> bool:
            self.users = {user: password}
            return super()._answer(peer, tag, authzid, user, password)

    site.store("backend.imap", Open())
    (found,) = await site.worst()
    assert (found.level, "let a made-up name in" in found.what) == (Level.FAIL, True)


async def test_a_store_in_trouble_does_not_pass_for_one_that_refuses(site: Site) -> None:
    site.store("backend.imap", ImapStore(no="%t NO [UNAVAILABLE] Temporary authentication failure."))
    (found,) = await site.worst()
    assert found.level is Level.FAIL
    assert "at a wrong password" in found.what


async def test_a_master_login_wants_a_listener_of_its_own_for_the_question(site: Site, authority: Authority) -> None:
    master(site, "backend.imap", authority)
    (found,) = await site.worst()
    assert (found.level, "no [identity.backend]" in found.what) == (Level.WARN, True)


async def test_the_question_goes_to_identity_backend(site: Site, authority: Authority) -> None:
    master(site, "backend.imap", authority)
    site.store("identity.backend", ImapStore())
    port = site.changes["identity.backend.port"]
    more = f'\n[identity.backend]\nhost = "127.0.0.1"\nport = {port}\nca = "{authority.ca}"\n'
    assert await site.worst(more) == []
    assert any(b"AUTHENTICATE" in line for line in site.heard["identity.backend"])
    assert not any(b"AUTHENTICATE" in line for line in site.heard["backend.imap"])


async def test_the_relays_own_listener_is_no_place_for_the_question(site: Site, authority: Authority) -> None:
    master(site, "backend.imap", authority)
    port = site.changes["backend.imap.port"]
    (found,) = await site.worst(f'\n[identity.backend]\nhost = "127.0.0.1"\nport = {port}\nca = "{authority.ca}"\n')
    assert (found.level, "relay's own listener" in found.what) == (Level.WARN, True)


async def test_the_relays_own_listener_is_known_by_another_name_too(site: Site, authority: Authority) -> None:
    master(site, "backend.imap", authority)
    port = site.changes["backend.imap.port"]
    found = await site.worst(f'\n[identity.backend]\nhost = "localhost"\nport = {port}\nca = "{authority.ca}"\n')
    assert [each.level for each in found if "relay's own listener" in each.what] == [Level.WARN]


async def test_it_is_told_how_each_store_greets(site: Site, authority: Authority) -> None:
    greeting = "\x1b[2J" + 200 * "x"
    site.store("backend.imap", ImapStore(greeting=f"* OK [CAPABILITY {{capabilities}}] {greeting}"))
    site.store("backend.submission", SubmissionStore(greeting="220 mail.store.internal ESMTP Postfix"))
    told = [each.what for each in await site.found() if " greets with " in each.what]
    assert [what.partition(" greets with ")[2].partition(": ")[0] for what in told] == [
        f"“\\x1b[2J{156 * 'x'}…”",
        "“220 mail.store.internal ESMTP Postfix”",
    ]


async def test_a_master_secret_that_is_not_there_is_found(site: Site, authority: Authority) -> None:
    master(site, "backend.imap", authority)
    (site.folder / "etc" / "master").unlink()
    found = [each for each in await site.worst() if each.level is Level.FAIL]
    assert [each.what for each in found] == ["backend.imap"]
    assert "master_secret_file" in found[0].remedy


class Penal(ImapStore):
    """Lets whoever failed five times wait; by the address that it is told, or all as one."""

    def __init__(self, *, believes: bool) -> None:
        super().__init__()
        self.believes = believes
        self.failures: Counter[str] = Counter()

    def _answer(self, peer: Peer, tag: str, authzid: str, user: str, password: str) -> bool:
        whose = user if self.believes else "all"  # one name comes from one address here
        if self.failures[whose] >= 5:
            time.sleep(2.5)
        self.failures[whose] += 1
        return super()._answer(peer, tag, authzid, user, password)


@pytest.mark.parametrize("believes", [True, False])
async def test_who_waits_for_whose_guesses_is_found(site: Site, believes: bool) -> None:
    site.store("backend.imap", Penal(believes=believes))
    found = [each for each in await site.found() if " lets " in each.what]
    assert [each.level for each in found] == [Level.OK if believes else Level.FAIL]
    if not believes:
        assert "login_trusted_networks" in found[0].remedy
    assert any("after 5 failures" in each.what for each in await site.found())


async def test_the_masters_login_is_tried(site: Site, authority: Authority) -> None:
    store = ImapStore(masters={"guard": "s3cret"})
    site.store("backend.imap", store)
    master(site, "backend.imap", authority)
    (tried,) = [each for each in await site.found() if "takes the master login" in each.what]
    assert tried.level is Level.NOTE
    records = await Store.open(
        f"sqlite:///{site.folder}/records/mailguard.db", keyring.load(site.folder / "keys" / "keys.toml")
    )
    await records.accounts.add(ANN, actor=OPERATOR)
    await records.close()
    (tried,) = [each for each in await site.found() if "takes the master login" in each.what]
    assert (tried.level, "for ann@example.org" in tried.what) == (Level.OK, True)
    store.masters = {}
    (tried,) = [each for each in await site.found() if "at the master login" in each.what]
    assert (tried.level, "master_secret_file" in tried.remedy) == (Level.FAIL, True)
