"""App passwords on the command line."""

import re
import time
from datetime import UTC, datetime

import pytest

from tests.cli.conftest import Installation

SHAPE = re.compile(r"([a-km-np-z2-9]{4}-){6}[a-km-np-z2-9]{4}\n")


def test_it_is_printed_once_and_alone(master: Installation) -> None:
    master.done("account", "add", "ann")
    done = master.done("app-password", "issue", "ann", "--label", "phone")
    assert SHAPE.fullmatch(done.out)
    assert "not shown again" in done.err
    listed = master.done("app-password", "list", "ann")
    secret = done.out.strip()
    for text in (listed.out, listed.err, master.done("audit", "list").out):
        assert secret not in text
        assert secret.replace("-", "") not in text
    (row,) = master.done("app-password", "list", "ann", "--json").json
    assert row["label"] == "phone"
    assert row["protocols"] == ["imap", "submission"]
    assert row["seen_by_operator"] is True
    assert row["issued_by"].startswith("operator:")
    assert (row["expires"], row["revoked"], row["networks"]) == (None, None, [])


def test_it_may_be_narrowed(master: Installation) -> None:
    master.done("account", "add", "ann")
    words = [
        "--label",
        "printer",
        "--protocol",
        "submission",
        "--network",
        "192.0.2.0/24",
        "--network",
        "2001:db8::/64",
    ]
    made = master.done("app-password", "issue", "ann", *words, "--expires", "90d", "--json").json
    assert SHAPE.fullmatch(made["secret"] + "\n")
    (row,) = master.done("app-password", "list", "ann", "--json").json
    assert row["id"] == made["id"]
    assert row["protocols"] == ["submission"]
    assert row["networks"] == ["192.0.2.0/24", "2001:db8::/64"]
    left = datetime.fromisoformat(row["expires"]).astimezone(UTC).timestamp() - time.time()
    assert abs(left - 90 * 86400) < 120


def test_the_limit_and_the_default_life_are_the_policys(master: Installation) -> None:
    text = master.file.read_text()
    text = text.replace("app_password_limit = 20", "app_password_limit = 1")
    master.file.write_text(text.replace('app_password_expires = ""', 'app_password_expires = "30d"'))
    master.done("account", "add", "ann")
    master.done("app-password", "issue", "ann", "--label", "one")
    done = master("app-password", "issue", "ann", "--label", "two")
    assert done.code == 1
    assert "revoke one first" in done.err
    (row,) = master.done("app-password", "list", "ann", "--json").json
    assert row["expires"] is not None
    master.done("app-password", "revoke", "ann", row["id"])
    master.done("app-password", "issue", "ann", "--label", "two", "--expires", "never")
    assert master.done("app-password", "list", "ann", "--json").json[1]["expires"] is None


def test_revoking(master: Installation) -> None:
    master.done("account", "add", "ann")
    for label in ("one", "two", "three"):
        master.done("app-password", "issue", "ann", "--label", label)
    rows = master.done("app-password", "list", "ann", "--json").json
    assert rows[0]["id"] in master.done("app-password", "revoke", "ann", rows[0]["id"]).out
    asked = master("app-password", "revoke", "ann", "--all")
    assert asked.code == 1
    assert "--yes" in asked.err
    assert master.done("app-password", "revoke", "ann", "--all", "--yes").out.startswith("revoked 2 app passwords")
    assert all(row["revoked"] for row in master.done("app-password", "list", "ann", "--json").json)
    assert master("app-password", "revoke", "ann", "nothere").code == 1
    assert master("app-password", "revoke", "ann").code == 2
    assert master("app-password", "revoke", "ann", rows[0]["id"], "--all").code == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ["--protocol", "pop3"],
        ["--network", "192.0.2.1/24"],
        ["--expires", "soon"],
    ],
)
def test_wrong_use_is_told_apart(master: Installation, wrong: list[str]) -> None:
    master.done("account", "add", "ann")
    done = master("app-password", "issue", "ann", "--label", "x", *wrong)
    assert done.code == 2
    assert wrong[0] in done.err


def test_an_account_comes_first(master: Installation) -> None:
    done = master("app-password", "issue", "bob", "--label", "x")
    assert done.err == "there is no account bob@example.org; do: mailguard account add bob@example.org\n"


LINK = re.compile(r"https://mail\.example\.org/claim/[a-km-np-z2-9]{28}\n")


def test_a_claim_prints_a_link_and_no_app_password(own: Installation) -> None:
    own.done("account", "add", "ann")
    done = own.done("app-password", "issue", "ann", "--label", "phone", "--claim")
    assert LINK.fullmatch(done.out)
    assert "signed in as its owner" in done.err
    made = own.done("app-password", "issue", "ann", "--label", "phone", "--claim", "--json").json
    assert LINK.fullmatch(made["secret"] + "\n")
    assert own.done("app-password", "list", "ann", "--json").json == []
    record = own.done("audit", "list", "ann", "--json")
    assert [row["event"] for row in record.json].count("claim-issued") == 2
    assert made["secret"].rpartition("/")[2] not in record.out


def test_no_link_is_made_that_no_page_opens(own: Installation) -> None:
    own.done("account", "add", "ann")
    own.file.write_text(own.file.read_text().replace('address = "127.0.0.1:8443"', 'address = "none"'))
    done = own("app-password", "issue", "ann", "--label", "phone", "--claim")
    assert (done.code, done.out) == (1, "")
    assert "portal.address" in done.err


def test_a_service_takes_no_claim(own: Installation) -> None:
    own.done("account", "add", "scanner", "--kind", "service")
    done = own("app-password", "issue", "scanner", "--label", "x", "--claim")
    assert (done.code, done.out) == (1, "")
    assert "without --claim" in done.err
