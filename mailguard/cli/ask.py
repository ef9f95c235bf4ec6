"""What a command asks for: secrets from a prompt or standard input, never from the command line; consent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mailguard.cli.refusal import Refusal
from mailguard.secret import Secret

_LONGEST = 4096  # octets of a line

Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def secret_line(prompt: str) -> str:
    """One line without the blanks around it: typed unseen at a terminal, or read from standard input."""
    return _line(prompt).strip()


def _line(prompt: str, *, twice: bool = False) -> str:
    try:
        typed = sys.stdin.isatty()
        line: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=twice) if typed else sys.stdin.readline()
    except UnicodeDecodeError:
        raise Refusal("standard input must be text in UTF-8") from None
    if not line.strip():
        raise Refusal(f"nothing was given; type the {prompt.lower()} or send it to standard input")
    return line.rstrip("\r\n")


def secret_file(file: str, prompt: str, *, twice: bool = False) -> Secret:
    """The first line of a file; `-`: typed unseen, a new secret `twice`, or read from standard input. Blanks belong to
    a password."""
    if file == "-":
        return Secret(_line(prompt, twice=twice).encode())
    try:
        with Path(file).open("rb") as opened:
            line = opened.readline(_LONGEST).rstrip(b"\r\n")
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror})") from None
    if not line.strip():
        raise Refusal(f"{file} is empty; write the {prompt.lower()} into its first line")
    return Secret(line)


def consent(question: str, *, given: bool) -> None:
    """Ask before something that cannot be undone; without a terminal only `--yes` is consent."""
    if given:
        return
    if not sys.stdin.isatty():
        raise Refusal("this cannot be undone; say --yes to do it without being asked")
    typer.confirm(question, abort=True)
