"""`--help`: every page reads well on a terminal of 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.testing import CliRunner

from mailguard.cli.main import app


def pages(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TyperGroup | TyperCommand]]:
    assert isinstance(command, TyperGroup | TyperCommand)
    yield path, command
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from pages(below, (*path, name))


EVERY = [pytest.param(path, page, id=" ".join(path)) for path, page in pages(typer.main.get_command(app))]


@pytest.mark.parametrize(("path", "page"), EVERY)
def test_no_line_of_it_is_cut_short(path: tuple[str, ...], page: TyperGroup | TyperCommand) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80", "TERM": "dumb"}).output
    assert shown.startswith("Usage: ")
    assert "..." not in shown.removeprefix("Usage: ").partition("\n")[2]


@pytest.mark.parametrize(("path", "page"), EVERY)
def test_every_option_says_what_it_does_and_what_it_takes(
    path: tuple[str, ...], page: TyperGroup | TyperCommand
) -> None:
    assert [param.opts for param in page.params if isinstance(param, TyperOption) and not param.help] == []
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80", "TERM": "dumb"}).output
    assert not re.search(r"^ +--.*<(str|path|int|float)\b", shown, re.MULTILINE), "an option without a metavar"


@pytest.mark.parametrize(("path", "page"), EVERY)
def test_every_page_says_in_a_sentence_what_it_is_for(path: tuple[str, ...], page: TyperGroup | TyperCommand) -> None:
    first = (page.help or "").partition("\n")[0]
    assert first.endswith(".")
    assert first[0].isupper()
