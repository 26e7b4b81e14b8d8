"""How likely a difference between two runs is by chance, corrected for how many are looked at."""

import math
from collections.abc import Mapping
from typing import Any

from gapscope.compare.interval import Interval

SURE = 0.05
"""How likely any verdict of a diff is at most where nothing changed."""

_NORMAL_95 = 1.96


def change_p(before: Interval, after: Interval) -> float:
    """Return the two-sided p-value of a difference that is normal, with the standard errors of `judge`.

    Example:
        >>> round(change_p((0.5, 0.4, 0.6), (0.3, 0.2, 0.4)), 4)
        0.0056
    """
    if after[0] == before[0]:
        return 1.0
    smaller = after[0] < before[0]
    widths = (before[0] - before[1], after[2] - after[0]) if smaller else (before[2] - before[0], after[0] - after[1])
    error = math.hypot(*widths) / _NORMAL_95
    return math.erfc(abs(after[0] - before[0]) / error / math.sqrt(2)) if error else 0.0


def holm(p: Mapping[Any, float]) -> dict[Any, float]:
    """Return p-values by the same keys, corrected for their number (Holm 1979).

    Example:
        >>> holm({"a": 0.01, "b": 0.5, "c": 0.02})
        {'a': 0.03, 'c': 0.04, 'b': 0.5}
    """
    corrected: dict[Any, float] = {}
    largest = 0.0
    for number, key in enumerate(sorted(p, key=lambda key: p[key])):
        largest = max(largest, min(1.0, (len(p) - number) * p[key]))
        corrected[key] = largest
    return corrected
