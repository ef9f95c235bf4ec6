"""The table, and the file that it can be made from again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.figures import Medians, added, bar, ratio
from bench.targets import Column, Figures, Who

PEERS = (Who.NGINX_TLS, Who.DOVECOT)  # with TLS on both legs, as the guard has


def table(found: Medians) -> str:
    """A row for every column of the figures, in Markdown."""
    shown = [who for who in Who if who in found and who is not Who.STORE]
    head = ["", "unit", *(who.value for who in shown), *(f"mailguard / {peer.value}" for peer in PEERS)]
    lines = [_row(head), _row(["---", "---", *["---:"] * len(shown), *["---"] * len(PEERS)])]
    for column in Column:
        values = [added(found, column, who) for who in shown]
        if any(value is not None for value in values):
            label = f"{column.label}, on top of the store's own" if column.added else column.label
            ratios = ["" if column.added else _held(found, column, peer) for peer in PEERS]
            lines.append(_row([label, column.unit, *(number(value) for value in values), *ratios]))
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Three digits that count, or nothing."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def as_json(described: Mapping[str, str], rounds: Mapping[Who, Sequence[Figures]], found: Medians) -> dict[str, Any]:
    """Every round and every median, by the names of targets and the keys of columns."""
    return {
        "about": dict(described),
        "units": {column.key: column.unit for column in Column},
        "medians": {who.value: {column.key: value for column, value in each.items()} for who, each in found.items()},
        "ratios": {
            f"{column.key} / {peer.value}": held
            for column in Column
            for peer in PEERS
            if not column.added and (held := ratio(found, column, peer)) is not None
        },
        "rounds": {
            who.value: [{column.key: value for column, value in each.items()} for each in figures]
            for who, figures in rounds.items()
        },
    }


def _held(found: Medians, column: Column, peer: Who) -> str:
    held = ratio(found, column, peer)
    if held is None:
        return ""
    asked = bar(column, peer)
    return f"**{held:.2f}**" + (f" ({asked.words(held)})" if asked is not None else "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
