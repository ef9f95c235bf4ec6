"""Plots: what is drawn is what was counted, and nothing in it can be markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from mailguard.web import plots
from mailguard.web.plots import Plot, Series

DAYS = ("11-01", "11-02", "11-03")


def _blocks(drawn: str) -> list[tuple[str, float, float]]:
    return [
        (colour, float(wide), float(tall))
        for colour, wide, tall in re.findall(r'<rect class="(c\d)".*? width="([\d.]+)" height="([\d.]+)"', drawn)
    ]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (0, (0, 1)),
        (1, (0, 1)),
        (4, (0, 1, 2, 3, 4)),
        (5, (0, 2, 4, 6)),
        (9, (0, 5, 10)),
        (41, (0, 20, 40, 60)),
        (1000, (0, 500, 1000)),
    ],
)
def test_the_scale_has_round_numbers_and_holds_the_highest(most: int, expected: tuple[int, ...]) -> None:
    assert plots.ticks(most) == expected


@pytest.mark.parametrize("most", [*range(0, 1000, 7), 10**6, 10**9 + 1])
def test_the_scale_has_few_lines(most: int) -> None:
    found = plots.ticks(most)
    assert found[-1] >= most
    assert len(found) <= plots.TICKS + 1


def test_columns_are_as_tall_as_their_numbers() -> None:
    plot = Plot("Sign-ins", DAYS, (Series("code", (1, 0, 2)), Series("app", (1, 4, 0))))
    tall = [(colour, height) for colour, _, height in _blocks(plots.columns(plot, "By day"))]
    unit = tall[0][1]
    assert unit > 0
    assert tall == [("c1", unit), ("c2", unit), ("c1", 0), ("c2", 4 * unit), ("c1", 2 * unit), ("c2", 0)]


def test_bars_are_as_long_as_their_numbers_and_say_them() -> None:
    plot = Plot("Refusals", ("throttled", "locked"), (Series("times", (30, 10)),))
    drawn = plots.bars(plot, "By reason")
    (_, longer, _), (_, shorter, _) = _blocks(drawn)
    assert longer == pytest.approx(3 * shorter, abs=0.2)
    assert ">30</text>" in drawn
    assert ">10</text>" in drawn


@pytest.mark.parametrize("draw", [plots.columns, plots.bars])
def test_a_plot_is_named_and_described_and_styled_by_the_sheet_alone(draw: object) -> None:
    plot = Plot("<b>Title</b>", ("<script>",), (Series("<i>", (1,)),))
    drawn = draw(plot, "a & b")  # type: ignore[operator]
    picture = ElementTree.fromstring(drawn)
    assert [each.text for each in picture[:2]] == ["<b>Title</b>", "a & b"]
    assert "style" not in drawn
    assert "<script" not in drawn
    assert picture.get("role") == "img"


def test_nothing_counted_is_an_empty_plot() -> None:
    assert Plot("x", (), ()).empty
    assert Plot("x", DAYS, (Series("a", (0, 0, 0)),)).empty
    assert not Plot("x", DAYS, (Series("a", (0, 1, 0)),)).empty


def test_the_table_has_the_same_numbers() -> None:
    plot = Plot("x", DAYS, (Series("a", (1, 2, 3)), Series("b", (4, 5, 6))))
    assert list(plot.rows) == [("11-01", (1, 4)), ("11-02", (2, 5)), ("11-03", (3, 6))]
