"""What the bench makes of its rounds: medians, ratios, table, file, picture."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from bench.figures import BARS, Bar, added, bar, medians, quantile, ratio
from bench.plot import drawn
from bench.report import as_json, number, table
from bench.targets import Column, Figures, Who

ROUNDS: dict[Who, list[Figures]] = {
    Who.GUARD: [
        {Column.IDLE: 60.0},
        {Column.IMAP_LOGIN: 900.0, Column.GRANT_LOGIN: 800.0, Column.LOGIN_P50: 9.0},
        {Column.IMAP_LOGIN: 9000.0, Column.GRANT_LOGIN: 1000.0, Column.LOGIN_P50: 8.0},
        {Column.IMAP_LOGIN: 1100.0, Column.GRANT_LOGIN: 1200.0, Column.LOGIN_P50: 7.0},
    ],
    Who.NGINX_TLS: [{Column.IDLE: 40.0}, {Column.IMAP_LOGIN: 500.0, Column.LOGIN_P50: 6.0}],
    Who.DOVECOT: [{Column.IDLE: 120.0}, {Column.IMAP_LOGIN: 2000.0}],
    Who.STORE: [{Column.LOGIN_P50: 5.0}],
}
ABOUT = {"date": "2026-01-02 03:04 UTC", "machine": "2 cores & <one> more"}


def test_a_median_is_of_the_rounds_that_have_the_column() -> None:
    found = medians(ROUNDS)
    assert found[Who.GUARD] == {
        Column.IDLE: 60.0, Column.IMAP_LOGIN: 1100.0, Column.GRANT_LOGIN: 1000.0, Column.LOGIN_P50: 8.0,
    }  # fmt: skip
    assert found[Who.STORE] == {Column.LOGIN_P50: 5.0}


@pytest.mark.parametrize(
    ("column", "peer", "held"),
    [
        pytest.param(Column.IMAP_LOGIN, Who.NGINX_TLS, 2.2, id="of medians, not of means"),
        pytest.param(Column.GRANT_LOGIN, Who.NGINX_TLS, 2.0, id="a grant by the peer's one kind of login"),
        pytest.param(Column.IDLE, Who.DOVECOT, 0.5, id="memory"),
        pytest.param(Column.FETCH, Who.DOVECOT, None, id="not measured"),
        pytest.param(Column.IDLE, Who.NGINX_PLAIN, None, id="not there"),
    ],
)
def test_ratios(column: Column, peer: Who, held: float | None) -> None:
    assert ratio(medians(ROUNDS), column, peer) == held


def test_a_wait_is_told_on_top_of_the_store() -> None:
    found = medians(ROUNDS)
    assert added(found, Column.LOGIN_P50, Who.GUARD) == 3.0
    assert added(found, Column.LOGIN_P50, Who.DOVECOT) is None
    assert added(found, Column.IDLE, Who.GUARD) == 60.0


@pytest.mark.parametrize(("part", "value"), [(0.5, 50.0), (0.99, 99.0), (0.0, 1.0), (1.0, 100.0)])
def test_quantiles_are_values_that_were_seen(part: float, value: float) -> None:
    assert quantile([float(each) for each in range(100, 0, -1)], part) == value


def test_a_bar_is_met_up_to_itself() -> None:
    asked = Bar(Column.TRIP, Who.DOVECOT, 0.6, aim=0.5)
    assert asked.words(0.6) == "≤ 0.6, aim 0.5: met"
    assert asked.words(0.61) == "≤ 0.6, aim 0.5: missed"


def test_every_bar_is_of_a_ratio_that_is_shown() -> None:
    assert all(each.most >= (each.aim or 0.0) and not each.column.added for each in BARS)
    assert bar(Column.IDLE, Who.DOVECOT) == Bar(Column.IDLE, Who.DOVECOT, 0.6)
    assert bar(Column.IDLE, Who.NGINX_PLAIN) is None


@pytest.mark.parametrize(
    ("value", "said"), [(None, ""), (0.1234, "0.12"), (12.34, "12.3"), (1234.5, "1234"), (-150.2, "-150")]
)
def test_numbers_have_three_digits(value: float | None, said: str) -> None:
    assert number(value) == said


def test_the_table_is_whole_and_says_what_was_met() -> None:
    lines = table(medians(ROUNDS)).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(row) for row in cells}) == 1
    assert cells[0][2:] == ["mailguard", "nginx, TLS leg", "Dovecot proxy", "mailguard / nginx, TLS leg",
                            "mailguard / Dovecot proxy"]  # fmt: skip
    rows = {row[0]: row[1:] for row in cells[2:]}
    assert rows["IMAP login by app password"] == [
        "CPU µs", "1100", "500", "2000", "**2.20** (≤ 1.9, aim 1.5: missed)", "**0.55** (≤ 1.05, aim 0.85: met)",
    ]  # fmt: skip
    assert rows["IMAP login, wait, p50, on top of the store's own"] == ["ms", "3.00", "1.00", "", "", ""]
    assert "round trip" not in rows


def test_the_file_holds_every_round() -> None:
    kept = json.loads(json.dumps(as_json(ABOUT, ROUNDS, medians(ROUNDS))))
    assert kept["about"] == ABOUT
    assert [each.get("imap_login") for each in kept["rounds"]["mailguard"]] == [None, 900.0, 9000.0, 1100.0]
    assert kept["ratios"]["imap_login / nginx, TLS leg"] == 2.2
    assert kept["medians"]["store direct"] == {"login_p50": 5.0}
    assert kept["units"]["idle"] == "KiB"


def test_the_picture_parses_and_bars_are_as_long_as_their_ratios() -> None:
    picture = drawn(medians(ROUNDS), ABOUT)
    root = ElementTree.fromstring(picture)
    space = {"svg": "http://www.w3.org/2000/svg"}
    words = [text.text for text in root.findall("svg:text", space)]
    assert "2026-01-02 03:04 UTC; 2 cores & <one> more" in words
    shown = [word for word in words if word and re.fullmatch(r"\d\.\d\d", word)]
    assert shown == ["2.20", "0.55", "2.00", "0.50", "1.50", "0.50"]
    lengths = [float(each.attrib["width"]) for each in root.findall("svg:rect[@height='14']", space)]
    assert lengths == pytest.approx([each * lengths[1] / 0.55 for each in map(float, shown)], abs=0.2)
