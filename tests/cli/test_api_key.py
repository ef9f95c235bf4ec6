"""API keys on the command line."""

from tests.cli.conftest import Installation


def test_a_key_is_printed_once_listed_and_revoked(own: Installation) -> None:
    done = own.done("api-key", "issue", "--label", "report", "--scope", "read,revoke", "--role", "helpdesk",
                    "--role-limit", "group:staff", "--json")  # fmt: skip
    made = done.json
    assert made["secret"].startswith("mgk_")
    listed = own.done("api-key", "list", "--json")
    (row,) = listed.json
    assert made["secret"] not in listed.out
    assert (row["id"], row["role"], row["role_limit"]) == (made["id"], "helpdesk", "group:staff")
    assert (row["scopes"], row["usable"], row["seen_by_operator"]) == (["read", "revoke"], True, True)
    assert own.done("api-key", "revoke", made["id"]).out == f"revoked API key {made['id']}\n"
    assert own.done("api-key", "list", "--json").json[0]["usable"] is False
    assert own("api-key", "revoke", "nothere").err == "there is no API key nothere: see `mailguard api-key list`\n"


def test_a_key_reads_for_ninety_days_where_nothing_else_is_said(own: Installation) -> None:
    done = own.done("api-key", "issue", "--label", "report", "--scope", "read")
    assert done.out.startswith("mgk_")
    assert "not shown again" in done.err
    assert own.done("api-key", "list", "--json").json[0]["role"] == "auditor"


def test_what_is_no_key_is_refused(own: Installation) -> None:
    for words in (["--scope", "write"], ["--scope", "read", "--expires", "366d"], ["--scope", "read", "--role", "x"]):
        assert own("api-key", "issue", "--label", "report", *words).code == 2
    refused = own("api-key", "issue", "--label", "report", "--scope", "read", "--role", "none")
    assert (refused.code, refused.out) == (1, "")
    assert own.done("api-key", "list").err.startswith("no API keys")
