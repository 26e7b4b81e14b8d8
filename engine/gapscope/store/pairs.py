"""Which ordered pairs of datasets are compared."""

from collections.abc import Sequence
from itertools import permutations


def ordered_pairs(datasets: Sequence[str], reference: str | None = None) -> tuple[tuple[str, str], ...]:
    """Return every ordered pair of query and reference; with a `reference`, those that it is in, both ways round."""
    return tuple(pair for pair in permutations(datasets, 2) if reference is None or reference in pair)
