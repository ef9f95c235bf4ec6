"""App passwords where the store wants users' own: its password is put to the store before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailguard.config.example import render
from mailguard.config.kinds import Raw
from mailguard.keyring import create
from tests.cli.conftest import Done, Installation
from tests.store.words import sql
from tests.support.certs import Authority, Issued
from tests.support.hostile_store import HostileStore, ImapStore, SubmissionStore

RIGHT, WRONG = "secret", "not the secret"
USERS = {"ann@example.org": RIGHT}


@dataclass
class Site:
    """An installation before two stores, whose users change their passwords."""

    run: Installation
    users: dict[str, str]
    imap: HostileStore
    submission: HostileStore

    def issue(self, *words: str, stdin: str = "") -> Done:
        return self.run("app-password", "issue", "ann", "--label", "phone", *words, stdin=stdin)

    def listed(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = self.run.done("app-password", "list", "ann", "--json").json
        return rows

    def login(self, backend: str, form: str) -> None:
        """Set another login form."""
        head, mark, tail = self.run.file.read_text().partition(f"[backend.{backend}]")
        self.run.file.write_text(head + mark + tail.replace('login = "own"', f'login = "{form}"', 1))


@pytest.fixture
def site(tmp_path: Path, authority: Authority, localhost: Issued) -> Iterator[Site]:
    """Both stores want users' own passwords. Ann has an account."""
    users = dict(USERS)
    with (
        HostileStore(ImapStore(users=users), certificate=localhost) as imap,
        HostileStore(SubmissionStore(users=users), certificate=localhost) as submission,
    ):
        changes: dict[str, Raw] = {"names.domain": "example.org"}
        for name, store in (("imap", imap), ("submission", submission)):
            key = f"backend.{name}"
            changes |= {f"{key}.host": "localhost", f"{key}.port": store.port, f"{key}.tls": "implicit"}
            changes |= {f"{key}.ca": str(authority.ca), f"{key}.master_user": "guard"}
            changes |= {f"{key}.master_secret_file": "master"}
        (tmp_path / "config.toml").write_text(render(changes))
        create(tmp_path / "keys.toml")
        run = Installation(tmp_path / "config.toml")
        run.done("account", "add", "ann")
        yield Site(run, users, imap, submission)


def test_the_right_password_is_sealed(site: Site, tmp_path: Path) -> None:
    done = site.issue(stdin=f"{RIGHT}\n")
    assert done.code == 0, done.err
    (row,) = site.listed()
    assert (row["store_password"], row["protocols"]) == ("sealed", ["imap", "submission"])
    assert RIGHT not in done.out + done.err + site.run.done("audit", "list").out
    events = [entry["event"] for entry in site.run.done("audit", "list", "--json").json]
    assert events.count("vault-sealed") == 1
    assert RIGHT.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("mailguard.db*"))


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_it_may_lie_in_a_file_blanks_and_all(site: Site, tmp_path: Path, end: str) -> None:
    site.users["ann@example.org"] = " with blanks "
    file = tmp_path / "secret"
    file.write_bytes(f" with blanks {end}".encode())
    assert site.issue("--password-file", str(file)).code == 0
    assert site.issue("--password-file", str(tmp_path / "none")).err == (
        f"{tmp_path / 'none'} cannot be read (No such file or directory)\n"
    )


def test_a_password_is_spelled_as_at_a_login(site: Site) -> None:
    site.users["ann@example.org"] = "gr\u00fcn"
    assert site.issue(stdin="gru\u0308n\n").code == 0


@pytest.mark.parametrize("protocol", ["imap", "submission"])
def test_a_wrong_password_writes_nothing_and_names_the_other_way(site: Site, protocol: str) -> None:
    done = site.issue("--protocol", protocol, stdin=f"{WRONG}\n")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "the mail store does not take this password for ann@example.org: give the right one, or issue it with "
        "--claim: its owner's sign-in brings the password\n"
    )
    assert site.listed() == []


def test_without_a_password_nothing_is_asked(site: Site) -> None:
    assert "nothing was given" in site.issue(stdin="\n").err
    assert site.imap.connections == 0


def test_a_store_that_is_down_writes_nothing(site: Site) -> None:
    site.imap.__exit__(None, None, None)
    done = site.issue(stdin=f"{RIGHT}\n")
    assert done.code == 1
    assert done.err.startswith("the mail store could not be asked (imap store localhost:")
    assert done.err.endswith(": try again later, or issue it with --claim: its owner's sign-in brings the password\n")
    assert site.listed() == []


def test_where_a_master_logs_in_no_password_is_asked_for(site: Site) -> None:
    """Each protocol by itself: a password is wanted as soon as one of the app password's protocols wants users' own."""
    site.login("submission", "master")
    assert site.issue("--protocol", "submission").code == 0
    assert "nothing was given" in site.issue().err
    assert site.issue(stdin=f"{RIGHT}\n").code == 0
    assert site.submission.connections == 0
    # The password goes to every app password of the account: it may be used for another protocol tomorrow.
    assert {row["store_password"] for row in site.listed()} == {"sealed"}


def test_renewing_seals_the_new_password_to_every_app_password(site: Site, tmp_path: Path) -> None:
    for _ in range(2):
        site.issue(stdin=f"{RIGHT}\n")
    database = tmp_path / "mailguard.db"
    before = {sealed for (sealed,) in sql(database, "SELECT sealed FROM vault")}
    sql(database, "UPDATE vault SET refused_at = 1795521600")
    assert {row["store_password"] for row in site.listed()} == {
        "refused 2026-11-24T12:00:00Z, renewed at the next sign-in"
    }
    site.users["ann@example.org"] = "changed"
    assert site.run("app-password", "renew", "ann", stdin=f"{RIGHT}\n").code == 1
    assert {sealed for (sealed,) in sql(database, "SELECT sealed FROM vault")} == before
    done = site.run.done("app-password", "renew", "ann", stdin="changed\n")
    assert done.out == "renewed 2 app passwords of ann@example.org\n"
    after = {sealed for (sealed,) in sql(database, "SELECT sealed FROM vault")}
    assert len(after - before) == 2
    assert {row["store_password"] for row in site.listed()} == {"sealed"}


def test_renewing_wants_an_account_with_app_passwords_and_a_store_that_asks(site: Site) -> None:
    assert "there is no account bob@example.org" in site.run("app-password", "renew", "bob").err
    assert "issue one first" in site.run("app-password", "renew", "ann", stdin=f"{RIGHT}\n").err
    for backend in ("imap", "submission"):
        site.login(backend, "master")
    done = site.run("app-password", "renew", "ann")
    assert (done.code, 'login = "own"' in done.err) == (1, True)
