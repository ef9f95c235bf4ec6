"""Networks that stand in for the second factor of who has none, each with the last day on which it does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mailguard.config.errors import Wrong
from mailguard.config.kinds import DATE, Kind, Network, Raw, network, shown

EXAMPLE = '{ network = "192.0.2.0/24", until = 2027-03-31 }'
_WIDEST = {4: 8, 6: 16}
"""Prefix lengths. A wider network is the Internet, and the rule for everybody is `two_factor`."""


@dataclass(frozen=True, slots=True)
class TrustedNetwork:
    """Bare passwords pass from this network, to the end of the day `until` (UTC)."""

    network: Network
    until: date


def _trusted(raw: object, folder: Path) -> tuple[TrustedNetwork, ...]:
    if not isinstance(raw, list):
        raise Wrong(f"must be a list of tables such as {EXAMPLE}, not {shown(raw)}")
    return tuple(_one(item, folder) for item in raw)


def _one(raw: object, folder: Path) -> TrustedNetwork:
    if not isinstance(raw, dict):
        raise Wrong(f"must hold tables such as {EXAMPLE}, not {shown(raw)}")
    if raw.keys() != {"network", "until"}:
        raise Wrong(f"must hold tables of a network and its last day, such as {EXAMPLE}, not {{ {', '.join(raw)} }}")
    where, until = network(raw["network"]), DATE.read(raw["until"], folder)
    if until is None:
        raise Wrong(f"has no last day for {where}: trust ends, such as {EXAMPLE}")
    if where.prefixlen < _WIDEST[where.version]:
        raise Wrong(f"must hold networks of a house, not {where}, which is too wide to know who is in it")
    return TrustedNetwork(where, until)


def _written(value: tuple[TrustedNetwork, ...]) -> Raw:
    return [{"network": str(each.network), "until": each.until} for each in value]


TRUSTED = Kind(_trusted, _written)
