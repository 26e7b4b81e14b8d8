"""Values that name datasets: an ordered pair of them, and where each lies when all are laid end to end."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, permutations, product
from typing import Literal, NamedTuple

Graph = Literal["images", "groups", "style-aside"]
"""Which neighbors: the nearest images; the representatives of the nearest groups; or these where each dataset is
standardized by its own scaler."""


class Pair(NamedTuple):
    """An ordered pair of datasets: which query images are not like the reference?

    Example:
        >>> pair = Pair("real", "synthetic")
        >>> pair.name, pair.reversed.name
        ('real-vs-synthetic', 'synthetic-vs-real')
    """

    query: str
    reference: str

    @property
    def name(self) -> str:
        """The pair's name in files, arrays and metrics.json."""
        return f"{self.query}-vs-{self.reference}"

    @property
    def reversed(self) -> "Pair":
        """The same datasets the other way round."""
        return Pair(self.reference, self.query)


def ordered_pairs(datasets: Sequence[str], reference: str | None = None) -> tuple[Pair, ...]:
    """Return the ordered pairs of different datasets that a run compares.

    Args:
        datasets: the datasets' names.
        reference: if given, only the pairs that this dataset is in, in both directions.

    Example:
        >>> [pair.name for pair in ordered_pairs(["a", "b", "c"], reference="a")]
        ['a-vs-b', 'a-vs-c', 'b-vs-a', 'c-vs-a']
    """
    pairs = (Pair(*names) for names in permutations(datasets, 2))
    return tuple(pair for pair in pairs if reference is None or reference in pair)


def all_pairs(datasets: Sequence[str]) -> tuple[Pair, ...]:
    """Return every ordered pair of datasets, each with itself included: the pairs of the neighbor graph."""
    return tuple(Pair(*names) for names in product(datasets, repeat=2))


def concatenated_slices(sizes: Mapping[str, int]) -> dict[str, slice]:
    """Return where each dataset lies in an array that holds all of them, one after the other.

    Args:
        sizes: the number of rows per dataset, in the run's order.

    Example:
        >>> concatenated_slices({"real": 3, "synthetic": 2})
        {'real': slice(0, 3, None), 'synthetic': slice(3, 5, None)}
    """
    ends = list(accumulate(sizes.values()))
    return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}
