"""What `make fuzz` looks for at length, in brief: any bytes, and those it has found to be worth keeping."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
SMALL = 64 * 1024  # octets of a target's corpus


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_passes_and_is_small(name: str) -> None:
    inputs = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert inputs
    assert sum(map(len, inputs)) <= SMALL
    for data in inputs:
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
@settings(deadline=None, max_examples=50)
@given(data=st.binary(max_size=300))
def test_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name](data)


def test_no_corpus_is_without_its_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == TARGETS.keys()
