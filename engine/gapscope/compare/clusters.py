"""A level's clusters: what each is made of, and those that belong to one dataset only."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ONE_SIDED = 0.95
_TYPICAL = 6


def cluster_metrics(clusters: Mapping[str, NDArray[np.int32]]) -> dict[str, Any]:
    """Return how many clusters a level has, what they are made of, and those that belong to one dataset.

    A cluster is one-sided where at least 95% of it is of one dataset, each image weighed by the size of its dataset,
    so that a large dataset does not own every cluster.

    Args:
        clusters: per dataset the cluster of each image that was read, -1 for none.

    Returns:
        `count`; `composition`: images per cluster and dataset, in the order of `datasets`; `one_sided`: the largest
        first.
    """
    names = list(clusters)
    count = 1 + max((int(numbers.max(initial=-1)) for numbers in clusters.values()), default=-1)
    counts = np.stack([np.bincount(numbers[numbers >= 0], minlength=count) for numbers in clusters.values()], axis=1)
    weights = counts / np.maximum(1, [len(numbers) for numbers in clusters.values()])
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    one_sided: list[dict[str, Any]] = [
        {
            "cluster": int(cluster),
            "images": int(counts[cluster].sum()),
            "dataset": names[int(shares[cluster].argmax())],
            "share": float(shares[cluster].max()),
        }
        for cluster in np.flatnonzero(shares.max(axis=1, initial=0) >= ONE_SIDED)
    ]
    one_sided.sort(key=lambda found: (-found["images"], found["cluster"]))
    return {"count": count, "datasets": names, "composition": counts.tolist(), "one_sided": one_sided}


def typical_images(members: NDArray[np.int64], crowding: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return up to six of a cluster's images from where it is densest.

    Args:
        members: positions of a dataset's images in the cluster.
        crowding: (n,) per image of the dataset, how far its neighbors in its own dataset are; the least is the
            densest.
    """
    order: Sequence[int] = np.argsort(crowding[members], kind="stable")[:_TYPICAL].tolist()
    return members[order]
