"""`account password` and `account sync`."""

import asyncio
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Verdict
from mailguard.identity.local import LocalIdentity
from mailguard.secret import Secret
from mailguard.store import Store
from tests.cli.conftest import Installation, install

GOOD = " correct horse battery staple"  # the space in front belongs to it
ANN = AccountName("ann@example.org")


@pytest.fixture
def local(tmp_path: Path) -> Installation:
    installation = install(tmp_path, "master")
    text = installation.file.read_text().replace('source = "backend"', 'source = "local"')
    installation.file.write_text(text)
    installation.done("account", "add", ANN)
    return installation


def verdict(installation: Installation, password: str) -> Verdict:
    folder = installation.file.parent

    async def ask() -> Verdict:
        store = await Store.open(f"sqlite:///{folder / 'mailguard.db'}", keyring.load(folder / "keys.toml"))
        try:
            return (await LocalIdentity(store.passwords).ask(ANN, Secret(password.encode()))).verdict
        finally:
            await store.close()

    return asyncio.run(ask())


def test_a_password_from_standard_input_or_a_file_is_taken_as_it_is(local: Installation, tmp_path: Path) -> None:
    done = local.done("account", "password", ANN, stdin=f"{GOOD}\n")
    assert GOOD.strip() not in done.out + done.err
    assert verdict(local, GOOD) is Verdict.YES
    assert verdict(local, GOOD.strip()) is Verdict.NO
    file = tmp_path / "password"
    file.write_bytes("Bügelbrett im Schnürsenkel\r\nnot this\n".encode())
    local.done("account", "password", ANN, "--password-file", str(file))
    assert verdict(local, "Bügelbrett im Schnürsenkel") is Verdict.YES
    assert verdict(local, GOOD) is Verdict.NO
    events = [row["event"] for row in local.done("audit", "list", ANN, "--json").json]
    assert events.count("password-set") == 2


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("\n", "nothing was given"),
        ("short one here\n", "this password has 14 characters; write at least 15"),
        ("Password1234567890\n", "this password is made of common words"),
    ],
)
def test_what_must_not_be_is_refused_and_not_repeated(local: Installation, typed: str, said: str) -> None:
    done = local("account", "password", ANN, stdin=typed)
    assert done.code == 1
    assert said in done.err
    assert typed.strip() == "" or typed.strip() not in done.err


def test_a_file_that_cannot_be_used_is_named(local: Installation, tmp_path: Path) -> None:
    done = local("account", "password", ANN, "--password-file", str(tmp_path / "nowhere"))
    assert (done.code, "cannot be read" in done.err) == (1, True)
    (tmp_path / "latin").write_bytes(b"\xfc\xfc\xfc\n")
    done = local("account", "password", ANN, "--password-file", str(tmp_path / "latin"))
    assert (done.code, "must be text in UTF-8" in done.err) == (1, True)
    assert "there is no account bob" in local("account", "password", "bob", stdin=GOOD).err


def test_elsewhere_the_password_is_changed_elsewhere(tmp_path: Path) -> None:
    installation = install(tmp_path, "master")
    installation.done("account", "add", ANN)
    done = installation("account", "password", ANN, stdin=GOOD)
    assert done.code == 1
    assert 'identity.source = "backend" keeps it: change it there' in done.err


@pytest.fixture
def crowd(tmp_path: Path) -> Installation:
    installation = install(tmp_path, "master")
    for name in ("ann", "bob", "cleo"):
        installation.done("account", "add", name)
    return installation


def suspended(installation: Installation) -> list[str]:
    return [row["name"] for row in installation.done("account", "list", "--json").json if row["suspended"]]


def test_who_is_not_on_the_list_is_suspended_until_they_are_again(crowd: Installation, tmp_path: Path) -> None:
    everybody = tmp_path / "everybody"
    everybody.write_text("# of today\nANN\nbob@example.org\n\nstranger@example.org\n", encoding="utf-8-sig")
    done = crowd.done("account", "sync", str(everybody), "--dry-run")
    assert done.out == "would suspend cleo@example.org\n"
    assert suspended(crowd) == []
    done = crowd.done("account", "sync", str(everybody))
    assert done.out == "suspended cleo@example.org\n"
    assert done.err == "on the list and without an account here: 1\n"
    assert suspended(crowd) == ["cleo@example.org"]
    assert crowd.done("account", "show", "cleo", "--json").json["suspended_by"] == "source"
    crowd.done("account", "suspend", "bob")
    everybody.write_text("ann\nbob\ncleo\n")
    done = crowd.done("account", "sync", str(everybody), "--json")
    assert done.json == {"suspended": [], "resumed": ["cleo@example.org"], "dry_run": False}
    assert suspended(crowd) == ["bob@example.org"], "what an operator suspended stays so"
    assert crowd.done("account", "sync", str(everybody)).err == "everybody stays as they are\n"


@pytest.mark.parametrize("text", ["", "# nobody\n", "ann@elsewhere.example\n"])
def test_a_list_of_nobody_is_refused_unless_told(crowd: Installation, tmp_path: Path, text: str) -> None:
    file = tmp_path / "list"
    file.write_text(text)
    done = crowd("account", "sync", str(file))
    assert done.code == 1
    assert "names nobody who has an account here; if that is right, say --anyway" in done.err
    assert suspended(crowd) == []
    crowd.done("account", "sync", str(file), "--anyway")
    assert len(suspended(crowd)) == 3


def test_a_list_that_is_cut_short_is_refused(crowd: Installation, tmp_path: Path) -> None:
    for number in range(5):
        crowd.done("account", "add", f"p{number}")
    file = tmp_path / "list"
    file.write_text("ann\n")
    done = crowd("account", "sync", str(file))
    assert done.code == 1
    assert "would suspend 7 accounts at once; see --dry-run" in done.err
    assert suspended(crowd) == []


def test_a_list_that_cannot_be_read_is_refused_with_its_line(crowd: Installation, tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("ann\nbob; cleo\n")
    done = crowd("account", "sync", str(file))
    assert (done.code, f"{file}, line 2: this account name" in done.err) == (1, True)
    assert "cannot be read" in crowd("account", "sync", str(tmp_path / "nowhere")).err
    file.write_bytes(b"\xff\xfea\x00")
    assert "must be text in UTF-8" in crowd("account", "sync", str(file)).err
    assert suspended(crowd) == []


def test_where_the_directory_is_asked_a_list_has_nothing_to_say(crowd: Installation, tmp_path: Path) -> None:
    text = crowd.file.read_text().replace('source = "backend"', 'source = "ldap"')
    table = '[identity.ldap]\nurl = "ldaps://x"\nsearch = { base = "dc=x", filter = "(mail={address})" }\n'
    crowd.file.write_text(text + table)
    (tmp_path / "list").write_text("ann\n")
    done = crowd("account", "sync", str(tmp_path / "list"), "--anyway")
    assert (done.code, "there is nothing to sync" in done.err) == (1, True)
    assert suspended(crowd) == []
