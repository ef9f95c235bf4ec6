"""What comes round twice a second in every worker reads no table whole, however many app passwords there are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.dialects import sqlite

from mailguard.store import Store
from mailguard.store.app_passwords import _RAN_OUT


async def test_what_ran_out_is_found_by_an_index(store: Store, database: Path) -> None:
    statement = str(_RAN_OUT.compile(dialect=sqlite.dialect()))
    with closing(sqlite3.connect(database)) as records:
        plan = records.execute(f"EXPLAIN QUERY PLAN {statement}", [0] * statement.count("?")).fetchall()
    steps = [detail for *_, detail in plan]
    assert any("app_passwords USING INDEX ix_app_passwords_expires_at" in step for step in steps), steps
    assert not any(step.startswith("SCAN") for step in steps), steps
