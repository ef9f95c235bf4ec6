"""The arithmetic: medians over rounds, ratios of medians, and what is asked of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.targets import Column, Figures, Who


@dataclass(frozen=True, slots=True)
class Bar:
    """The most that a ratio of medians, mailguard's by the peer's, should be."""

    column: Column
    peer: Who
    most: float
    aim: float | None = None

    def words(self, ratio: float) -> str:
        """Met or missed, and by what."""
        asked = f"≤ {self.most:g}" + (f", aim {self.aim:g}" if self.aim is not None else "")
        return f"{asked}: {'met' if ratio <= self.most else 'missed'}"


BARS = (
    Bar(Column.FETCH, Who.NGINX_TLS, 0.85),
    Bar(Column.FETCH, Who.DOVECOT, 0.25),
    Bar(Column.APPEND, Who.NGINX_TLS, 0.85),
    Bar(Column.APPEND, Who.DOVECOT, 0.25),
    Bar(Column.TRIP, Who.NGINX_TLS, 1.0),
    Bar(Column.TRIP, Who.DOVECOT, 0.6),
    Bar(Column.IDLE, Who.NGINX_TLS, 1.25),
    Bar(Column.IDLE, Who.DOVECOT, 0.6),
    Bar(Column.IMAP_LOGIN, Who.NGINX_TLS, 1.9, aim=1.5),
    Bar(Column.IMAP_LOGIN, Who.DOVECOT, 1.05, aim=0.85),
    Bar(Column.SUBMISSION_LOGIN, Who.NGINX_TLS, 2.8, aim=2.3),
    Bar(Column.SMALL, Who.NGINX_TLS, 0.85),
    Bar(Column.LARGE, Who.NGINX_TLS, 0.85),
)

Medians = Mapping[Who, Figures]


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least this part of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def medians(rounds: Mapping[Who, Sequence[Figures]]) -> dict[Who, Figures]:
    """Of every target's rounds, column by column."""
    return {
        who: {
            column: statistics.median(each[column] for each in figures if column in each)
            for column in Column
            if any(column in each for each in figures)
        }
        for who, figures in rounds.items()
    }


def ratio(found: Medians, column: Column, peer: Who) -> float | None:
    """mailguard's median by the peer's; None where one of them has none. A login under a grant is held against the
    peer's only kind of login."""
    ours = found[Who.GUARD].get(column)
    theirs = found.get(peer, {}).get(Column.IMAP_LOGIN if column is Column.GRANT_LOGIN else column)
    return ours / theirs if ours is not None and theirs else None


def bar(column: Column, peer: Who) -> Bar | None:
    """What is asked of that ratio."""
    return next((each for each in BARS if (each.column, each.peer) == (column, peer)), None)


def added(found: Medians, column: Column, who: Who) -> float | None:
    """The figure as it is told: waits less the store's own."""
    value, direct = found[who].get(column), found.get(Who.STORE, {}).get(column)
    if value is None or not column.added:
        return value
    return None if direct is None else value - direct
