"""The ratios as a picture: SVG, readable in light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from bench.figures import Medians, bar, ratio
from bench.report import PEERS
from bench.targets import Column, Who

LEFT, WIDTH, RIGHT = 330, 420, 60
HEAD, ROW, THICK = 64, 44, 14
COLOURS = {Who.NGINX_TLS: "#2f7d4f", Who.DOVECOT: "#3667b0"}


def drawn(found: Medians, described: Mapping[str, str]) -> str:
    """A bar for every ratio of mailguard's median to a peer's; a tick where it should end at most; 1 is a line."""
    columns = [column for column in Column if not column.added and any(ratio(found, column, peer) for peer in PEERS)]
    held = [each for column in columns for peer in PEERS if (each := ratio(found, column, peer)) is not None]
    most = max([1.0, *held]) * 1.1
    height = HEAD + ROW * len(columns) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" '
        'font-family="sans-serif" font-size="13" role="img">',
        "<title>What mailguard costs, by what a peer costs</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        _text(12, 22, "What mailguard costs, by what a peer costs (less is better)", weight="bold"),
        _text(12, 42, f"{described.get('date', '')}; {described.get('machine', '')}"),
    ]
    for place, column in enumerate(columns):
        parts += _row(found, column, HEAD + place * ROW, most)
    one = LEFT + WIDTH / most
    parts.append(f'<line x1="{one:.1f}" x2="{one:.1f}" y1="{HEAD - 4}" y2="{height - 28}" stroke="#555555"/>')
    at = LEFT
    for peer in PEERS:
        parts.append(f'<rect x="{at}" y="{height - 20}" width="12" height="12" fill="{COLOURS[peer]}"/>')
        parts.append(_text(at + 18, height - 9, f"by {peer.value}"))
        at += 140
    parts.append(f'<rect x="{at}" y="{height - 20}" width="3" height="12" fill="#c0392b"/>')
    parts.append(_text(at + 9, height - 9, "at most"))
    return "\n".join([*parts, "</svg>", ""])


def _row(found: Medians, column: Column, top: int, most: float) -> list[str]:
    parts = [_text(12, top + THICK + 5, column.label)]
    for place, peer in enumerate(PEERS):
        held = ratio(found, column, peer)
        if held is None:
            continue
        y, length = top + place * (THICK + 3), held / most * WIDTH
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{THICK}" fill="{COLOURS[peer]}"/>')
        parts.append(_text(LEFT + length + 6, y + THICK - 2, f"{held:.2f}"))
        if (asked := bar(column, peer)) is not None:
            tick = LEFT + asked.most / most * WIDTH
            parts.append(f'<rect x="{tick - 1:.1f}" y="{y - 1}" width="3" height="{THICK + 2}" fill="#c0392b"/>')
    return parts


def _text(x: float, y: float, words: str, weight: str = "normal") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="#222222" font-weight="{weight}">{escape(words)}</text>'
