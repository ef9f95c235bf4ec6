"""What lies on this machine: configuration, keys, certificates, records."""

import os
import pwd
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from mailguard import keyring
from mailguard.app.naming import naming_of
from mailguard.checks import Finding, Level, examine
from mailguard.checks.certificates import covers
from mailguard.store import Store
from mailguard.store.crowds import CROWD
from tests.checks.conftest import Site
from tests.store.words import ANN, OPERATOR, came
from tests.support.certs import Authority


async def test_what_is_not_acted_on_is_noted(site: Site) -> None:
    notes = [each.what for each in await site.found() if each.level is Level.NOTE]
    assert 'backend.submission.forward_client = "auto" is not acted on yet' in notes


async def test_every_problem_of_the_configuration_is_a_finding(site: Site) -> None:
    file = site.write("\n[nonsense]\n[policy.group.staff]\ntwo_factor = 7\n")
    found = [finding async for finding in examine(file, naming_of)]
    assert [each.level for each in found] == [Level.FAIL, Level.FAIL]
    assert found[0].what == "config.toml: nonsense is unknown"
    assert found[1].remedy == 'write two_factor = "optional"'


async def test_without_a_configuration_it_says_how_to_make_one(tmp_path: Path) -> None:
    (found,) = [finding async for finding in examine(tmp_path / "config.toml", naming_of)]
    assert found.what == f"config.toml: no such file in {tmp_path}"
    assert "mailguard init" in found.remedy


async def test_keys_beside_the_database_are_a_warning(site: Site) -> None:
    site.changes["store.url"] = "sqlite:///../keys/mailguard.db"
    (found,) = await site.worst()
    assert (found.level, "beside the database" in found.what) == (Level.WARN, True)


async def test_without_keys_the_rest_is_still_checked(site: Site) -> None:
    (site.folder / "keys" / "keys.toml").chmod(0o640)
    (found,) = await site.worst()
    assert found.level is Level.FAIL
    assert "chmod 0600" in found.remedy


async def test_a_master_secret_open_to_others_is_found(site: Site) -> None:
    secret = site.folder / "etc" / "master"
    secret.write_text("s")
    secret.chmod(0o644)
    site.changes["backend.imap.master_secret_file"] = "master"
    found = [each for each in await site.worst() if each.level is Level.FAIL]
    assert [each.remedy for each in found] == [f"do: chmod 0600 {secret}"]


@pytest.mark.parametrize(
    ("name", "days", "level", "word"),
    [
        ("mail.example.org", 40, None, ""),
        ("*.example.org", 40, None, ""),
        ("mail.example.org", 5, Level.WARN, "days left"),
        ("mail.example.org", -1, Level.FAIL, "has expired"),
        ("www.example.org", 40, Level.FAIL, "is made out to www.example.org"),
    ],
)
async def test_certificates_are_looked_at(
    site: Site, authority: Authority, *, name: str, days: int, level: Level | None, word: str
) -> None:
    issued = authority.issue(name, stem=f"checked-{days}-{name[0]}", valid=timedelta(days=days))
    site.changes |= {"tls.certificate": str(issued.certificate), "tls.private_key": str(issued.key)}
    found = await site.worst()
    assert [each.level for each in found] == ([level] if level else [])
    assert all(word in each.what for each in found)


async def test_a_key_of_another_certificate_is_found(site: Site, authority: Authority) -> None:
    site.changes["tls.private_key"] = str(authority.issue("other.example.org").key)
    (found,) = await site.worst()
    assert (found.level, "does not belong" in found.remedy) == (Level.FAIL, True)


async def test_a_private_key_that_everybody_may_read_is_found(site: Site, authority: Authority) -> None:
    issued = authority.issue("mail.example.org", stem="open", valid=timedelta(days=40))
    issued.key.chmod(0o644)
    site.changes |= {"tls.certificate": str(issued.certificate), "tls.private_key": str(issued.key)}
    (found,) = await site.worst()
    assert found.remedy == f"do: chmod 0600 {issued.key}"


def test_a_wildcard_stands_for_one_label() -> None:
    assert covers("*.Example.org", "mail.example.ORG")
    assert not covers("*.example.org", "a.mail.example.org")
    assert not covers("*.example.org", "example.org")


async def test_records_from_the_future_mean_a_wrong_clock(site: Site) -> None:
    await site.found()
    with closing(sqlite3.connect(site.folder / "records" / "mailguard.db")) as database:
        database.execute("UPDATE audit SET at = :at, last_at = :at", {"at": time.time() + 3600})
        database.commit()
    (found,) = await site.worst()
    assert (found.level, "behind the newest record" in found.what) == (Level.FAIL, True)


async def test_one_private_address_for_everybody_is_found_unless_it_is_meant(site: Site) -> None:
    await site.found()
    came(site.folder / "records" / "mailguard.db", "10.0.0.5", CROWD, time.time())
    (found,) = await site.worst()
    assert found.level is Level.FAIL
    assert f"{CROWD} accounts came from the one private address 10.0.0.5" in found.what
    assert "policy.shared_networks" in found.remedy
    site.changes["policy.shared_networks"] = ["10.0.0.5/32"]

    async def failures(clinic: str) -> list[Finding]:
        found = await site.worst(f"\n[policy.group.clinic]\nshared_networks = {clinic}\n")
        return [each for each in found if each.level is Level.FAIL]

    assert await failures('["10.0.0.0/24"]') == []
    assert await failures("[]") == [found], "the clinic's grants are off there"


