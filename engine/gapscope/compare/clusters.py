"""A level's clusters: what each consists of, and those that belong to one dataset only."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from gapscope.store.metrics import ClusterMetrics, OneSidedClusterMetrics

ONE_SIDED = 0.95
_N_TYPICAL = 6


def cluster_metrics(
    clusters: Mapping[str, NDArray[np.int32]], typical: Callable[[str, int], list[str]]
) -> ClusterMetrics:
    """Return how many clusters a level has, what they consist of, and those that belong to one dataset, largest first.

    A cluster is one-sided where at least 95% of it is of one dataset, each image weighted by the size of its dataset,
    so that a large dataset does not own every cluster.

    Args:
        clusters: per dataset the cluster of each embedded image, -1 for none.
        typical: returns the uris of images that are typical of a dataset's part of a cluster.
    """
    names = list(clusters)
    count = 1 + max((int(labels.max(initial=-1)) for labels in clusters.values()), default=-1)
    counts = np.stack([np.bincount(labels[labels >= 0], minlength=count) for labels in clusters.values()], axis=1)
    weights = counts / np.maximum(1, [len(labels) for labels in clusters.values()])
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    one_sided: list[OneSidedClusterMetrics] = []
    for cluster in np.flatnonzero(shares.max(axis=1, initial=0) >= ONE_SIDED).tolist():
        dataset = names[int(shares[cluster].argmax())]
        one_sided.append(
            {
                "cluster": cluster,
                "images": int(counts[cluster].sum()),
                "dataset": dataset,
                "share": float(shares[cluster].max()),
                "typical": typical(dataset, cluster),
            }
        )
    one_sided.sort(key=lambda item: (-item["images"], item["cluster"]))
    return {"count": count, "datasets": names, "composition": counts.tolist(), "one_sided": one_sided}


def typical_images(
    members: NDArray[np.int64], radius: NDArray[np.float32], group: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return up to six of a cluster's images, from where it is densest, and of no group more than one.

    Args:
        members: positions of a dataset's images in the cluster.
        radius: (n,) per image of the dataset, the distance to its k-th nearest of its own dataset.
        group: (n,) number of each image's group.
    """
    densest = members[np.argsort(radius[members], kind="stable")]
    first = np.sort(np.unique(group[densest], return_index=True)[1])
    return densest[first[:_N_TYPICAL]]
