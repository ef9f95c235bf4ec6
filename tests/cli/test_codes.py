"""One-time codes on the command line."""

import re
import time
from datetime import UTC, datetime

import pyotp
import pytest

from tests.cli.conftest import Installation

CODE = "[a-km-np-z2-9]{5}-[a-km-np-z2-9]{5}-[a-km-np-z2-9]{5}"


def enrolled(own: Installation) -> Installation:
    own.done("account", "add", "ann")
    secret = own.done("totp", "enrol", "ann", "--json").json["secret"]
    own.done("totp", "confirm", "ann", stdin=pyotp.TOTP(secret).now() + "\n")
    return own


def test_ten_recovery_codes_are_printed_once(own: Installation) -> None:
    enrolled(own)
    done = own.done("recovery-codes", "issue", "ann")
    assert re.fullmatch(rf"({CODE}\n){{10}}", done.out)
    listed = own.done("recovery-codes", "list", "ann", "--json")
    assert [(row["kind"], row["usable"]) for row in listed.json] == [("recovery", True)] * 10
    record = own.done("audit", "list").out
    assert not any(code in listed.out + record for code in done.out.split())
    again = own.done("recovery-codes", "issue", "ann", "--json").json["codes"]
    assert re.fullmatch(CODE, again[0]["secret"])
    usable = {row["id"] for row in own.done("recovery-codes", "list", "ann", "--json").json if row["usable"]}
    assert usable == {code["id"] for code in again}


def test_recovery_codes_stand_in_for_something(own: Installation) -> None:
    own.done("account", "add", "ann")
    done = own("recovery-codes", "issue", "ann")
    assert (done.code, done.out) == (1, "")
    assert "enrol one first" in done.err


def test_an_enrolment_code_is_good_for_a_day(own: Installation) -> None:
    own.done("account", "add", "ann")
    done = own.done("enrolment-code", "issue", "ann")
    assert re.fullmatch(CODE + "\n", done.out)
    made = own.done("enrolment-code", "issue", "ann", "--json").json
    first, second = own.done("recovery-codes", "list", "ann", "--json").json
    assert (first["usable"], second["usable"], second["id"]) == (False, True, made["id"])
    left = datetime.fromisoformat(second["expires"]).astimezone(UTC).timestamp() - time.time()
    assert abs(left - 86400) < 120


def test_a_bypass_lasts_as_long_as_it_says(own: Installation) -> None:
    enrolled(own)
    done = own.done("bypass", "issue", "ann", "--for", "8h")
    assert re.fullmatch(CODE + "\n", done.out)
    assert "binds no authenticator" in done.err
    assert "it is typed at https://mail.example.org, where the second page asks for a code" in done.err
    own.done("bypass", "issue", "ann", "--for", "8h", "--may-enrol", "--json")
    first, second = own.done("recovery-codes", "list", "ann", "--json").json
    assert (first["usable"], first["may_enrol"], second["may_enrol"]) == (False, False, True)


def test_without_a_portal_no_page_takes_a_code(own: Installation) -> None:
    enrolled(own)
    own.file.write_text(own.file.read_text().replace('"127.0.0.1:8443"', '"none"'))
    assert 'no page takes it: portal.address is "none"' in own.done("bypass", "issue", "ann", "--for", "8h").err


@pytest.mark.parametrize("words", [[], ["--for", ""], ["--for", "4d"], ["--for", "soon"]])
def test_a_bypass_must_say_for_how_long(own: Installation, words: list[str]) -> None:
    own.done("account", "add", "ann")
    done = own("bypass", "issue", "ann", *words)
    assert done.code == 2
    assert "--for" in done.err


@pytest.mark.parametrize("noun", ["recovery-codes", "enrolment-code"])
def test_an_account_must_be_there(own: Installation, noun: str) -> None:
    assert own(noun, "issue", "nobody").err == (
        "there is no account nobody@example.org: see `mailguard account list`\n"
    )
