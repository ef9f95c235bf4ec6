"""The profile's sums, and the page that figures are written into."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from bench import page, profile, report
from bench.figures import medians
from bench.page import PAGE, filled
from bench.place import RESULTS
from bench.scale.findings import Finding, as_json
from bench.targets import Column
from tests.bench.test_figures import ABOUT, ROUNDS

SPENT = {
    "/usr/lib/python3.11/ssl.py:SSLObject.read": 600,
    "/x/site-packages/sqlalchemy/engine/base.py:Connection.execute": 200,
    "/x/site-packages/sqlalchemy/engine/result.py:fetch": 100,
    "/src/mailguard/auth/decision.py:decide": 100,
}


def test_a_profile_adds_up_to_what_a_login_cost() -> None:
    found = profile.of(SPENT, 2000.0)
    assert found.parts == {
        "TLS: OpenSSL, by way of ssl": 1200.0, "SQLAlchemy": 600.0, "mailguard.auth": 200.0,
    }  # fmt: skip
    assert next(iter(found.functions.items())) == ("ssl.py: SSLObject.read", 1200.0)
    assert found.functions["mailguard/auth/decision.py: decide"] == 200.0
    assert "| SQLAlchemy | 600 |" in profile.table({Column.IMAP_LOGIN: found})


@pytest.mark.parametrize(
    ("file", "whose"),
    [
        ("/usr/lib/python3.11/asyncio/runners.py", "event loop: uvloop and the kernel"),
        ("/usr/lib/python3.11/asyncio/timeouts.py", "asyncio: futures, timeouts, streams"),
        ("/x/site-packages/aioimaplib/aioimaplib.py", "aioimaplib"),
        ("/src/mailguard/net/relay.py", "mailguard.net"),
        ("/usr/lib/python3.11/json/encoder.py", "the rest of Python"),
    ],
)
def test_whose_work_a_function_is(file: str, whose: str) -> None:
    assert profile.part(file) == whose


def test_only_what_stands_between_the_marks_changes() -> None:
    text = "above\n<!-- bench -->\nold\n<!-- /bench -->\nbetween\n<!-- scale -->\nkept\n<!-- /scale -->\n"
    assert filled(text, {"bench": "new"}) == text.replace("old", "new")
    with pytest.raises(ValueError, match="no place for profile"):
        filled(text, {"profile": "new"})


def test_the_page_has_a_place_for_all_that_is_measured() -> None:
    kept = json.loads(json.dumps(report.as_json(ABOUT, ROUNDS, medians(ROUNDS))))
    made = {
        "bench": page.bench_section(kept, "x.svg"),
        "scale": page.scale_section({"about": ABOUT, "runs": {"idle": as_json([Finding("all", 1.0, "s", 2.0)])}}),
        "profile": page.profile_section(
            {"about": ABOUT, "profile": profile.as_json({Column.IMAP_LOGIN: profile.of(SPENT, 2000.0)})}
        ),
    }
    text = filled(PAGE.read_text(), made)
    assert report.table(medians(ROUNDS)) in text
    assert "| all | 1.00 s | ≤ 2: met |" in text
    assert "Taken 2026-01-02 03:04 UTC on 2 cores & <one> more." in text


def test_pictures_that_are_kept_are_ones() -> None:
    for path in RESULTS.glob("*.svg"):
        words = [each.text or "" for each in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
        assert any(re.fullmatch(r"\d+\.\d\d", each) for each in words), path
