"""What a run leaves behind, and that no password lies in it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from pathlib import Path

from tests.e2e.guard import DATABASE, Guard
from tests.e2e.programs import processes

OF_THE_STORE = re.compile(rb"store-[0-9a-f]{12}")
"""Every password of a user and of the master, as the tests make them."""


def assert_none_told(guard: Guard, more: Iterable[str] = ()) -> None:
    """Neither the log nor the records nor a process's title holds a password, or one of `more` secrets."""
    traces = {
        "log": guard.log.path.read_bytes(),
        "records": b"".join(path.read_bytes() for path in guard.configuration.parent.glob(f"{DATABASE}*")),
    }
    if guard.process.poll() is None:
        traces["titles"] = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes(guard))
    assert all(traces.values()), "a trace is empty: nothing was looked through"
    for place, content in traces.items():
        assert OF_THE_STORE.findall(content) == [], place
        for secret in more:
            for form in (secret, secret.replace("-", ""), base64.b64encode(secret.encode()).decode().rstrip("=")):
                assert form.encode() not in content, (place, secret)
