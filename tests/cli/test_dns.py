"""The zone lines, read as a name server reads them."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.cli.conftest import Installation
from tests.repository.test_tree import TOP

LINE = re.compile(r"(?P<name>\S+\.) IN (?P<type>SRV|CNAME) (?P<value>.+)")


def test_each_line_is_absolute_and_said_what_for(own: Installation) -> None:
    out = own.done("dns").out.splitlines()
    lines = {}
    for before, line in zip(["", *out], out, strict=False):
        if not line.startswith(";"):
            match = LINE.fullmatch(line)
            assert match, line
            assert before.startswith("; ") or LINE.fullmatch(before)
            assert match["value"].endswith(".")
            lines[match["name"]] = f"{match['type']} {match['value']}"
    assert lines == {
        "_imaps._tcp.example.org.": "SRV 0 1 993 mail.example.org.",
        "_imap._tcp.example.org.": "SRV 10 1 143 mail.example.org.",
        "_submissions._tcp.example.org.": "SRV 0 1 465 mail.example.org.",
        "_submission._tcp.example.org.": "SRV 10 1 587 mail.example.org.",
        "_pop3s._tcp.example.org.": "SRV 0 0 0 .",
        "_pop3._tcp.example.org.": "SRV 0 0 0 .",
        "autoconfig.example.org.": "CNAME mail.example.org.",
        "autodiscover.example.org.": "CNAME mail.example.org.",
        "_autodiscover._tcp.example.org.": "SRV 0 1 443 mail.example.org.",
    }


def test_the_page_for_operators_shows_what_is_printed(own: Installation) -> None:
    printed = own.done("dns").out.partition("\n")[2]
    assert f"```\n{printed}```\n" in (TOP / "docs/operators/dns.md").read_text()


def test_programs_read_the_same(own: Installation) -> None:
    rows = own.done("dns", "--json").json
    assert rows[0] == {
        "domain": "example.org",
        "name": "_imaps._tcp.example.org.",
        "type": "SRV",
        "value": "0 1 993 mail.example.org.",
        "note": "IMAP, TLS from the first byte",
    }
    assert len(rows) == 9


def test_each_domain_has_its_zone(own: Installation) -> None:
    text = own.file.read_text()
    own.file.write_text(re.sub(r"^domains = \[\]", 'domains = ["a.example", "b.example"]', text, flags=re.M))
    rows = own.done("dns", "--json").json
    assert {row["domain"] for row in rows} == {"a.example", "b.example"}
    assert all(row["name"].endswith(f".{row['domain']}.") for row in rows)
    assert "; the zone of b.example" in own.done("dns").out


def test_what_is_not_offered_is_said(own: Installation) -> None:
    text = own.file.read_text()
    at = re.search(r"^\[\[listen\]\]", text, re.M)
    assert at
    rest = text[at.start() :]
    rest = rest[re.search(r"^\[(?!\[listen)", rest, re.M).start() :]  # type: ignore[union-attr]
    own.file.write_text(
        f'{text[: at.start()]}[[listen]]\nprotocol = "imap"\naddress = "0.0.0.0:993"\ntls = "implicit"\n{rest}'
    )
    rows = {row["name"]: row for row in own.done("dns", "--json").json}
    assert rows["_submissions._tcp.example.org."]["value"] == "0 0 0 ."
    assert rows["_submissions._tcp.example.org."]["note"].endswith(": not offered")


def test_without_a_domain_it_says_which_key_to_write(own: Installation) -> None:
    text = own.file.read_text()
    own.file.write_text(text.replace('domain = "example.org"', 'domain = ""'))
    done = own("dns")
    assert done.code == 1
    assert "portal.domains" in done.err


def test_the_command_line_loads_nothing_of_the_web() -> None:
    program = "import sys; from mailguard.cli import main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout.split()
    assert "mailguard.web.discovery.zone" in loaded
    assert not {"fastapi", "starlette", "uvicorn", "jinja2", "webauthn"} & set(loaded)
