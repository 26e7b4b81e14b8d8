"""Do an image's neighbors come from its own dataset more often than they would by chance?"""

import numpy as np
from numpy.typing import NDArray

_PERMUTATIONS = 999


def share_by_chance(query_size: int, reference_size: int) -> float:
    """Return the expected share of neighbors of an image's own dataset where the two do not differ, exactly."""
    total = query_size + reference_size
    pairs = query_size * (query_size - 1) + reference_size * (reference_size - 1)
    return pairs / max(1, total * (total - 1))


def permutation_p(
    centres: NDArray[np.int64], neighbors: NDArray[np.int64], sizes: tuple[int, int], random: np.random.Generator
) -> float:
    """Return the p-value of "neighbors share their image's dataset more often than by chance".

    Schilling (1986), "Multivariate two-sample tests based on nearest neighbors"; Henze (1988). The graph stays, the
    labels of its images are dealt out anew 999 times: valid for any sizes, copies and tails.

    Args:
        centres: (m,) numbers of images; those of the query are 0 to sizes[0] - 1, the reference's follow.
        neighbors: (m, k) numbers of each one's nearest among both, without itself.
        sizes: images of the query and of the reference.
        random: where chance comes from.
    """
    numbers, places = np.unique(np.concatenate([centres[:, None], neighbors], axis=1), return_inverse=True)
    places = places.reshape(len(centres), -1)
    observed = _alike(numbers < sizes[0], places)
    reached = 0
    for _ in range(_PERMUTATIONS):
        # Of all images' labels only those of the images in the graph matter.
        queries = random.hypergeometric(sizes[0], sizes[1], len(numbers))
        reached += _alike(random.permutation(np.arange(len(numbers)) < queries), places) >= observed
    return (1 + reached) / (1 + _PERMUTATIONS)


def _alike(of_query: NDArray[np.bool_], places: NDArray[np.int64]) -> int:
    labels = of_query[places]
    return int(np.count_nonzero(labels[:, 1:] == labels[:, :1]))
