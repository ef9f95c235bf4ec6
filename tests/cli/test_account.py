"""Accounts on the command line."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from mailguard import keyring
from mailguard.auth import throttle
from mailguard.auth.accounts import AccountName
from mailguard.auth.attempt import Origin
from mailguard.secret import Secret
from mailguard.store import Store
from tests.cli.conftest import Installation
from tests.store.words import ANN, refused


def guess(at: Installation, times: int, network: Callable[[int], str], *, apart: float = 0.0) -> float:
    """So many wrong passwords at ann's name, the last of them now; when that was."""

    async def work() -> float:
        keys, now = keyring.load(at.file.parent / "keys.toml"), time.time()
        store = await Store.open(f"sqlite:///{at.file.parent / 'mailguard.db'}", keys)
        try:
            for number in range(times):
                when = now - (times - 1 - number) * apart
                origin = Origin.of(network(number), 1)
                reservation = throttle.reservation(keys, AccountName(ANN), origin, Secret(b"%d" % number), known=True)
                await store.ledger.refuse(refused(at=when), await store.ledger.reserve(reservation, when))
        finally:
            await store.close()
        return now

    return asyncio.run(work())


def test_an_account_is_added_under_its_canonical_name(own: Installation) -> None:
    assert own.done("account", "add", "Ann").out == "added ann@example.org\n"
    (row,) = own.done("account", "list", "--json").json
    assert (row["name"], row["role"], row["suspended"]) == ("ann@example.org", "", False)
    assert "ann@example.org" in own.done("account", "list").out


def test_an_account_is_not_added_twice(own: Installation) -> None:
    own.done("account", "add", "ann")
    again = own("account", "add", "ANN@example.org")
    assert (again.code, again.out) == (1, "")
    assert again.err == "there is an account ann@example.org already: see `mailguard account show ann@example.org`\n"


def test_a_name_that_no_store_reads_as_one_user_is_refused(own: Installation) -> None:
    done = own("account", "add", "ann*guard")
    assert done.code == 1
    assert "write another" in done.err
    assert len(done.err.splitlines()) == 1


def test_the_masters_own_name_is_refused(master: Installation) -> None:
    assert master("account", "add", "guard@example.org").code == 1


def test_show_tells_what_was_guessed_and_what_waits(own: Installation) -> None:
    own.done("account", "add", "ann")
    fields = ("wrong_in_a_row", "waits_until", "waits_until_at_known_networks", "networks_waiting")

    def shown(*more: str) -> list[object]:
        row = own.done("account", "show", "ann", "--json").json
        return [row[field] for field in (*fields, *more)]

    assert shown("networks_waiting_until") == [0, None, None, 0, None]
    now = guess(own, 10, lambda _: "198.51.100.9")
    in_a_row, *waits, networks, end = shown("networks_waiting_until")
    assert (in_a_row, waits, networks) == (10, [None, None], 1)
    assert 0 < datetime.fromisoformat(str(end)).timestamp() - now <= 31
    guess(own, 20, lambda number: f"10.{number}.0.1")
    in_a_row, strangers, known, networks = shown()
    assert (in_a_row, known, networks) == (20, None, 1)
    assert strangers is not None
    assert "networks waiting until" in own.done("account", "show", "ann").out
    own.done("account", "unlock", "ann")
    assert shown() == [0, None, None, 0]


def test_show_tells_what_only_unlocking_helps(own: Installation) -> None:
    own.done("account", "add", "ann")
    guess(own, 90, lambda number: f"10.{number}.0.1", apart=4000.0)
    row = own.done("account", "show", "ann", "--json").json
    assert (row["wrong_in_a_row"], row["waits_until"], row["waits_until_at_known_networks"]) == (90, "unlocked", None)


def test_show_tells_what_an_account_has(own: Installation) -> None:
    own.done("account", "add", "ann", "--group", "staff", "--role", "owner")
    own.done("totp", "enrol", "ann")
    shown = own.done("account", "show", "ann", "--json").json
    assert shown["group"] == "staff"
    assert shown["two_factor"] == "enforce"
    assert (shown["authenticators"], shown["authenticators_unconfirmed"], shown["app_passwords"]) == (0, 1, 0)
    assert "staff" in own.done("account", "show", "ann").out


def test_an_account_that_is_not_there_is_said_to_be_missing(own: Installation) -> None:
    for words in (["show"], ["suspend"], ["resume"], ["set", "--group", "staff"], ["remove", "--yes"]):
        done = own("account", words[0], "bob", *words[1:])
        assert (done.code, done.err) == (1, "there is no account bob@example.org: see `mailguard account list`\n")


def test_group_and_standing_change_and_unknown_groups_are_refused(own: Installation) -> None:
    own.done("account", "add", "ann")
    said = own.done("account", "set", "ann", "--group", "staff", "--role", "owner").out
    assert said == "ann@example.org is owner of everything, in group staff\n"
    said = own.done("account", "set", "ann", "--group", "", "--role", "none").out
    assert said == "ann@example.org is no administrator, in no group\n"
    refused = own("account", "set", "ann", "--group", "stuff")
    assert refused.code == 1
    assert "write [policy.group.stuff]" in refused.err
    assert own("account", "set", "ann").code == 2


