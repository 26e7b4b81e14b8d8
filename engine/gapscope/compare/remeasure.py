"""The share outside and the kernel distance of a finished run, measured once more by the scaler of another run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from gapscope.compare.distances import kernel_distance_alone
from gapscope.compare.fdr import estimate_share
from gapscope.compare.group_scores import group_outside_p
from gapscope.compare.interval import Interval, rounded, share_interval
from gapscope.compare.support import possible_k
from gapscope.neighbors.embedding_view import EmbeddingView, concat_views, open_view
from gapscope.neighbors.exact import exact_neighbors
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups, group_identities, read_groups
from gapscope.store.run_record import ScalerRecord
from gapscope.store.run_store import RunStore

_MAX_GROUPS = 5000
_MAX_COMPARED = _MAX_GROUPS * 65536
"""Images times groups of a dataset that are compared at most: half a minute on a core or two."""
_CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The vectors of a dataset at a level.

    Attributes:
        representatives: the vectors of all groups' representatives.
        vectors: the vectors of all images of some groups.
        groups: these groups; position i of `vectors` is image i of theirs.
    """

    representatives: EmbeddingView
    vectors: EmbeddingView
    groups: ImageGroups

    @classmethod
    def of(cls, view: EmbeddingView, groups: ImageGroups) -> "Sample":
        """Return up to 5,000 groups of a dataset at random, or fewer where they are long.

        Args:
            view: the vectors of all images.
            groups: of all images.
        """
        length = max(1.0, len(groups.rows) / max(1, len(groups)))
        size = min(_MAX_GROUPS, int((_MAX_COMPARED / length) ** 0.5))
        drawn = groups
        if len(groups) > size:
            drawn = groups.take(np.sort(np.random.default_rng(0).choice(len(groups), size, replace=False)))
        # In memory: several searches read them, and a sample's rows lie far apart on the disk.
        vectors = concat_views([replace(view, rows=drawn.rows)])
        return cls(representatives=view.take(groups.representative), vectors=vectors, groups=drawn)


def remeasure(
    run: RunStore, level: str, pairs: Sequence[Pair], scaler: ScalerRecord, k: int
) -> dict[Pair, dict[str, Interval]]:
    """Return `share_outside` and `kid` of ordered pairs as the run would have with another scaler.

    Of each dataset up to 5,000 groups are compared. With the run's own scaler and as many groups or fewer, the numbers
    are those of metrics.json.

    Args:
        run: the run, finished.
        level: the level's name.
        pairs: of the run's datasets, in the run's order.
        scaler: what the level's embeddings are standardized by.
        k: which neighbor's distance is an image's score.
    """
    mean, std = (np.asarray(values, np.float32) for values in (scaler.mean, scaler.std))
    samples = {
        name: Sample.of(replace(open_view(run, name, level), mean=mean, std=std), read_groups(run, name))
        for name in dict.fromkeys(name for pair in pairs for name in pair)
    }
    radius = {name: scores_among(sample, sample, k, same=True) for name, sample in samples.items()}
    kernel: dict[Pair, Interval | None] = {}
    measured: dict[Pair, dict[str, Interval]] = {}
    for pair in pairs:
        query, reference = samples[pair.query], samples[pair.reference]
        measured[pair] = {"share_outside": share_outside(query, reference, radius[pair.reference], k)}
        # It is the same both ways.
        kernel[pair] = kernel[pair.reversed] if pair.reversed in kernel else kernel_interval(query, reference)
        if (distance := kernel[pair]) is not None:
            measured[pair]["kid"] = distance
    return measured


def scores_among(query: Sample, reference: Sample, k: int, *, same: bool) -> NDArray[np.float32]:
    """Return the distance (n,) of each image to the k-th nearest group of the reference, its own left out.

    Args:
        query: whose images look for neighbors.
        reference: in whose groups they are found.
        k: the last that every group has, where the reference is too small for it.
        same: whether both are one dataset.
    """
    k = possible_k(k, len(reference.groups))
    images = replace(query.vectors, identity=group_identities(query.groups, reference.groups, same=same))
    others = reference.vectors.take(reference.groups.representative)
    others = replace(others, identity=np.arange(len(others)))
    return exact_neighbors(images, others, k, same=True, device=_CPU).distances[:, k - 1]


def share_outside(query: Sample, reference: Sample, radius: NDArray[np.float32], k: int) -> Interval:
    """Return the estimated share of the query's groups outside the reference, with its 95% interval.

    Args:
        query: whose groups are counted.
        reference: what they are compared with.
        radius: `scores_among` of the reference and itself.
        k: as `scores_among` takes it.
    """
    scores = scores_among(query, reference, k, same=False)
    shared = query.groups.find_in(reference.groups)
    share = estimate_share(group_outside_p(scores, query.groups, radius, reference.groups, shared))
    own, others = scores[query.groups.representative], radius[reference.groups.representative]
    return share, *share_interval(own, others, share)


def kernel_interval(query: Sample, reference: Sample) -> Interval | None:
    """Return the kernel distance with its 95% interval; None where there are too few groups for one."""
    distance = kernel_distance_alone(query.representatives, reference.representatives, _CPU)
    if distance is None or distance.low is None or distance.high is None:
        return None
    return rounded(distance.value), rounded(distance.low), rounded(distance.high)
