"""The numbers of a level: how the datasets differ, in shares that have a meaning of their own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gapscope.compare.answers import Answers
from gapscope.compare.multiple import estimated_share

_ONE_SIDED = 0.95


def pair_metrics(answers: Answers, query: str, reference: str, fdr: float) -> dict[str, Any]:
    """Return the numbers of one level and ordered pair.

    `share_outside` is Storey's estimate of the share of query images outside the reference's support, which has power
    where single images have none. `coverage` is the share of reference images with a query image no farther than
    their own k-th neighbour (Naeem et al. 2020). `reference_neighbours` is the mean share of reference images among an
    image's nearest, to be held against `reference_neighbours_expected`, which it has where the datasets do not differ.
    """
    images, references = len(answers.rows), len(answers.reference_score)
    outside, under = 2 * answers.outside_q <= fdr, 2 * answers.under_q <= fdr
    return {
        "query": query,
        "reference": reference,
        "images": images,
        "reference_images": references,
        "outliers": int(np.count_nonzero(outside | under)),
        "outlier_share": float(np.mean(outside | under)),
        "outside": int(np.count_nonzero(outside)),
        "under_represented": int(np.count_nonzero(under)),
        "share_outside": estimated_share(answers.outside_p),
        "coverage": float(np.mean(answers.reference_to_query <= answers.reference_score)),
        "reference_neighbours": float(np.mean(answers.from_reference)) / max(1, answers.crowd),
        "reference_neighbours_expected": references / (images + references - 1),
    }


def cluster_metrics(layout: pd.DataFrame, datasets: Sequence[str]) -> dict[str, Any]:
    """Return how many clusters a level's layout has, and those that belong to one dataset.

    A cluster is one-sided where at least 95% of it is of one dataset, each image weighed by the size of its dataset,
    so that a large dataset does not own every cluster.

    Args:
        layout: columns dataset and cluster.
        datasets: their names.
    """
    names = list(datasets)
    dataset = pd.Categorical(layout["dataset"], categories=names).codes
    inside = layout["cluster"].to_numpy() >= 0
    counts = np.zeros((int(layout["cluster"].max()) + 1, len(names)))
    np.add.at(counts, (layout["cluster"].to_numpy()[inside], dataset[inside]), 1)
    weights = counts / np.bincount(dataset, minlength=len(names))
    shares = weights / weights.sum(axis=1, keepdims=True)
    one_sided: list[dict[str, Any]] = [
        {
            "cluster": int(cluster),
            "images": int(counts[cluster].sum()),
            "dataset": names[int(shares[cluster].argmax())],
            "share": float(shares[cluster].max()),
        }
        for cluster in np.flatnonzero(shares.max(axis=1) >= _ONE_SIDED)
    ]
    one_sided.sort(key=lambda found: (-found["images"], found["cluster"]))
    return {"count": len(counts), "one_sided": one_sided}
