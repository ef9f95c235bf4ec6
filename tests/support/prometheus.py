"""A strict reader of Prometheus' text format 0.0.4: what it takes, every scraper takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\\n]|\\\\|\\n)+)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram)")
PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{PAIR.pattern},?)+)\}})? (\S+)")

Series = tuple[str, ...]


@dataclass
class Metric:
    """One family: its type, and its samples by name and label values."""

    kind: str
    labels: tuple[str, ...] = ()
    samples: dict[tuple[str, Series], float] = field(default_factory=dict)


def parse(text: str) -> dict[str, Metric]:
    """Every family. AssertionError for what is not in the format, twice there, or makes no sense."""
    assert text.endswith("\n")
    metrics: dict[str, Metric] = {}
    helped = name = ""
    for line in text[:-1].split("\n"):
        if match := HELP.fullmatch(line):
            helped = match[1]
        elif match := TYPE.fullmatch(line):
            name = match[1]
            assert name == helped, line
            assert name not in metrics, line
            metrics[name] = Metric(match[2])
        else:
            _sample(line, name, metrics[name])
    for name, metric in metrics.items():
        assert metric.kind != "counter" or name.endswith("_total"), name
        if metric.kind == "histogram":
            _sound(name, metric)
    return metrics


def _sample(line: str, name: str, metric: Metric) -> None:
    match = SAMPLE.fullmatch(line)
    assert match is not None, line
    suffix = match[1].removeprefix(name)
    assert suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)), line
    pairs = PAIR.findall(match[2] or "")
    labels = tuple(label for label, _ in pairs if label != "le")
    assert len(set(labels)) == len(labels), line
    assert not metric.samples or labels == metric.labels, line
    metric.labels = labels
    series = (match[1], tuple(value for _, value in pairs))
    assert series not in metric.samples, line
    metric.samples[series] = float(match[5])
    assert metric.kind == "gauge" or metric.samples[series] >= 0, line


def _sound(name: str, metric: Metric) -> None:
    """Buckets only grow, and the last one holds all."""
    for sample, labels in list(metric.samples):
        if sample != f"{name}_count":
            continue
        buckets = [
            (float(values[-1]), count)
            for (which, values), count in metric.samples.items()
            if which == f"{name}_bucket" and values[:-1] == labels
        ]
        assert buckets == sorted(buckets)
        assert buckets[-1] == (float("inf"), metric.samples[sample, labels])
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)
