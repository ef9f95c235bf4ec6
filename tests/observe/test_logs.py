"""Log records: one line each, escaped, in UTC, without a secret."""

import json
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.config import LogFormat
from mailguard.observe import logs
from mailguard.secret import Secret
from tests.support.log import Started

PASSWORD = "hunter2-correct-horse"


def test_a_json_record_carries_its_fields(started: Started) -> None:
    stream = started(LogFormat.JSON)
    logging.getLogger("mailguard.session").info(
        "login refused", extra={"account": "ann@example.org", "pid": 7, "by": ""}
    )
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    when = record.pop("time")
    assert record == {
        "level": "info",
        "logger": "mailguard.session",
        "event": "login refused",
        "account": "ann@example.org",
        "pid": 7,
    }
    assert when.endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(when)).total_seconds()) < 60


def test_a_text_record_is_one_line(started: Started) -> None:
    stream = started(LogFormat.TEXT)
    logging.getLogger("mailguard.x").warning("store %s", "is\ndown", extra={"account": 'a"b\r\nc', "at": "10.0.0.1:4"})
    (line,) = stream.getvalue().splitlines()
    assert line.partition("Z ")[2] == r'WARNING mailguard.x store is\ndown account="a\"b\r\nc" at=10.0.0.1:4'


@given(st.text(), st.text())
def test_nobody_writes_a_line_of_their_own(event: str, field: str) -> None:
    for formatter in (logs.JsonLines(), logs.TextLines()):
        record = logging.LogRecord("mailguard", logging.INFO, "", 0, "%s", (event,), None)
        record.account = field
        line = formatter.format(record)
        assert line.isprintable()
        assert line.isascii()


def test_a_field_cannot_pass_for_the_event(started: Started) -> None:
    stream = started(LogFormat.JSON)
    logging.getLogger("mailguard").info("login refused", extra={"event": "login granted", "level": "x"})
    record = json.loads(stream.getvalue())
    assert (record["event"], record["level"]) == ("login refused", "info")


@pytest.mark.parametrize("form", list(LogFormat))
def test_a_secret_is_hidden_wherever_it_stands(started: Started, form: LogFormat) -> None:
    stream = started(form)
    secret = Secret(PASSWORD.encode())
    logging.getLogger("mailguard").info("got %s and %r", secret, secret, extra={"password": secret, "all": [secret]})
    assert stream.getvalue()
    assert PASSWORD not in stream.getvalue()


@pytest.mark.parametrize("form", list(LogFormat))
def test_the_text_of_a_library_error_stays_out(started: Started, form: LogFormat) -> None:
    stream = started(form)
    try:
        try:
            raise ValueError(f"bad command: LOGIN ann {PASSWORD}")
        except ValueError as error:
            raise OSError("store went away") from error
    except OSError:
        logging.getLogger("mailguard").exception("leg failed")
    line = stream.getvalue()
    assert PASSWORD not in line
    assert "OSError: store went away" in line
    assert "from ValueError" in line
    assert "test_logs.py" in line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("name", logs.SILENCED)
def test_the_libraries_say_nothing(started: Started, name: str) -> None:
    stream = started(LogFormat.TEXT)
    logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger(name).critical("AUTH PLAIN %s", PASSWORD)
    assert stream.getvalue() == ""


def test_the_names_are_those_that_the_libraries_use() -> None:
    import aioimaplib.aioimaplib
    import aiosmtpd.handlers
    import aiosmtpd.smtp

    used = {aioimaplib.aioimaplib.log.name, aiosmtpd.smtp.log.name, aiosmtpd.handlers.log.name}
    assert used <= set(logs.SILENCED)


def test_other_libraries_are_heard_from_warnings_on(started: Started) -> None:
    stream = started(LogFormat.TEXT)
    logging.getLogger("asyncio").info("quiet")
    logging.getLogger("asyncio").warning("slow callback")
    logging.getLogger("mailguard.net").info("ours")
    assert [line.split(" ", 3)[3] for line in stream.getvalue().splitlines()] == ["slow callback", "ours"]
