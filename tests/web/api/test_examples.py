"""The examples of the documentation, run by a shell."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.repository.test_tree import TOP

if TYPE_CHECKING:
    from tests.web.api.conftest import Site

PAGE = TOP / "docs" / "operators" / "api.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_each_example_does_what_it_says(site: Site) -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    commands = [line for line in block.splitlines() if line.startswith("curl")]
    assert len(commands) > 6
    own = {"KEY": site.key, "PORTAL": site.portal, "CURL_CA_BUNDLE": str(site.ca), "PATH": os.environ["PATH"]}
    for command in commands:
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", command.replace("curl", "curl --silent --show-error --fail-with-body", 1), env=own,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        assert process.returncode == 0, (command, said)
