"""The strategies to lay out a level: UMAP of all images where it fits, and others that always do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gapscope.device import Device
from gapscope.layout.graph import is_saturated, merge_graphs, with_self
from gapscope.layout.interpolate import Interpolator
from gapscope.layout.landmarks import choose_landmarks
from gapscope.layout.pca_init import pca_init
from gapscope.neighbors.embedding_view import EmbeddingView, concat_views, open_views, view_slices
from gapscope.settings import LayoutSettings
from gapscope.store.layouts import previous_layout
from gapscope.store.run_store import RunStore

Strategy = Literal["full", "landmarks", "extended", "pca", "constant"]

_TILE_ROWS = 8192
_MIN_IMAGES = 8
"""With fewer images a neighbor graph says less than the principal axes do."""
_MIN_LANDMARKS = 1000
_MAX_REFERENCE = 2**20
_CONSTANT = 1e-6


@dataclass(frozen=True, kw_only=True)
class LevelLayout:
    """A level's map.

    Attributes:
        coordinates: (n, 3) of every embedded image.
        strategy: `full`: UMAP laid out all images. `landmarks`: it laid out some, and the others were interpolated
            among these. `extended`: images keep the coordinates of the previous map, and new ones were interpolated.
            `pca`: these are the principal components, since the images are too few for a neighbor graph. `constant`:
            all embeddings are equal.
        umap_images: images that UMAP laid out, now or for the previous map.
        note: why the strategy is not `full`; empty where it is.
    """

    coordinates: NDArray[np.float32]
    strategy: Strategy
    umap_images: int
    note: str = ""


def compute_layout(
    run: RunStore, level: str, settings: LayoutSettings, device: Device, processes_per_host: int, search: str = ""
) -> LevelLayout:
    """Lay out all embedded images of a level.

    Args:
        run: the run.
        level: the level's name.
        settings: of the layout.
        device: where to compute.
        processes_per_host: processes that may lay out levels side by side in the same memory.
        search: id of the search for neighbors whose results this process may still hold; see `merge_graphs`.

    Raises:
        MemoryError: not even a small sample fits.
    """
    views = open_views(run, level)
    images = sum(map(len, views))
    if _is_constant(views):
        note = "all embeddings are equal: there is nothing to map"
        return LevelLayout(coordinates=np.zeros((images, 3), np.float32), strategy="constant", umap_images=0, note=note)
    previous = _previous_coordinates(run, level, views)
    if previous is not None:
        return _extend_previous(views, previous, device, settings.seed)
    if images < _MIN_IMAGES:
        note = f"{images} images are too few for a map of neighbors: these are the principal components"
        return LevelLayout(coordinates=pca_init(views, settings.seed), strategy="pca", umap_images=0, note=note)
    n_neighbors = min(settings.n_neighbors, images - 1)
    limit = device.max_layout_points(n_neighbors, processes_per_host)
    reason = f"memory has room for a map of {limit:,}"
    if settings.landmarks is not None and settings.landmarks <= limit:
        limit, reason = settings.landmarks, "as landmarks asks"
    if images <= limit:
        distances, indices = merge_graphs(run, level, n_neighbors, search)
        if not is_saturated(distances):
            try:
                coordinates = device.layout(pca_init(views, settings.seed), distances, indices, settings)
                return LevelLayout(coordinates=coordinates, strategy="full", umap_images=images)
            except MemoryError:
                limit, reason = images // 2, "memory ran out over a map of all"
        else:
            reason = "of many copies one each"
        del distances, indices
    return layout_by_landmarks(views, settings, device, limit, reason)


def _is_constant(views: Sequence[EmbeddingView]) -> bool:
    first = views[0].tile(0, 1)
    return all(bool((np.abs(tile - first) < _CONSTANT).all()) for view in views for tile in view.tiles(_TILE_ROWS))


def layout_by_landmarks(
    views: Sequence[EmbeddingView], settings: LayoutSettings, device: Device, max_landmarks: int, reason: str
) -> LevelLayout:
    """Lay out some images with UMAP, and interpolate the others among them; fewer still where memory runs out.

    Args:
        views: all images of a level.
        settings: of the layout.
        device: where to compute.
        max_landmarks: how many images UMAP may lay out.
        reason: why it does not lay out all, in words.

    Raises:
        MemoryError: not even 1,000 landmarks fit.
    """
    images = sum(map(len, views))
    while True:
        landmarks = choose_landmarks(views, max_landmarks, settings.seed)
        reference = concat_views(views, landmarks)
        try:
            landmark_coordinates = _layout_view(reference, settings, device)
            break
        except MemoryError:
            if max_landmarks <= _MIN_LANDMARKS:
                raise
            max_landmarks = max(_MIN_LANDMARKS, min(max_landmarks, images) // 2)
            reason = "memory ran out over a map of more"
    coordinates = np.empty((images, 3), np.float32)
    others = np.setdiff1d(np.arange(images), landmarks, assume_unique=True)
    place = Interpolator(reference, landmark_coordinates, device)
    for view, part in zip(views, view_slices(views), strict=True):
        own = others[(others >= part.start) & (others < part.stop)]
        coordinates[own] = place(view.take(own - part.start))
    coordinates[landmarks] = landmark_coordinates
    note = (
        f"UMAP laid out {len(landmarks):,} of {images:,} images, {reason}; the others lie among their nearest of those"
    )
    return LevelLayout(coordinates=coordinates, strategy="landmarks", umap_images=len(landmarks), note=note)


def _layout_view(view: EmbeddingView, settings: LayoutSettings, device: Device) -> NDArray[np.float32]:
    start = pca_init([view], settings.seed)
    if len(view) < _MIN_IMAGES:
        return start
    n_neighbors = min(settings.n_neighbors, len(view) - 1)
    nearest = device.neighbors(view, view, n_neighbors - 1, same=True)
    return device.layout(start, *with_self(nearest.distances, nearest.indices), settings)


def _previous_coordinates(run: RunStore, level: str, views: Sequence[EmbeddingView]) -> NDArray[np.float32] | None:
    """Return (n, 3) coordinates of the previous map, NaN for new images; None where there is no such map."""
    parts = []
    for name, view in zip(run.record.datasets, views, strict=True):
        saved = previous_layout(run, level, name)
        own = np.full((len(view), 3), np.nan, np.float32)
        if saved is not None:
            old = view.rows < len(saved)
            own[old] = saved[view.rows[old]]
        parts.append(own)
    coordinates = np.concatenate(parts)
    known = coordinates[np.isfinite(coordinates).all(axis=1)]
    # A map of one point, or of too few, is none to keep.
    return coordinates if len(known) >= _MIN_IMAGES and np.ptp(known, axis=0).any() else None


def _extend_previous(
    views: Sequence[EmbeddingView], previous: NDArray[np.float32], device: Device, seed: int
) -> LevelLayout:
    known = np.flatnonzero(np.isfinite(previous).all(axis=1))
    chosen = known
    if len(known) > _MAX_REFERENCE:
        chosen = np.sort(np.random.default_rng(seed).choice(known, _MAX_REFERENCE, replace=False))
    reference = concat_views(views, chosen)
    place = Interpolator(reference, previous[chosen], device)
    coordinates = previous.copy()
    for view, part in zip(views, view_slices(views), strict=True):
        new = np.flatnonzero(~np.isfinite(previous[part]).all(axis=1))
        coordinates[part.start + new] = place(view.take(new))
    new_images = len(previous) - len(known)
    note = f"{new_images:,} new images were placed on the earlier map of {len(known):,}; a new run has a map of its own"
    return LevelLayout(coordinates=coordinates, strategy="extended", umap_images=len(known), note=note)
