"""Authenticators on the command line."""

import time

import pyotp
import pytest

from tests.cli.conftest import Installation


def code(secret: str, offset: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * offset)


def test_an_authenticator_counts_once_it_showed_a_code(own: Installation) -> None:
    own.done("account", "add", "ann")
    made = own.done("totp", "enrol", "ann", "--label", "phone", "--json").json
    assert made["uri"].startswith("otpauth://totp/")
    assert made["secret"] in made["uri"]
    (row,) = own.done("totp", "list", "ann", "--json").json
    assert (row["id"], row["label"], row["confirmed"]) == (made["id"], "phone", None)
    said = own.done("totp", "confirm", "ann", stdin=code(made["secret"]) + "\n").out
    assert made["id"] in said
    (row,) = own.done("totp", "list", "ann", "--json").json
    assert row["confirmed"] is not None
    assert row["last_used"] is not None  # its step is consumed: the same code opens nothing


def test_a_code_may_be_typed_as_it_is_shown(own: Installation) -> None:
    own.done("account", "add", "ann")
    secret = own.done("totp", "enrol", "ann", "--json").json["secret"]
    shown = code(secret)
    own.done("totp", "confirm", "ann", stdin=f"{shown[:3]} {shown[3:]}\n")


def test_the_qr_code_and_the_link_are_shown(own: Installation) -> None:
    own.done("account", "add", "ann")
    done = own.done("totp", "enrol", "ann")
    assert "▄" in done.out
    assert "otpauth://totp/mail.example.org:ann%40example.org?secret=" in done.out
    assert "mailguard totp confirm ann" in done.err


@pytest.mark.parametrize("typed", ["000000x\n", "\n", "12345\n"])
def test_a_wrong_code_confirms_nothing(own: Installation, typed: str) -> None:
    own.done("account", "add", "ann")
    own.done("totp", "enrol", "ann")
    done = own("totp", "confirm", "ann", stdin=typed)
    assert done.code == 1
    assert done.err
    assert own.done("totp", "list", "ann", "--json").json[0]["confirmed"] is None


def test_an_old_code_says_to_mind_the_clock(own: Installation) -> None:
    own.done("account", "add", "ann")
    secret = own.done("totp", "enrol", "ann", "--json").json["secret"]
    done = own("totp", "confirm", "ann", stdin=code(secret, -20) + "\n")
    assert done.code == 1
    assert "same time" in done.err


def test_there_must_be_something_to_confirm(own: Installation) -> None:
    own.done("account", "add", "ann")
    done = own("totp", "confirm", "ann", stdin="123456\n")
    assert done.err == "ann@example.org has no authenticator to confirm; do: mailguard totp enrol ann@example.org\n"
    own.done("totp", "enrol", "ann")
    assert own("totp", "confirm", "ann", "--id", "nothere", stdin="123456\n").code == 1


def test_the_newest_or_a_named_one_is_confirmed(own: Installation) -> None:
    own.done("account", "add", "ann")
    first = own.done("totp", "enrol", "ann", "--json").json
    second = own.done("totp", "enrol", "ann", "--json").json
    own.done("totp", "confirm", "ann", "--id", first["id"], stdin=code(first["secret"]) + "\n")
    own.done("totp", "confirm", "ann", stdin=code(second["secret"]) + "\n")
    assert all(row["confirmed"] for row in own.done("totp", "list", "ann", "--json").json)


def test_removal_and_reset_ask_first_and_leave_a_trace(own: Installation) -> None:
    own.done("account", "add", "ann")
    made = own.done("totp", "enrol", "ann", "--json").json
    assert own("totp", "remove", "ann", made["id"]).code == 1
    own.done("totp", "remove", "ann", made["id"], "--yes")
    assert own("totp", "remove", "ann", made["id"], "--yes").code == 1
    own.done("totp", "enrol", "ann")
    assert own("totp", "reset", "ann").code == 1
    own.done("totp", "reset", "ann", "--yes")
    assert own.done("totp", "list", "ann", "--json").json == []
    assert own.done("account", "show", "ann", "--json").json["factor_required"] is True
    last = own.done("audit", "list", "ann", "--json").json[-1]
    assert (last["event"], last["actor"].partition(":")[0]) == ("factors-reset", "operator")
