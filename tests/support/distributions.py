"""Do two samples come from one distribution? The two-sample Kolmogorov–Smirnov test."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest vertical distance between the two empirical distribution functions."""
    first, second = sorted(one), sorted(other)
    return max(
        abs(bisect_right(first, value) / len(first) - bisect_right(second, value) / len(second))
        for value in (*first, *second)
    )


def differ(one: Sequence[float], other: Sequence[float], alpha: float) -> bool:
    """Whether the test rejects that they are of one distribution, at most a share `alpha` of the time wrongly.

    The critical distance is the asymptotic one, a little too strict for a test of fifty.
    """
    sizes = (len(one) + len(other)) / (len(one) * len(other))
    return distance(one, other) > math.sqrt(-math.log(alpha / 2) / 2 * sizes)
