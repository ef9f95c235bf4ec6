"""What the documentation names is there: files, commands, keys, reasons, messages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from mailguard import config
from mailguard.auth.attempt import Reason
from mailguard.cli.main import app
from mailguard.config.directory import IdentityLdap
from mailguard.config.example import render
from mailguard.config.key import keys_of
from mailguard.protocols import codes
from tests.repository.test_tree import TOP, tracked

PAGES = [TOP / name for name in ("README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md")]
PAGES += sorted([*(TOP / "docs").rglob("*.md"), *(TOP / "changes").glob("*.md")])
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))

LINK = re.compile(r"\[[^\]\n]*\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^ {4,}.*\n)+", re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")
COMMAND = re.compile(
    r"(?:^ *(?:\$ )?|[|;] |\bdo |-u mailguard |bin/)mailguard ((?:--config \S+ )?[a-z][^\n|;)>]*)", re.MULTILINE
)
TABLES = "server|tls|store|keys|names|identity|backend|policy|throttle|portal|audit|notify|observe"
KEY = re.compile(rf"(?:{TABLES})(?:\.(?!toml)[a-z_]+)+")

# The packages and modules at the top of mailguard/.
ROOMS = {
    file.relative_to(TOP / "mailguard").parts[0].removesuffix(".py")
    for file in tracked()
    if TOP / "mailguard" in file.parents
}

# What a fragment of a configuration needs besides itself to be whole.
REST = {
    "server": '[server]\nhostname = "mail.example.org"\n',
    "listen": '[[listen]]\nprotocol = "imap"\naddress = "0.0.0.0:993"\n',
    "backend": '[backend.imap]\nhost = "store.internal"\nport = 993\n',
}


def code(text: str) -> Iterator[str]:
    """Blocks and spans of code."""
    yield from (match[2] for match in FENCED.finditer(text))
    prose = FENCED.sub("\n", text)
    yield from (match[0] for match in INDENTED.finditer(prose))
    yield from (match[1].replace("\n", " ") for match in SPAN.finditer(INDENTED.sub("\n", prose)))


def anchors(text: str) -> set[str]:
    """The names that headings can be linked by, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    known = set(tracked())
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        assert target in known or any(target in file.parents for file in known), f"{path} is not in the tree"
        assert not anchor or anchor in anchors(target.read_text()), f"{path}#{anchor}"


@each_page
def test_commands_and_their_options_exist(page: Path) -> None:
    for block in code(page.read_text()):
        for match in COMMAND.finditer(block):
            words = shlex.split(match[1].replace("'", ""), comments=True)
            if words[0] == "--config":
                del words[:2]
            command: object = typer.main.get_command(app)
            while isinstance(command, TyperGroup) and words and words[0] in command.commands:
                command = command.commands[words.pop(0)]
            assert isinstance(command, TyperCommand), f"there is no such command: mailguard {match[1]}"
            options = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
            used = {word for word in words if word.startswith("--")}
            assert used <= options, f"mailguard {match[1]}: {used - options}"


def test_every_command_is_documented() -> None:
    text = " ".join(" ".join(code(page.read_text())) for page in PAGES)
    whole = commands(typer.main.get_command(app))
    assert [words for words in whole if not re.search(rf"(?<![\w-]){re.escape(words)}(?![\w-])", text)] == []


def commands(command: object, words: str = "") -> list[str]:
    """Each command, as it is typed behind `mailguard`."""
    if not isinstance(command, TyperGroup):
        return [words]
    return [each for name, below in command.commands.items() for each in commands(below, f"{words} {name}".strip())]


def test_every_room_has_its_row() -> None:
    rows = re.findall(r"^\|[^|]*\|([^|]*)\|", (TOP / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in SPAN.findall(row)}
    assert ROOMS - {"__init__", "__main__"} == named


def test_modules_that_are_named_exist() -> None:
    spans = SPAN.findall((TOP / "ARCHITECTURE.md").read_text())
    modules = {tuple(span.split(".")[:2]) for span in spans if re.fullmatch(r"[a-z_]+\.[a-z_]+.*", span)}
    modules = {(room, name) for room, name in modules if room in ROOMS}
    assert ("store", "entry") in modules
    assert [pair for pair in modules if not (TOP / "mailguard" / Path(*pair)).with_suffix(".py").exists()] == []


@each_page
def test_configurations_load(page: Path, tmp_path: Path) -> None:
    for language, block in FENCED.findall(page.read_text()):
        if language != "toml":
            continue
        rest = (text for table, text in REST.items() if not re.search(rf"^\[+{table}\b", block, re.MULTILINE))
        (tmp_path / "config.toml").write_text(block + "".join(rest))
        config.load(tmp_path / "config.toml")


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "ARCHITECTURE.md"], ids=lambda page: page.name)
def test_keys_are_declared(page: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(render() + '[identity.backend]\nhost = "store.internal"\nport = 993\n')
    declared = {name for name, _, _ in config.load(file).lines()}
    declared |= {f"identity.ldap.{key.name}" for _, key in keys_of(IdentityLdap)}
    named = {span for span in SPAN.findall(page.read_text()) if KEY.fullmatch(span)}
    assert named <= declared, named - declared


def test_every_reason_has_its_remedy() -> None:
    text = (TOP / "docs/operators/troubleshooting.md").read_text()
    assert [reason.value for reason in Reason if f"\n| `{reason.value}` |" not in text] == []


def test_every_message_is_explained_to_users() -> None:
    text = (TOP / "docs/users/README.md").read_text()
    replies = {codes.submission(reason, codes.Say(""))[10:-2].decode() for reason in Reason}
    assert [reply for reply in replies if f"\n| {reply} |" not in text] == []
