"""The share outside and the kernel distance of a finished run, measured once more by the scaler of another run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from gapscope.compare.distances import kernel_distance_alone
from gapscope.compare.group_scores import clone_edges, first_clones, group_outside_p, is_copied
from gapscope.compare.interval import Interval, rounded, share_outside
from gapscope.compare.near import median_spacing
from gapscope.compare.support import possible_k
from gapscope.neighbors.embedding_view import EmbeddingView, concat_views, open_view
from gapscope.neighbors.exact import exact_neighbors
from gapscope.neighbors.result import Neighbors
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
    # As many as the graph on disk has, in which clones are found.
    graph_k = run.record.config.compare.graph_k
    within = {name: nearest_groups(sample, sample, graph_k, same=True) for name, sample in samples.items()}
    kernel: dict[Pair, Interval | None] = {}
    measured: dict[Pair, dict[str, Interval]] = {}
    for pair in pairs:
        query, reference = samples[pair.query], samples[pair.reference]
        both_within = within[pair.query], within[pair.reference]
        measured[pair] = {"share_outside": share_interval(query, reference, both_within, k)}
        # It is the same both ways.
        kernel[pair] = kernel[pair.reversed] if pair.reversed in kernel else kernel_interval(query, reference)
        if (distance := kernel[pair]) is not None:
            measured[pair]["kid"] = distance
    return measured


def nearest_groups(query: Sample, reference: Sample, k: int, *, same: bool) -> Neighbors:
    """Find the k nearest groups of the reference of each image, its own left out, by their numbers.

    Args:
        query: whose images look for neighbors.
        reference: in whose groups they are found.
        k: number of neighbors.
        same: whether both are one dataset.
    """
    images = replace(query.vectors, identity=group_identities(query.groups, reference.groups, same=same))
    others = reference.vectors.take(reference.groups.representative)
    others = replace(others, identity=np.arange(len(others)))
    return exact_neighbors(images, others, k, same=True, device=_CPU)


def share_interval(query: Sample, reference: Sample, within: tuple[Neighbors, Neighbors], k: int) -> Interval:
    """Return the estimated share of the query's groups outside the reference, with its 95% interval.

    It is computed as `gapscope.compare.outlier_scores.score_outliers` does from the graph on disk.

    Args:
        query: whose groups are counted.
        reference: what they are compared with.
        within: `nearest_groups` of the query among itself, and of the reference among itself.
        k: which neighbor's distance is an image's score, or the last that every group has.
    """
    k = possible_k(k, len(reference.groups))
    nearest, radius = nearest_groups(query, reference, k, same=False).distances, within[1].distances
    scores, reference_scores = nearest[:, k - 1], radius[:, k - 1]
    copied = is_copied(nearest[:, 0], query.groups, median_spacing(radius[:, 0]))
    own = query.groups.representative
    edges = clone_edges(*within[0][:2], query.groups.group, query.groups, np.arange(len(own)))
    first = first_clones(edges, len(query.groups))
    shared = query.groups.find_in(reference.groups)
    p = group_outside_p(scores, query.groups, reference_scores, reference.groups, shared)
    p[copied] = 1.0
    return share_outside(p, scores[own], reference_scores[reference.groups.representative], copied, first)


def kernel_interval(query: Sample, reference: Sample) -> Interval | None:
    """Return the kernel distance with its 95% interval; None where there are too few groups for one."""
    distance = kernel_distance_alone(query.representatives, reference.representatives, _CPU)
    if distance is None or distance.low is None or distance.high is None:
        return None
    return rounded(distance.value), rounded(distance.low), rounded(distance.high)
