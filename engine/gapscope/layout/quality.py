"""How well a map keeps the neighbors that images have by embedding."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from gapscope.neighbors.embedding_view import EmbeddingView, concat_views
from gapscope.neighbors.exact import half_squares

_SAMPLE = 1000
_MIN_SAMPLE = 100
_MAX_COMPARISONS = 5_000_000_000
_NEAREST = 15
_TILE_ROWS = 4096
_MAP_ROWS = 2**20
_ROUNDING = 1e-6


class LayoutQuality(TypedDict):
    """See `layout_quality`."""

    trustworthiness: float | None
    neighbor_recall: float | None
    k: int
    sample: int


def layout_quality(views: Sequence[EmbeddingView], coordinates: NDArray[np.float32], seed: int) -> LayoutQuality:
    """Return how well the nearest images on the map are the nearest by embedding, of a sample against all images.

    `trustworthiness` (Venna and Kaski 2001) is 1 less a penalty for every image that is among the `k` nearest on the
    map and not by embedding, the more the farther it is by rank. `neighbor_recall` is the share of the `k` nearest by
    embedding that are among the `k` nearest on the map. Both are None where there are too few images to tell.

    Args:
        views: n embeddings.
        coordinates: (n, 3) of the same images.
        seed: of the sample.
    """
    images = len(coordinates)
    k = min(_NEAREST, (images - 1) // 2)
    if k < 1:
        return {"trustworthiness": None, "neighbor_recall": None, "k": 0, "sample": 0}
    size = min(_SAMPLE, images, max(_MIN_SAMPLE, _MAX_COMPARISONS // (k * images)))
    chosen = np.sort(np.random.default_rng(seed).choice(images, size, replace=False))
    ranks = _ranks(views, chosen, _nearest_on_map(coordinates, chosen, k))
    excess = np.maximum(ranks - k, 0).sum()
    return {
        "trustworthiness": float(1 - excess * 2 / (size * k * (2 * images - 3 * k - 1))),
        "neighbor_recall": float((ranks <= k).mean()),
        "k": k,
        "sample": size,
    }


def _nearest_on_map(coordinates: NDArray[np.float32], chosen: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    distances, nearest = np.empty((len(chosen), 0)), np.empty((len(chosen), 0), np.int64)
    # A tree of all points would take many times the memory of the points.
    for start in range(0, len(coordinates), _MAP_ROWS):
        part = coordinates[start : start + _MAP_ROWS]
        near, positions = KDTree(part).query(coordinates[chosen], k=range(1, min(k + 1, len(part)) + 1), workers=-1)
        distances = np.concatenate([distances, near], axis=1)
        nearest = np.concatenate([nearest, start + positions], axis=1)
        order = np.argsort(distances, axis=1, kind="stable")[:, : k + 1]
        distances, nearest = np.take_along_axis(distances, order, axis=1), np.take_along_axis(nearest, order, axis=1)
    is_self = nearest == chosen[:, None]
    # Among copies an image may not find itself.
    is_self[~is_self.any(axis=1), -1] = True
    return np.asarray(nearest[~is_self].reshape(len(chosen), k), dtype=np.int64)


def _ranks(views: Sequence[EmbeddingView], chosen: NDArray[np.int64], nearest: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rank (m, k) by embedding, 1 for the nearest, of images `nearest` (m, k) of the `chosen` ones."""
    sample = torch.from_numpy(concat_views(views, chosen).tile(0, len(chosen)))
    wanted, columns = np.unique(nearest, return_inverse=True)
    vectors = torch.from_numpy(concat_views(views, wanted).tile(0, len(wanted)))
    limits = half_squares(sample, vectors, torch.from_numpy(columns))
    # Products round with the vectors' lengths.
    rounding = _ROUNDING * (1 + sample.square().sum(dim=1, keepdim=True))
    limits = limits - rounding
    closer = torch.zeros(nearest.shape, dtype=torch.int64)
    for view in views:
        for tile in view.tiles(_TILE_ROWS):
            closer += _count_below(_half_square_matrix(sample, torch.from_numpy(tile)), limits)
    # The image itself was counted, unless all that is asked for are its copies.
    counted_self = (limits > rounding).to(torch.int64)
    return np.asarray((closer - counted_self + 1).numpy())


def _half_square_matrix(sample: Tensor, tile: Tensor) -> Tensor:
    lengths = sample.square().sum(dim=1, keepdim=True) + tile.square().sum(dim=1)
    return (lengths / 2 - sample @ tile.T).clamp_(min=0)


def _count_below(half_square_matrix: Tensor, limits: Tensor) -> Tensor:
    columns = range(limits.shape[1])
    return torch.stack([(half_square_matrix < limits[:, column, None]).sum(dim=1) for column in columns], dim=1)
