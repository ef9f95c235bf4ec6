"""Authenticators on the command line."""

import hashlib
import sqlite3
import time
from pathlib import Path

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


LINK = "otpauth://totp/Shop:ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=8&algorithm=SHA256"


@pytest.mark.parametrize("by", ["file", "standard input"])
def test_an_authenticator_that_exists_already_is_kept(own: Installation, tmp_path: Path, by: str) -> None:
    own.done("account", "add", "ann")
    file, stdin = (tmp_path / "link", "") if by == "file" else ("-", LINK + "\n")
    (tmp_path / "link").write_text(LINK + "\n")
    made = own.done("totp", "enrol", "ann", "--label", "token", "--uri-file", str(file), "--json", stdin=stdin)
    assert list(made.json) == ["id"]
    now = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", digits=8, digest=hashlib.sha256).at(int(time.time()))
    own.done("totp", "confirm", "ann", stdin=f"{now}\n")
    (row,) = own.done("totp", "list", "ann", "--json").json
    assert (row["id"], row["label"], row["digits"], row["algorithm"]) == (made.json["id"], "token", 8, "SHA256")
    assert row["confirmed"] is not None
    again = own("totp", "enrol", "ann", "--uri-file", "-", stdin=LINK + "\n")
    assert again.code == 1
    assert "already" in again.err


def test_a_seed_that_is_too_short_is_refused_in_plain_words(own: Installation) -> None:
    own.done("account", "add", "ann")
    done = own("totp", "enrol", "ann", "--uri-file", "-", stdin="otpauth://totp/ann?secret=JBSWY3DPEHPK3PXP\n")
    assert done.code == 1
    assert done.err == (
        "this link holds a seed of 80 bits, and at least 112 are demanded: that authenticator cannot be kept, "
        "enrol a new one\n"
    )
    assert own.done("totp", "list", "ann", "--json").json == []


def test_a_link_is_read_from_a_file_that_holds_one(own: Installation, tmp_path: Path) -> None:
    own.done("account", "add", "ann")
    (tmp_path / "empty").touch()
    assert "is empty" in own("totp", "enrol", "ann", "--uri-file", str(tmp_path / "empty")).err
    assert "cannot be read" in own("totp", "enrol", "ann", "--uri-file", str(tmp_path / "none")).err
    (tmp_path / "link").write_text(LINK)
    done = own.done("totp", "enrol", "ann", "--uri-file", str(tmp_path / "link"))
    assert "GEZD" not in done.out + done.err
    assert "totp confirm ann" in done.err


def test_a_name_is_changed_and_a_counter_that_is_well_is_left_alone(own: Installation) -> None:
    own.done("account", "add", "ann")
    made = own.done("totp", "enrol", "ann", "--json").json
    own.done("totp", "confirm", "ann", stdin=code(made["secret"]) + "\n")
    own.done("totp", "rename", "ann", made["id"], "Ann's phone")
    assert own.done("totp", "list", "ann", "--json").json[0]["label"] == "Ann's phone"
    done = own("totp", "resync", "ann")
    assert done.code == 1
    assert "is ahead of this machine's clock" in done.err


def test_a_counter_ahead_of_the_clock_is_set_back(own: Installation) -> None:
    own.done("account", "add", "ann")
    made = own.done("totp", "enrol", "ann", "--json").json
    own.done("totp", "confirm", "ann", stdin=code(made["secret"]) + "\n")
    database = sqlite3.connect(own.file.parent / "mailguard.db")
    with database:
        database.execute("UPDATE totp_devices SET last_step = last_step + 2880")
    database.close()
    assert made["id"] in own.done("totp", "resync", "ann").out
