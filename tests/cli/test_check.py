"""`mailguard check` as a command."""

from tests.cli.conftest import Installation


def test_findings_are_a_table_or_json_and_a_failure_is_an_exit_code(own: Installation) -> None:
    text = (
        own.file.read_text().replace('host = "store.internal"', 'host = "127.0.0.1"').replace("port = 993", "port = 1")
    )
    own.file.write_text(text.replace("port = 465", "port = 1"))
    done = own("check", "--json")
    assert done.code == 1
    levels = {row["level"] for row in done.json}
    assert {"ok", "fail"} <= levels
    assert all(row["remedy"] for row in done.json if row["level"] == "fail")
    table = own("check")
    assert table.code == 1
    assert "127.0.0.1:1" in table.out


def test_a_broken_configuration_is_a_finding_too(own: Installation) -> None:
    own.file.write_text("[server]\n")
    done = own("check", "--json")
    assert done.code == 1
    assert {row["level"] for row in done.json} == {"fail"}
