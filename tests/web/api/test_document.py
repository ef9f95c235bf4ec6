"""The description of the API: in the repository, what the code says; served to whoever holds a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mailguard.admin.gate import Act, takes
from mailguard.web.api import document
from tests.repository.test_tree import TOP

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.web.api.conftest import Program

FILE = TOP / "docs" / "operators" / "openapi.json"


def test_the_file_is_what_the_code_says() -> None:
    assert document.main(["--check", str(FILE)]) == 0


def test_a_file_that_is_not_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (other := tmp_path / "openapi.json").write_text(document.render().replace("bearer", "basic"))
    assert document.main(["--check", str(other)]) == 1
    assert "do: python -m mailguard.web.api.document >" in capsys.readouterr().err
    assert document.main(["--what"]) == 2
    assert document.main([]) == 0
    assert json.loads(capsys.readouterr().out)["openapi"].startswith("3.1")


async def test_whoever_holds_a_key_reads_it(owner: Program) -> None:
    assert await owner.read("/openapi.json") == json.loads(FILE.read_text())


async def test_no_page_loads_anything_from_elsewhere(owner: Program) -> None:
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert (await owner("GET", path)).status == 404


def test_each_operation_says_what_it_does_and_what_its_key_needs() -> None:
    paths = json.loads(document.render())["paths"]
    operations = [each for path in paths.values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    scopes = {scope for act in Act for scope in (takes(act)[1],) if scope is not None}
    for each in operations:
        assert each["description"]
        assert set(each["x-scopes"]) <= scopes
        assert each["x-scopes"]
        assert each["x-roles"]
        assert {"401", "403", "404", "422", "500", "503"} <= set(each["responses"])
