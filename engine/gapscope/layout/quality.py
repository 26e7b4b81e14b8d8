"""How much of who is near whom a map keeps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from gapscope.neighbors.embedding_view import EmbeddingView, concat_views
from gapscope.neighbors.exact import half_squares

_SAMPLE = 1000
_COMPARED = 5_000_000_000
_NEAREST = 15
_TILE_ROWS = 4096
_ROUNDING = 1e-6


def map_quality(views: Sequence[EmbeddingView], points: NDArray[np.float32], seed: int) -> dict[str, Any]:
    """Return how well the nearest images on the map are the nearest by embedding, on a sample against all images.

    `trustworthiness` (Venna and Kaski 2001) is 1 less a penalty for every image that is among the `k` nearest on the
    map and not by embedding, the more the farther it is by rank. `neighbor_recall` is the share of the `k` nearest by
    embedding that are among the `k` nearest on the map. Both are None where there are too few images to tell.

    Args:
        views: n embeddings.
        points: (n, 3) coordinates of the same images.
        seed: of the sample.
    """
    images = len(points)
    k = min(_NEAREST, (images - 1) // 2)
    if k < 1:
        return {"trustworthiness": None, "neighbor_recall": None, "k": 0, "sample": 0}
    size = min(_SAMPLE, images, max(100, _COMPARED // (k * images)))
    chosen = np.sort(np.random.default_rng(seed).choice(images, size, replace=False))
    ranks = _ranks(views, chosen, _nearest_on_map(points, chosen, k))
    beyond = np.maximum(ranks - k, 0).sum()
    return {
        "trustworthiness": float(1 - beyond * 2 / (size * k * (2 * images - 3 * k - 1))),
        "neighbor_recall": float((ranks <= k).mean()),
        "k": k,
        "sample": size,
    }


def _nearest_on_map(points: NDArray[np.float32], chosen: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    near = KDTree(points).query(points[chosen], k=k + 1, workers=-1)[1]
    itself = near == chosen[:, None]
    # Among copies an image may not find itself.
    itself[~itself.any(axis=1), -1] = True
    return np.asarray(near[~itself].reshape(len(chosen), k), dtype=np.int64)


def _ranks(views: Sequence[EmbeddingView], chosen: NDArray[np.int64], near: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rank (m, k), 1 for the nearest, that images `near` (m, k) have by embedding for the `chosen` ones."""
    sample = torch.from_numpy(concat_views(views, chosen).tile(0, len(chosen)))
    wanted, at = np.unique(near, return_inverse=True)
    limits = half_squares(
        sample, torch.from_numpy(concat_views(views, wanted).tile(0, len(wanted))), torch.from_numpy(at)
    )
    # Products round with the vectors' lengths.
    rounding = _ROUNDING * (1 + sample.square().sum(dim=1, keepdim=True))
    limits = limits - rounding
    closer = torch.zeros(near.shape, dtype=torch.int64)
    for view in views:
        for values in view.tiles(_TILE_ROWS):
            closer += _count_below(_half_square_matrix(sample, torch.from_numpy(values)), limits)
    # The image itself was counted, unless all that is asked for are its copies.
    itself = (limits > rounding).to(torch.int64)
    return np.asarray((closer - itself + 1).numpy())


def _half_square_matrix(sample: Tensor, tile: Tensor) -> Tensor:
    lengths = sample.square().sum(dim=1, keepdim=True) + tile.square().sum(dim=1)
    return (lengths / 2 - sample @ tile.T).clamp_(min=0)


def _count_below(apart: Tensor, limits: Tensor) -> Tensor:
    return torch.stack([(apart < limits[:, at, None]).sum(dim=1) for at in range(limits.shape[1])], dim=1)
