"""The neighbor two-sample test: do an image's neighbors come from its own dataset more often than by chance?"""

import numpy as np
from numpy.typing import NDArray

_PERMUTATIONS = 999


def expected_own_share(query_size: int, reference_size: int) -> float:
    """Return the expected share of neighbors of an image's own dataset where the two do not differ, exactly.

    Example:
        >>> round(expected_own_share(100, 300), 4)
        0.6241
    """
    total = query_size + reference_size
    pairs = query_size * (query_size - 1) + reference_size * (reference_size - 1)
    return pairs / max(1, total * (total - 1))


def permutation_p(
    centers: NDArray[np.int64], neighbors: NDArray[np.int64], sizes: tuple[int, int], random: np.random.Generator
) -> float:
    """Return the p-value of "neighbors share their image's dataset more often than by chance".

    Schilling (1986), "Multivariate two-sample tests based on nearest neighbors"; Henze (1988). The graph stays, and the
    labels of its images are permuted 999 times: valid for any sizes, copies and tails. Images of the larger dataset
    have more neighbors of their own, so that the count depends on how many centers are of which dataset. Where centers
    are a sample, their labels are therefore permuted among themselves, which is valid given who was drawn, and those of
    the other images among these.

    Args:
        centers: (m,) numbers of images, all or a random sample: those of the query are 0 to sizes[0] - 1, the
            reference's follow.
        neighbors: (m, k) numbers of each one's nearest among both, without itself.
        sizes: images of the query and of the reference.
        random: generator of the permutations.
    """
    numbers, graph = np.unique(np.concatenate([centers[:, None], neighbors], axis=1), return_inverse=True)
    graph = graph.reshape(len(centers), -1)
    is_query = numbers < sizes[0]
    observed = _count_alike(is_query, graph)
    center, other = graph[:, 0], np.setdiff1d(graph, graph[:, 0])
    central = is_query[center]
    queries = sizes[0] - int(np.count_nonzero(central))
    references = sum(sizes) - len(center) - queries
    labels = np.empty_like(is_query)
    reached = 0
    for _ in range(_PERMUTATIONS):
        labels[center] = random.permutation(central)
        # Of the other images' labels only those of the images in the graph matter.
        labels[other] = random.permutation(
            np.arange(len(other)) < random.hypergeometric(queries, references, len(other))
        )
        reached += _count_alike(labels, graph) >= observed
    return (1 + reached) / (1 + _PERMUTATIONS)


def _count_alike(is_query: NDArray[np.bool_], graph: NDArray[np.int64]) -> int:
    labels = is_query[graph]
    return int(np.count_nonzero(labels[:, 1:] == labels[:, :1]))
