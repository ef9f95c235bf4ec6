"""What is wrong with a configuration, said so that its owner can mend it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class ConfigError(Exception):
    """One key, what is wrong with it and what to write instead."""

    def __init__(self, key: str, why: str, file: Path | None = None) -> None:
        super().__init__(key, why, file)
        self.key = key
        self.why = why
        self.file = file

    def __str__(self) -> str:
        parts = (self.file.name if self.file else "", self.key, self.why)
        return ": ".join(part for part in parts if part)


class ConfigErrors(ConfigError):
    """Everything that is wrong with one file, a line each, so that it is mended in one go."""

    def __init__(self, file: Path, problems: Sequence[ConfigError]) -> None:
        super().__init__(problems[0].key, problems[0].why, file)
        self.problems = tuple(ConfigError(problem.key, problem.why, file) for problem in problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class Wrong(Exception):
    """A value that its key does not take. The text completes "KEY: …"; the reader adds what to write."""


class NotBuilt(Wrong):
    """A value that is meant for a feature which this version does not have."""
