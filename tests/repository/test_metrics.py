"""The table of series says what the code does, and the rules for alerts ask for series that there are."""

from __future__ import annotations

import re

from mailguard.observe.families import FAMILIES, Kind
from tests.repository.test_tree import TOP

PAGE = (TOP / "docs/operators/metrics.md").read_text()
RULES = (TOP / "deploy/prometheus/mailguard.rules.yml").read_text()
ROW = re.compile(r"^\| `(mailguard_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)


def test_every_series_is_in_the_table_as_it_is_declared() -> None:
    declared = [
        (
            family.name,
            "gauge" if family.kind is Kind.GIVEN else family.kind.value,
            ", ".join(f"`{label}`" for label in family.labels),
            family.tells,
        )
        for family in FAMILIES
    ]
    assert ROW.findall(PAGE) == declared


def test_the_rules_ask_for_series_and_labels_that_there_are() -> None:
    families = {family.name: family for family in FAMILIES}
    named = re.findall(r"(mailguard_\w+)(?:\{([^}]*)\})?", RULES)
    assert len(named) > 12
    for name, labels in named:
        family = families[re.sub(r"_bucket$", "", name)]
        for label, value in re.findall(r'(\w+)!?="([^"]*)"', labels):
            assert value in {series[family.labels.index(label)] for series in family.series}, (name, label)
