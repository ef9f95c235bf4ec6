"""The steps of each mail program stand in the portal and in docs/users, in the same words: the portal's."""

from __future__ import annotations

import pytest

from mailguard.web import texts
from mailguard.web.portal.guides import Program, steps
from tests.repository.test_tree import TOP

PAGES = {
    Program.THUNDERBIRD: "thunderbird",
    Program.OUTLOOK: "outlook",
    Program.IPHONE: "apple",
    Program.MAC: "apple",
    Program.ANDROID: "android",
    Program.ANDROID_OTHER: "android",
}
WARNINGS = [program for program in PAGES if f"guides.{program.key}_warning" in texts.load()["en"].phrases]


def said(program: Program) -> str:
    return " ".join((TOP / f"docs/users/{PAGES[program]}.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("program", PAGES)
def test_the_docs_say_each_step_as_the_portal_does(program: Program) -> None:
    english = texts.load()["en"]
    told = steps(program.key, english) + (steps("profile", english) if program.takes_profile else ())
    assert len(told) >= 2
    assert [step for step in told if step not in said(program)] == []


@pytest.mark.parametrize("program", WARNINGS)
def test_the_docs_warn_as_the_portal_does(program: Program) -> None:
    assert texts.load()["en"](f"guides.{program.key}_warning") in said(program)


def test_every_program_has_steps_in_every_language() -> None:
    for language in texts.load().values():
        assert [program for program in Program if len(steps(program.key, language)) < 2] == []
