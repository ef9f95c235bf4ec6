"""The record on the command line: exported, verified, what is wrong with it named."""

import asyncio
import json
import re
import sqlite3
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mailguard import keyring
from mailguard.auth.attempt import Factor, MailProtocol, Origin
from mailguard.auth.events import Event
from mailguard.auth.ports import AuditRow
from mailguard.store import Store
from tests.cli.conftest import Installation
from tests.repository.test_tree import TOP

HEAD = re.compile(r"\d+-[0-9a-f]{32}")
FULL = AuditRow(
    event=Event.LOGIN_GRANTED,
    at=1.25,
    account="ann@example.org",
    person="bob@example.org",
    origin=Origin.of("2001:db8::7", 993),
    protocol=MailProtocol.SUBMISSION,
    mechanism="PLAIN",
    factor=Factor.APP_PASSWORD,
    credential="c",
    session="mg-1",
    reason="r",
    client="mutt\u2028",
    detail='quotes " and \x00',
)


def work(own: Installation, *rows: AuditRow, seal: bool = True) -> None:
    """What a guard does meanwhile."""

    async def run() -> None:
        ring = keyring.load(own.file.parent / "keys.toml")
        store = await Store.open(f"sqlite:///{own.file.parent / 'mailguard.db'}", ring)
        for row in rows:
            await store.ledger.record(row)
        if seal:
            await store.sealer.seal()
        await store.close()

    asyncio.run(run())


def tamper(own: Installation, statement: str) -> None:
    database = sqlite3.connect(own.file.parent / "mailguard.db")
    with database:
        database.execute(statement)
    database.close()


def test_a_whole_record_is_said_to_be_so(own: Installation) -> None:
    own.done("account", "add", "ann")
    work(own)
    own.done("account", "add", "bob")
    done = own.done("audit", "verify")
    head = HEAD.findall(done.out)[0]
    assert done.out == f"2 sealed rows fit, up to head {head}\n"
    assert "not sealed yet: 1 row;" in done.err
    found = own.done("audit", "verify", "--head", head, "--json").json
    assert (found["whole"], found["rows"], found["not_sealed_yet"], found["head"]) == (True, 2, 1, head)


def test_what_was_done_to_a_record_is_named(own: Installation) -> None:
    own.done("account", "add", "ann")
    own.done("account", "add", "bob")
    work(own)
    head = own.done("audit", "verify", "--json").json["head"]
    tamper(own, "UPDATE audit SET actor = 'operator:nobody' WHERE position = 2")
    done = own("audit", "verify")
    assert done.code == 1
    assert re.match(r"altered at position 2, of \d{4}-\d\d-\d\dT.*: .*; 1 rows before it fit\.", done.err)
    failed = own("audit", "verify", "--json")
    assert (failed.code, failed.json["broken"]["fault"], failed.json["broken"]["position"]) == (1, "altered", 2)
    tamper(own, "DELETE FROM audit WHERE position >= 2")
    assert "truncated at position 2" in own("audit", "verify", "--head", head).err
    assert own("audit", "verify", "--head", "soon").code == 2


def test_a_broken_chain_is_begun_anew_with_consent_alone(own: Installation) -> None:
    own.done("account", "add", "ann")
    work(own)
    tamper(own, "DELETE FROM audit_key")
    assert own("audit", "restart").code == 1
    assert own("audit", "verify").code == 1
    own.done("audit", "restart", "--yes")
    work(own)
    assert own.done("audit", "verify", "--json").json["rows"] == 3


def test_a_backup_carries_its_head(own: Installation, tmp_path: Path) -> None:
    own.done("account", "add", "ann")
    work(own)
    said = own.done("store", "backup", str(tmp_path / "copy.db")).out
    head = HEAD.findall(said)[0]
    assert own.done("audit", "verify", "--head", head).code == 0
    assert head in own.done("audit", "list", "--json").json[-1]["detail"]
    own.file.write_text(own.file.read_text().replace("mailguard.db", str(tmp_path / "copy.db")))
    assert own.done("audit", "verify", "--json").json["head"] == head


