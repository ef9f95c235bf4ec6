"""Log records on one line each, for machines or for people, in UTC, without a secret.

A record says what happened in fixed words and carries the rest as fields: `log.info("login refused",
extra={"account": name, "reason": reason})`. Fields hold what strangers typed, so control characters, line breaks and
everything outside ASCII are escaped: nobody writes a line of their own into the log (OWASP ASVS 16.4.1).
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO

from mailguard.config import LogFormat
from mailguard.secret import Secret

SILENCED = ("mail.log", "mail.debug", "aioimaplib", "aioimaplib.aioimaplib")
"""aiosmtpd and aioimaplib write whole command lines to their loggers, passwords included."""

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[A-Za-z0-9_.:@/+*%,-]+")
_HIDDEN = "(hidden)"
_ENCODER = json.JSONEncoder(default=str)


def start(form: LogFormat, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send every record of mailguard to `stream` (standard error), and those of the two libraries nowhere."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form is LogFormat.JSON else TextLines())
    handler.addFilter(hide_secrets)
    root = logging.getLogger()
    for former in list(root.handlers):
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("mailguard").setLevel(level)
    # Found out for every record, and in no line: where in the source it was said, by which thread and process.
    logging._srcfile = None  # the way that the documentation of logging tells
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    silence()


def silence() -> None:
    """Switch the loggers of the two libraries off, whatever level is set elsewhere."""
    for name in SILENCED:
        logging.getLogger(name).disabled = True


def hide_secrets(record: logging.LogRecord) -> bool:
    """Replace every Secret of a record, so that no format specification can ask for its bytes."""
    if isinstance(record.args, tuple):
        record.args = tuple(_HIDDEN if isinstance(argument, Secret) else argument for argument in record.args)
    for name, value in record.__dict__.items():
        if isinstance(value, Secret):
            record.__dict__[name] = _HIDDEN
    return True


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record; fields may not overwrite the first four."""
        fields = dict(_fields(record))
        head = {
            "time": _when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        return _ENCODER.encode({**head, **{name: value for name, value in fields.items() if name not in head}})


class TextLines(logging.Formatter):
    """One line for a person to read: time, level, logger, event, then fields as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """The record, every part of it on this one line."""
        parts = [_when(record), record.levelname, record.name, _escaped(record.getMessage())]
        parts += [f"{name}={_value(value)}" for name, value in _fields(record)]
        return " ".join(parts)


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    for name, value in record.__dict__.items():
        if name not in _STANDARD and value not in (None, ""):
            yield name, value if isinstance(value, str | int | float) else str(value)
    if record.exc_info and record.exc_info[1] is not None:
        yield "error", _explained(record.exc_info[1])


def _explained(error: BaseException) -> str:
    """The exception and where it came from, innermost frame last.

    Only exceptions of ours and of the system say their text: those of the libraries may quote the command that
    failed, and with it a password (aioimaplib's do).
    """
    frames = traceback.extract_tb(error.__traceback__)
    path = " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
    ours = type(error).__module__.partition(".")[0] == "mailguard" or isinstance(error, OSError)
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    said = f"{name}: {error}" if ours else name
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{said} [{path}]" + (f" from {_explained(cause)}" if cause is not None else "")


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1].replace('\\"', '"')