async def test_a_record_that_nobody_vouches_for_any_more_is_found(site: Site) -> None:
    await site.found()
    with closing(sqlite3.connect(site.folder / "records" / "mailguard.db")) as database:
        database.execute("UPDATE audit SET position = 1")
        database.commit()
    (found,) = await site.worst()
    assert (found.level, "mailguard audit verify" in found.remedy) == (Level.FAIL, True)


async def test_records_of_another_version_are_found(site: Site) -> None:
    (site.folder / "records" / "mailguard.db").write_bytes(b"not a database" * 1000)
    (found,) = await site.worst()
    assert found.level is Level.FAIL
    assert found.what.startswith("records in ")


async def test_the_user_that_mailguard_drops_to_must_read_its_files(site: Site) -> None:
    site.changes["server.user"] = pwd.getpwuid(os.geteuid()).pw_name
    assert await site.worst() == []
    site.changes["server.user"] = "mailguard-nobody"
    (found,) = await site.worst()
    assert found.what == "there is no user mailguard-nobody"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's files can belong to another user")
async def test_files_of_root_are_out_of_another_users_reach(site: Site) -> None:
    site.changes["server.user"] = "nobody"
    found = await site.worst()
    assert f"do: chown nobody {site.folder}/etc/../keys/keys.toml" in [each.remedy for each in found]


async def test_aliases_that_cannot_be_meant_are_found(site: Site) -> None:
    site.changes["names.aliases"] = "aliases"
    (site.folder / "etc" / "aliases").write_text("sales\n")
    (found,) = await site.worst()
    assert found.level is Level.FAIL
    assert found.what == "config.toml: names.aliases aliases, line 1: holds 1 words"
    assert found.remedy == "write an alias and its account"


async def test_a_database_that_is_damaged_inside_is_found(site: Site) -> None:
    await site.found()
    file = site.folder / "records" / "mailguard.db"
    with closing(sqlite3.connect(file)) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_audit_account'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as pages:
        pages.seek((root - 1) * size + 8)
        pages.write(b"\xff" * 64)
    assert any("damaged" in each.what for each in await site.worst() if each.level is Level.FAIL)


async def test_an_alias_that_is_an_account_too_and_a_group_that_is_nobodys_are_found(site: Site) -> None:
    await site.found()
    ring = keyring.load(site.folder / "keys" / "keys.toml")
    store = await Store.open(f"sqlite:///{site.folder}/records/mailguard.db", ring)
    await store.accounts.add(ANN, actor=OPERATOR)
    await store.close()
    (site.folder / "etc" / "aliases").write_text("ann@example.org  bob@example.org\n")
    site.changes["names.aliases"] = "aliases"
    shadowed, unused = await site.worst('\n[policy.group.staff]\ntwo_factor = "enforce"\n')
    assert (shadowed.level, "ann@example.org is an alias" in shadowed.what) == (Level.FAIL, True)
    assert "policy.group.staff is nobody's" in unused.what


@pytest.mark.parametrize(
    ("changes", "dead"),
    [
        ({"backend.imap.master_user": "guard"}, "backend.imap.master_user"),
        ({"backend.imap.master_secret_file": "master"}, "backend.imap.master_secret_file"),
    ],
)
async def test_keys_that_do_nothing_are_found(site: Site, changes: dict[str, str], dead: str) -> None:
    site.changes |= changes
    (found,) = await site.worst()
    assert (found.level, found.what) == (Level.WARN, f'{dead} does nothing: backend.imap.login is "own"')


async def test_a_question_that_is_asked_elsewhere_is_found(site: Site) -> None:
    (found,) = await site.worst('\n[identity.backend]\nhost = "127.0.0.1"\nport = 1\n')
    assert found.what.startswith("identity.backend does nothing: no backend has a master login")


async def test_files_and_folders_that_others_may_change_are_found(site: Site) -> None:
    await site.found()
    (site.folder / "etc" / "config.toml").chmod(0o666)
    (site.folder / "records").chmod(0o777)
    (site.folder / "keys").chmod(0o770)
    found = await site.worst()
    assert [(each.level, each.remedy.partition(" ")[2].partition(" /")[0]) for each in found] == [
        (Level.FAIL, "chmod go-w"),
        (Level.WARN, "chmod go-w"),
        (Level.FAIL, "chmod go-w"),
    ]


async def test_certificates_behind_the_first_must_be_its_issuers(site: Site, authority: Authority) -> None:
    issued = authority.issue("mail.example.org", stem="chained", valid=timedelta(days=40))
    stranger = authority.issue("www.example.org", stem="stranger")
    mixed = site.folder / "mixed.pem"
    site.changes |= {"tls.certificate": str(mixed), "tls.private_key": str(issued.key)}
    mixed.write_bytes(issued.certificate.read_bytes() + stranger.certificate.read_bytes())
    (found,) = await site.worst()
    assert (found.level, "in order" in found.what) == (Level.FAIL, True)
    mixed.write_bytes(issued.certificate.read_bytes() + authority.ca.read_bytes())
    assert await site.worst() == []


async def test_what_takes_long_is_told(site: Site) -> None:
    told: list[str] = []
    found = [finding async for finding in examine(site.write(), naming_of, told.append)]
    assert any("a minute at most" in each for each in told)
    assert "the database is whole" in [each.what for each in found]