def test_long_checks_say_how_far_they_are(own: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailguard.cli.output.PROGRESS_SECONDS", 0.0)
    work(own)
    assert "1 rows fit …" in own.done("audit", "verify").err


def test_rows_are_exported_as_lines(own: Installation, tmp_path: Path) -> None:
    own.done("account", "add", "ann")
    own.done("account", "add", "bob")
    work(own, FULL)
    lines = [json.loads(line) for line in own.done("audit", "export").out.splitlines()]
    assert [line["event"] for line in lines] == ["store-created", "account-added", "account-added", "login-granted"]
    full = lines[-1]
    assert (full["time"], full["last"]) == ("1970-01-01T00:00:01.250Z", "1970-01-01T00:00:01.250Z")
    assert full["detail"] == FULL.detail
    file = tmp_path / "out.jsonl"
    assert own.done("audit", "export", "bob", "--output", str(file)).out == f"2 rows written to {file}\n"
    assert [json.loads(line)["position"] for line in file.read_text().splitlines()] == [3, 4]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert own("audit", "export", "--output", str(file)).code == 1
    assert own("audit", "export", "--output", str(tmp_path / "nowhere" / "file")).code == 1


def test_an_export_shows_what_was_altered_as_it_is(own: Installation) -> None:
    work(own, FULL)
    tamper(own, "UPDATE audit SET at = 'long ago', event = 'made-up', mac = 'none' WHERE position = 2")
    line = json.loads(own.done("audit", "export").out.splitlines()[-1])
    assert (line["time"], line["event"], line["mac"]) == ("long ago", "made-up", None)


def test_an_export_may_be_narrowed_by_time(own: Installation) -> None:
    day = 86400.0
    work(own, *(AuditRow(Event.LOGIN_GRANTED, at=1000 * day + number * day) for number in range(4)))

    def exported(*words: str) -> int:
        return len(own.done("audit", "export", *words).out.splitlines())

    assert exported() == 5
    assert exported("--until", "1972-09-28") == 1
    assert exported("--since", "1972-09-28", "--until", "1972-09-30") == 2
    assert exported("--since", "1h") == 1
    assert exported("--until", "1h") == 4
    assert own("audit", "export", "--since", "yesterday").code == 2


def matches(schema: Mapping[str, Any], value: object) -> None:
    """As much of JSON Schema as ours uses."""
    kinds = {"string": str, "integer": int, "null": type(None), "object": dict}
    assert set(schema) <= {
        "$schema", "$id", "title", "description", "type", "enum", "pattern", "minimum", "properties", "required",
        "additionalProperties",
    }  # fmt: skip
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert isinstance(value, tuple(kinds[name] for name in names)), (schema, value)
    if "enum" in schema:
        assert value in schema["enum"]
    if "pattern" in schema and isinstance(value, str):
        assert re.search(schema["pattern"], value), (schema, value)
    if "minimum" in schema and isinstance(value, int):
        assert value >= schema["minimum"]
    if isinstance(value, dict):
        assert schema["additionalProperties"] is False
        assert set(value) == set(schema["required"]) == set(schema["properties"])
        for name, each in value.items():
            matches(schema["properties"][name], each)


def test_lines_are_what_the_schema_says(own: Installation) -> None:
    schema = json.loads((TOP / "docs/operators/audit.schema.json").read_text())
    named = schema["properties"]["event"]["enum"]
    assert set(named) == set(Event), "an event is to be named in docs/operators/audit.schema.json too"
    own.done("account", "add", "ann")
    work(own, FULL)
    own.done("account", "add", "bob")
    lines = own.done("audit", "export").out.splitlines()
    for line in lines:
        matches(schema, json.loads(line))
    assert json.loads(lines[-1])["position"] is None
    page = (TOP / "docs/operators/audit.md").read_text()
    assert [name for name in schema["properties"] if f"\n| `{name}` |" not in page] == []
