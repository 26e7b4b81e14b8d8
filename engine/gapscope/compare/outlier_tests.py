"""The two tests of every query image, each with a p-value that means what it says.

Outside the support: is this image like nothing in the reference? Under-represented: does the reference have too few
images like this one?
"""

import numpy as np
from numpy.typing import NDArray


def outside_p(scores: NDArray[np.float32], reference_scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return conformal p-values of "this image is like nothing in the reference".

    p(a) = (1 + number of b with s(b) >= s(a)) / (n_B + 1), where s is the distance to the k-th neighbor in the
    reference, without the image itself (Bates et al. 2023, "Testing for outliers with conformal p-values").

    It is never too small. Were a one of the reference, the scores s'(b) within the reference and a together would be
    exchangeable with s(a), and p'(a) from them a conformal p-value, exact whatever the distribution. One more image can
    only bring the k-th neighbor of b nearer: s(b) >= s'(b), and so p(a) >= p'(a).

    Args:
        scores: (n_A,) scores of the query images.
        reference_scores: (n_B,) scores of the reference images among themselves.

    Example:
        >>> outside_p(np.array([0.5, 9], np.float32), np.array([0.1, 0.4, 0.7], np.float32)).tolist()
        [0.5, 0.25]
    """
    ascending = np.sort(reference_scores)
    at_least = len(ascending) - np.searchsorted(ascending, scores, side="left")
    return np.asarray((1.0 + at_least) / (len(ascending) + 1.0), dtype=np.float64)


def under_p(
    from_reference: NDArray[np.integer], k_local: int, query_size: int, reference_size: int
) -> NDArray[np.float64]:
    """Return p-values of "the reference has too few images like this one".

    Where the datasets do not differ, any n_B of the other n_A + n_B - 1 images are as likely to be the reference's.
    Their number among the nearest is then hypergeometric, exactly (the test of Schilling 1986, "Multivariate two-sample
    tests based on nearest neighbors", asked of one image).

    Args:
        from_reference: (n_A,) how many of an image's `k_local` nearest images are of the reference.
        k_local: the number of nearest images.
        query_size: n_A.
        reference_size: n_B.

    Example:
        >>> under_p(np.array([0, 5]), 10, 100, 100).round(4).tolist()
        [0.0007, 0.6199]
    """
    if query_size + reference_size <= 1 or k_local == 0:
        # There is nothing to be near to.
        return np.ones(len(from_reference))
    from scipy.stats import hypergeom

    # As many values as there can be counts, however many images there are.
    law = hypergeom(query_size + reference_size - 1, reference_size, k_local)
    p: NDArray[np.float64] = np.asarray(law.cdf(np.arange(k_local + 1)), dtype=np.float64)
    return np.take(p, from_reference)


def count_reference_neighbors(
    own: NDArray[np.float32], other: NDArray[np.float32], k_local: int
) -> tuple[NDArray[np.int64], int]:
    """Count the reference images among the `k_local` nearest images of both datasets.

    Args:
        own: (n_A, k) distances to the neighbors in the query dataset, ascending; infinite where there is none.
        other: (n_A, k) likewise to those in the reference.
        k_local: at most k.

    Returns:
        The counts (n_A,), and how many nearest images were counted, which is fewer where there are fewer images in all.
    """
    finite = np.count_nonzero(np.isfinite(other), axis=1) + np.count_nonzero(np.isfinite(own), axis=1)
    size = min(k_local, int(finite.min(initial=k_local)))
    # The c-th reference image is among them if at most size - c query images are nearer; so are all before it.
    counts = np.count_nonzero(_first(other, size) <= _first(own, size)[:, ::-1], axis=1)
    return np.asarray(counts), size


def _first(distances: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the first distances (n, count), infinite where there are no more."""
    missing = max(0, count - distances.shape[1])
    return np.pad(distances[:, :count], ((0, 0), (0, missing)), constant_values=np.inf)


def merged_order(own: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the order by distance of an image's neighbors in both datasets, numbered the reference's first.

    Of equal distances the reference's come first: copies of one image must not look like a lack of it.
    """
    return np.asarray(np.argsort(np.concatenate([other, own], axis=1), axis=1, kind="stable"))
