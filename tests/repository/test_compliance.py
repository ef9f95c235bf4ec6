"""What docs/compliance.md points an auditor to is there. (Its settings: test_docs.)"""

from __future__ import annotations

import ast
import re

import pytest

from mailguard.auth.attempt import Reason
from mailguard.auth.events import Event
from tests.repository.test_tree import TOP, tracked

PAGE = (TOP / "docs/compliance.md").read_text()
SPANS = re.findall(r"`([^`]+)`", PAGE)
FILES = sorted({span for span in SPANS if re.match(r"(mailguard|tests|docs)/", span)})
WORDS = {event.value for event in Event} | {reason.value for reason in Reason} | {"app-password"}


@pytest.mark.parametrize("named", FILES)
def test_a_named_file_and_the_test_in_it_exist(named: str) -> None:
    path, _, test = named.partition("::")
    assert TOP / path in tracked()
    if path.startswith("tests/"):
        tree = ast.parse((TOP / path).read_text())
        defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
        assert test in defined if test else any(name.startswith("test_") for name in defined)


def test_a_named_event_or_reason_exists() -> None:
    named = {span for span in SPANS if re.fullmatch(r"[a-z]+(-[a-z]+)+", span)}
    assert named - WORDS == set()


def test_a_line_has_a_test_or_says_why_not() -> None:
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or cells[0] == "asked":
            continue
        assert len(cells) == 5, line
        assert (
            "tests/" in cells[3]
            or cells[3].startswith(("none", "as above"))
            or re.search(r"\*\*not (met|claimed)\*\*", line, re.IGNORECASE)
        ), line
