"""Plots, drawn here: SVG that needs no script and no style of its own, and a table of the same numbers beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterator

COLOURS = 4  # that the sheet has: .c1 to .c4
WIDTH = 400
TICKS = 4  # lines of the scale, at most, and the ground

_LEFT, _RIGHT, _TOP, _HEIGHT, _FOOT = 44, 8, 10, 150, 24
_BAR, _THICK, _SUM = 46, 18, 60


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn in one colour: a value for each label."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn. At most COLOURS series."""

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value for each in self.series for value in each.values)

    @property
    def rows(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The same as a table: each label with its values."""
        for index, label in enumerate(self.labels):
            yield label, tuple(each.values[index] for each in self.series)


def columns(plot: Plot, description: str) -> Markup:
    """Upright, the series on top of each other."""
    scale = ticks(max(sum(values) for _, values in plot.rows))
    wide = (WIDTH - _LEFT - _RIGHT) / len(plot.labels)
    drawn = [_line(at / scale[-1], f"{at}") for at in scale]
    for place, (label, values) in enumerate(plot.rows):
        left, ground = _LEFT + place * wide, 0
        for colour, value in enumerate(values, 1):
            tall = value / scale[-1] * _HEIGHT
            drawn.append(_block(left + wide * 0.15, _y(ground / scale[-1]) - tall, wide * 0.7, tall, colour))
            ground += value
        drawn.append(_text(left + wide / 2, _TOP + _HEIGHT + 16, label, "middle"))
    return _svg(plot, description, _TOP + _HEIGHT + _FOOT, drawn)


def bars(plot: Plot, description: str) -> Markup:
    """Lying, one below the other under their labels, the series behind each other, each with its sum."""
    longest = max(1, *(sum(values) for _, values in plot.rows))
    wide, drawn = WIDTH - _SUM, list[Markup]()
    for place, (label, values) in enumerate(plot.rows):
        top, left = place * _BAR, 0.0
        drawn.append(_text(0, top + 15, label, "start"))
        for colour, value in enumerate(values, 1):
            long = value / longest * wide
            drawn.append(_block(left, top + 20, long, _THICK, colour))
            left += long
        drawn.append(_text(left + 5, top + 34, f"{sum(values)}", "start"))
    return _svg(plot, description, _BAR * len(plot.labels), drawn)


def ticks(most: int) -> tuple[int, ...]:
    """Round numbers from 0 to what holds `most`, that can be read at a glance."""
    step = 1
    while step * TICKS < most:
        step = step * 5 // 2 if f"{step}".startswith("2") else step * 2
    return tuple(range(0, step * (max(-(-most // step), 1) + 1), step))


def _svg(plot: Plot, description: str, height: int, drawn: list[Markup]) -> Markup:
    frame = Markup('<svg viewBox="0 0 {} {}" role="img"><title>{}</title><desc>{}</desc>{}</svg>')
    return frame.format(WIDTH, height, plot.title, description, Markup("").join(drawn))


def _y(part: float) -> float:
    return _TOP + _HEIGHT * (1 - part)


def _line(part: float, said: str) -> Markup:
    line = Markup('<line class="axis" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>')
    return line.format(_LEFT, WIDTH - _RIGHT, _y(part), _y(part)) + _text(_LEFT - 6, _y(part) + 4, said, "end")


def _block(left: float, top: float, wide: float, tall: float, colour: int) -> Markup:
    shape = Markup('<rect class="c{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
    return shape.format(colour, left, top, wide, tall)


def _text(x: float, y: float, said: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, said)
