"""Shared mailboxes, services and the limits of an app password, on the command line."""

import time
from datetime import datetime

import pytest

from tests.cli.conftest import Installation

DESK, SCANNER, ANN, BOB = (f"{local}@example.org" for local in ("reception", "scanner", "ann", "bob"))
SCOPE = ("--protocol", "submission", "--network", "192.0.2.40/32")


@pytest.fixture
def desk(master: Installation) -> Installation:
    for name in (ANN, BOB):
        master.done("account", "add", name)
    done = master.done("account", "add", DESK, "--kind", "shared")
    assert done.err == f"next: mailguard account set {DESK} --member PERSON\n"
    return master


def test_a_shared_mailbox_and_its_people(desk: Installation) -> None:
    done = desk.done("account", "set", DESK, "--member", "ann", "--member", BOB)
    assert done.out == f"{ANN} may hold app passwords of {DESK}\n{BOB} may hold app passwords of {DESK}\n"
    shown = desk.done("account", "show", DESK, "--json").json
    assert (shown["kind"], shown["members"], shown["member_of"]) == ("shared", [ANN, BOB], [])
    assert desk.done("account", "show", ANN, "--json").json["member_of"] == [DESK]
    listed = {row["name"]: (row["kind"], row["members"]) for row in desk.done("account", "list", "--json").json}
    assert listed == {ANN: ("person", []), BOB: ("person", []), DESK: ("shared", [ANN, BOB])}
    nobodys = desk("app-password", "issue", DESK, "--label", "desk")
    assert (nobodys.code, nobodys.out) == (1, "")
    assert "say --person and one of its people" in nobodys.err
    made = desk.done("app-password", "issue", DESK, "--label", "desk", "--person", ANN, "--json").json
    (row,) = desk.done("app-password", "list", DESK, "--json").json
    assert (row["id"], row["person"]) == (made["id"], ANN)
    gone = desk.done("account", "set", DESK, "--no-member", ANN)
    assert gone.out.startswith(f"{ANN} no longer stands behind {DESK}; 1 app password revoked")
    (row,) = desk.done("app-password", "list", DESK, "--json").json
    assert row["revoked"]
    told = desk.done("audit", "list", ANN, "--json").json
    assert [(each["event"], each["account"], each["person"]) for each in told if each["person"]] == [
        ("member-added", DESK, ANN),
        ("app-password-issued", DESK, ANN),
        ("member-removed", DESK, ANN),
        ("app-password-revoked", DESK, ANN),
    ]


def test_under_own_no_link_is_made_where_no_sign_in_brings_the_stores_password(own: Installation) -> None:
    own.done("account", "add", ANN)
    own.done("account", "add", DESK, "--kind", "shared")
    own.done("account", "set", DESK, "--member", ANN)
    refused = own("app-password", "issue", DESK, "--label", "desk", "--person", ANN, "--claim")
    assert (refused.code, refused.out) == (1, "")
    assert "issue it without --claim" in refused.err


def test_who_is_removed_takes_along_what_they_held(desk: Installation) -> None:
    desk.done("account", "set", DESK, "--member", ANN)
    desk.done("app-password", "issue", DESK, "--label", "desk", "--person", ANN)
    desk.done("account", "remove", ANN, "--yes")
    (row,) = desk.done("app-password", "list", DESK, "--json").json
    assert row["revoked"]
    assert row["person"], "the id remains where the name is gone"


def test_a_service_is_shown_its_password_once_within_its_bounds(master: Installation) -> None:
    added = master.done("account", "add", SCANNER, "--kind", "service")
    assert "--protocol P --network CIDR" in added.err
    for scope in (SCOPE[:2], SCOPE[2:]):
        refused = master("app-password", "issue", SCANNER, "--label", "scanner", *scope)
        assert (refused.code, refused.out) == (1, "")
        assert "one --protocol and a --network" in refused.err
    master.done("app-password", "issue", SCANNER, "--label", "scanner", *SCOPE)
    (row,) = master.done("app-password", "list", SCANNER, "--json").json
    assert row["seen_by_operator"] is True


@pytest.mark.parametrize("kind", ["shared", "service"])
def test_what_nobody_signs_in_to_takes_no_authenticator(master: Installation, kind: str) -> None:
    master.done("account", "add", DESK, "--kind", kind)
    done = master("totp", "enrol", DESK)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"{DESK} is a {kind} account, which nobody signs in to: it takes app passwords alone\n"
    assert master("account", "set", DESK, "--role", "owner").code == 1


def test_a_kind_is_one_of_three_and_stays(master: Installation) -> None:
    assert master("account", "add", DESK, "--kind", "robot").code == 2
    master.done("account", "add", ANN)
    refused = master("account", "set", ANN, "--member", ANN)
    assert refused.code == 1
    assert "a kind is set once" in refused.err
    assert master("account", "set", ANN).code == 2


def test_the_idle_limit_is_the_policys_or_its_own(master: Installation) -> None:
    master.file.write_text(master.file.read_text().replace('app_password_idle = ""', 'app_password_idle = "30d"'))
    master.done("account", "add", ANN)
    for words in ((), ("--idle", "90d"), ("--idle", "never")):
        master.done("app-password", "issue", ANN, "--label", "phone", *words)
    lapses = [row["lapses"] for row in master.done("app-password", "list", ANN, "--json").json]
    left = [None if at is None else datetime.fromisoformat(at).timestamp() - time.time() for at in lapses]
    assert left == [pytest.approx(30 * 86400, abs=60), pytest.approx(90 * 86400, abs=60), None]
    assert master("app-password", "issue", ANN, "--label", "phone", "--idle", "59s").code == 2


def test_a_client_lock_is_for_imap_alone(master: Installation) -> None:
    master.done("account", "add", ANN)
    refused = master("app-password", "issue", ANN, "--label", "phone", "--client-lock")
    assert refused.code == 1
    assert "--protocol imap" in refused.err
    master.done("app-password", "issue", ANN, "--label", "phone", "--client-lock", "--protocol", "imap")
    (row,) = master.done("app-password", "list", ANN, "--json").json
    assert (row["client_lock"], row["client_bound"]) == (True, "")
