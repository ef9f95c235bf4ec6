"""How a command ends when it cannot do what was asked: one line that says what to do, and an exit code."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from typer.core import TyperGroup

from mailguard.auth.names import NameRefused
from mailguard.auth.ports import StoreUnavailable
from mailguard.config import ConfigError
from mailguard.keyring import KeysError
from mailguard.store import ChangeRefused, SchemaError

REFUSED = 1
UNAVAILABLE = 3


class Refusal(Exception):
    """Asked for something that cannot be done so. The text says what to do instead."""


class Commands(TyperGroup):
    """The top group: turns what its commands raise into a line on stderr and an exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run one command. Exit codes: 1 refused or not found, 3 records or keys unavailable."""
        try:
            return super().main(*args, **kwargs)
        except NameRefused as refused:
            _end(f"this account name {refused}; write another", REFUSED)
        except (Refusal, ChangeRefused, ConfigError) as refused:
            _end(str(refused), REFUSED)
        except (SchemaError, KeysError, StoreUnavailable) as unavailable:
            _end(str(unavailable), UNAVAILABLE)


def _end(text: str, code: int) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    raise SystemExit(code)