def test_suspension_and_its_end(own: Installation) -> None:
    own.done("account", "add", "ann")
    own.done("account", "suspend", "ann")
    assert own.done("account", "show", "ann", "--json").json["suspended"] is True
    own.done("account", "resume", "ann")
    own.done("account", "unlock", "ann")
    assert own.done("account", "show", "ann", "--json").json["suspended"] is False
    events = [row["event"] for row in own.done("audit", "list", "ann", "--json").json]
    assert events == ["account-added", "account-suspended", "account-resumed", "account-unlocked"]


def test_removal_asks_first(own: Installation) -> None:
    own.done("account", "add", "ann")
    asked = own("account", "remove", "ann")
    assert (asked.code, asked.out) == (1, "")
    assert "--yes" in asked.err
    own.done("account", "remove", "ann", "--yes")
    assert own.done("account", "list", "--json").json == []
    empty = own.done("account", "list")
    assert empty.out == ""
    assert "mailguard account add" in empty.err


def test_a_second_address_is_told_of_and_waits_three_days(own: Installation) -> None:
    own.done("account", "add", "ann")
    said = own.done("account", "set", "ann", "--second-address", "ann@home.example").out
    assert said.startswith("ann@home.example is told from 20")
    (shown,) = own.done("account", "show", "ann", "--json").json["second_addresses"]
    assert shown.startswith("ann@home.example (from 20")
    assert own.done("account", "set", "ann", "--no-second-address", "ANN@home.example").out.startswith("ANN@home")
    assert own.done("account", "show", "ann", "--json").json["second_addresses"] == []
    events = [row["event"] for row in own.done("audit", "list", "ann", "--json").json]
    assert events == ["account-added", "address-added", "address-removed"]


def test_what_is_no_second_address_is_refused_with_a_word_why(own: Installation) -> None:
    own.done("account", "add", "ann")
    for address, said in (("ann", "the mailbox itself"), ("home.example", "in full"), ("Ann@Example.org", "itself")):
        refused = own("account", "set", "ann", "--second-address", address)
        assert (refused.code, said in refused.err) == (1, True), refused.err


def test_a_role_and_its_limit_are_written_and_shown(own: Installation) -> None:
    own.done("account", "add", "ann", "--role", "helpdesk", "--role-limit", "domain:example.org")
    row = own.done("account", "show", "ann", "--json").json
    assert (row["role"], row["role_limit"], row["two_factor"]) == ("helpdesk", "domain:example.org", "enforce")
    said = own.done("account", "set", "ann", "--role", "auditor").out
    assert said == "ann@example.org is auditor of domain:example.org, in no group\n"
    assert own.done("account", "set", "ann", "--role-limit", "").out.startswith(
        "ann@example.org is auditor of everything"
    )
    assert own.done("account", "set", "ann", "--role", "none").out.startswith("ann@example.org is no administrator")


def test_a_role_or_limit_that_there_is_not_is_refused(own: Installation) -> None:
    own.done("account", "add", "ann")
    for words in (["--role", "king"], ["--role", "owner", "--role-limit", "staff"]):
        done = own("account", "set", "ann", *words)
        assert done.code == 2
        assert "must be" in done.err
    assert own.done("account", "show", "ann", "--json").json["role"] == ""
    done = own("account", "set", "ann", "--role-limit", "group:staff")
    assert (done.code, done.err) == (1, "ann@example.org has no role that could be limited: say --role as well\n")


def test_a_list_of_people_becomes_accounts(own: Installation) -> None:
    own.done("account", "add", "ann")
    file = own.file.with_name("people.csv")
    file.write_text("# the practice\nann,staff\nbob,staff\ncarol\n")
    done = own.done("account", "import", str(file))
    assert done.out == "added bob@example.org\nadded carol@example.org\n"
    assert done.err == "2 accounts added, 1 were there already\n"
    assert own.done("account", "import", "-", "--json", stdin="bob\n").json == {
        "added": [],
        "there": ["bob@example.org"],
    }
    groups = {row["name"]: row["group"] for row in own.done("account", "list", "--json").json}
    assert groups == {"ann@example.org": "", "bob@example.org": "staff", "carol@example.org": ""}


def test_a_list_that_is_wrong_makes_nobody(own: Installation) -> None:
    file = own.file.with_name("people.csv")
    file.write_bytes(b"\xff\n")
    for where, said in ((file, "must be text in UTF-8"), (own.file.with_name("none"), "cannot be read")):
        assert said in own("account", "import", str(where)).err
    done = own("account", "import", "-", stdin="ann\nbob,stuff\n")
    assert done.code == 1
    assert done.err.startswith("line 2: there is no group stuff")
    assert own.done("account", "list").err.startswith("no accounts")
