"""The rules that close the store's own doors."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.deploy.tools import DEPLOY, TIMEOUT, needed

RULES = DEPLOY / "nftables/store.nft"


def test_the_rules_are_understood() -> None:
    command = [needed("nft", "nftables"), "-c", "-f", str(RULES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("NOT SHOWN HERE: NFT MAY NOT ASK THIS KERNEL")
    assert done.returncode == 0, done.stderr


def test_every_port_of_the_page_is_closed() -> None:
    page = (DEPLOY.parent / "docs/operators/closing-ports.md").read_text()
    rows = re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE)
    told = {port for row in rows for port in row.split(", ")} - {"25"}
    ways = re.search(r"set ways \{.*?elements = \{ (.*?) \}", RULES.read_text(), re.DOTALL)
    assert ways is not None
    assert told <= set(ways[1].split(", "))
