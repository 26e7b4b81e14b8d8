"""The strategies to lay out a level: UMAP of all images where it fits, and others that always do."""

from collections.abc import Callable, Sequence
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
from gapscope.neighbors.partition import PARTITION_FROM
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


@dataclass(frozen=True, kw_only=True)
class FittedLayout:
    """A level's map so far: of all images, or of some among which the others are to be placed.

    Attributes:
        coordinates: (m, 3) of the images that are laid out.
        positions: (m,) ascending positions of these among all embedded images; None where they are all.
        strategy: see `LevelLayout`, and `umap_images` and `note` there.
    """

    coordinates: NDArray[np.float32]
    positions: NDArray[np.int64] | None
    strategy: Strategy
    umap_images: int
    note: str = ""


def compute_layout(
    run: RunStore, level: str, settings: LayoutSettings, device: Device, processes_per_host: int, search: str = ""
) -> LevelLayout:
    """Lay out all embedded images of a level; see `fit_layout` for the arguments."""
    fitted = fit_layout(run, level, settings, device, processes_per_host, search)

    def known(number: int, rows: NDArray[np.int64], start: int) -> NDArray[np.float32]:
        return known_coordinates(run, level, fitted, run.datasets[number], rows, start)

    return _with_others(open_views(run, level), fitted, device, known)


def fit_layout(
    run: RunStore, level: str, settings: LayoutSettings, device: Device, processes_per_host: int, search: str = ""
) -> FittedLayout:
    """Lay out the embedded images of a level, or as many of them as can be.

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
        return FittedLayout(
            coordinates=np.zeros((images, 3), np.float32), positions=None, strategy="constant", umap_images=0, note=note
        )
    previous = _previous_coordinates(run, level, views)
    if previous is not None:
        return _chosen_of_previous(previous, settings.seed)
    if images < _MIN_IMAGES:
        note = f"{images} images are too few for a map of neighbors: these are the principal components"
        return FittedLayout(
            coordinates=pca_init(views, settings.seed), positions=None, strategy="pca", umap_images=0, note=note
        )
    n_neighbors = min(settings.n_neighbors, images - 1)
    limit = device.max_layout_points(n_neighbors, processes_per_host)
    reason = f"memory has room for a map of {limit:,}"
    if settings.landmarks is not None and settings.landmarks <= limit:
        limit, reason = settings.landmarks, "as landmarks asks"
    elif images >= PARTITION_FROM and limit > device.max_landmarks:
        limit, reason = device.max_landmarks, "since a map of more takes long and shows no more"
    if images <= limit:
        distances, indices = merge_graphs(run, level, n_neighbors, search)
        if not is_saturated(distances):
            try:
                coordinates = device.layout(pca_init(views, settings.seed), distances, indices, settings)
                return FittedLayout(coordinates=coordinates, positions=None, strategy="full", umap_images=images)
            except MemoryError:
                limit, reason = images // 2, "memory ran out over a map of all"
        else:
            reason = "of many copies one each"
        del distances, indices
    return _fit_landmarks(views, settings, device, limit, reason)


def known_coordinates(
    run: RunStore, level: str, fitted: FittedLayout, dataset: str, rows: NDArray[np.int64], start: int
) -> NDArray[np.float32]:
    """Return the coordinates (n, 3) of images that have some already, NaN for the others.

    Args:
        run: the run.
        level: the level's name.
        fitted: the level's map so far.
        dataset: the dataset's name.
        rows: (n,) ascending rows of embedded images in it, one after the other.
        start: position of the first of these among all embedded images.
    """
    if fitted.strategy == "extended":
        return _previous_of_rows(run, level, dataset, rows)
    return _of_positions(fitted, start, len(rows))


def _of_positions(fitted: FittedLayout, start: int, count: int) -> NDArray[np.float32]:
    if fitted.positions is None:
        return fitted.coordinates[start : start + count]
    coordinates = np.full((count, 3), np.nan, np.float32)
    own = slice(*np.searchsorted(fitted.positions, [start, start + count]))
    coordinates[fitted.positions[own] - start] = fitted.coordinates[own]
    return coordinates


def place_others(
    view: EmbeddingView, known: NDArray[np.float32], place: Callable[[EmbeddingView], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the coordinates (n, 3) of all images of a view: those that are known, and of the others what `place` says.

    Args:
        view: n images.
        known: (n, 3) coordinates, NaN where there are none.
        place: an `Interpolator`.
    """
    others = np.flatnonzero(np.isnan(known[:, 0]))
    coordinates = known.copy()
    if len(others):
        coordinates[others] = place(view.take(others))
    return coordinates


def _with_others(
    views: Sequence[EmbeddingView],
    fitted: FittedLayout,
    device: Device,
    known: Callable[[int, NDArray[np.int64], int], NDArray[np.float32]],
) -> LevelLayout:
    coordinates = fitted.coordinates
    if fitted.positions is not None:
        place = Interpolator(concat_views(views, fitted.positions), fitted.coordinates, device)
        coordinates = np.concatenate(
            [
                place_others(view, known(number, view.rows, part.start), place)
                for number, (view, part) in enumerate(zip(views, view_slices(views), strict=True))
            ]
        )
    return whole_layout(fitted, coordinates)


def whole_layout(fitted: FittedLayout, coordinates: NDArray[np.float32] | None = None) -> LevelLayout:
    """Return a map of all images: those that were laid out where they are all, else `coordinates` (n, 3)."""
    return LevelLayout(
        coordinates=fitted.coordinates if coordinates is None else coordinates,
        strategy=fitted.strategy,
        umap_images=fitted.umap_images,
        note=fitted.note,
    )


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
    fitted = _fit_landmarks(views, settings, device, max_landmarks, reason)
    return _with_others(views, fitted, device, lambda _, rows, start: _of_positions(fitted, start, len(rows)))


def _fit_landmarks(
    views: Sequence[EmbeddingView], settings: LayoutSettings, device: Device, max_landmarks: int, reason: str
) -> FittedLayout:
    images = sum(map(len, views))
    while True:
        landmarks = choose_landmarks(views, max_landmarks, settings.seed)
        try:
            coordinates = _layout_view(concat_views(views, landmarks), settings, device)
            break
        except MemoryError:
            if max_landmarks <= _MIN_LANDMARKS:
                raise
            max_landmarks = max(_MIN_LANDMARKS, min(max_landmarks, images) // 2)
            reason = "memory ran out over a map of more"
    note = (
        f"UMAP laid out {len(landmarks):,} of {images:,} images, {reason}; the others lie among their nearest of those"
    )
    return FittedLayout(
        coordinates=coordinates, positions=landmarks, strategy="landmarks", umap_images=len(landmarks), note=note
    )


def _layout_view(view: EmbeddingView, settings: LayoutSettings, device: Device) -> NDArray[np.float32]:
    start = pca_init([view], settings.seed)
    if len(view) < _MIN_IMAGES:
        return start
    n_neighbors = min(settings.n_neighbors, len(view) - 1)
    nearest = device.neighbors(view, view, n_neighbors - 1, same=True)
    return device.layout(start, *with_self(nearest.distances, nearest.indices), settings)


def _previous_coordinates(run: RunStore, level: str, views: Sequence[EmbeddingView]) -> NDArray[np.float32] | None:
    """Return (n, 3) coordinates of the previous map, NaN for new images; None where there is no such map."""
    parts = [
        _previous_of_rows(run, level, name, view.rows) for name, view in zip(run.record.datasets, views, strict=True)
    ]
    coordinates = np.concatenate(parts)
    known = coordinates[np.isfinite(coordinates).all(axis=1)]
    # A map of one point, or of too few, is none to keep.
    return coordinates if len(known) >= _MIN_IMAGES and np.ptp(known, axis=0).any() else None


def _previous_of_rows(run: RunStore, level: str, dataset: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    saved = previous_layout(run, level, dataset)
    coordinates = np.full((len(rows), 3), np.nan, np.float32)
    if saved is not None:
        old = rows < len(saved)
        coordinates[old] = saved[rows[old]]
    return coordinates


def _chosen_of_previous(previous: NDArray[np.float32], seed: int) -> FittedLayout:
    known = np.flatnonzero(np.isfinite(previous).all(axis=1))
    chosen = known
    if len(known) > _MAX_REFERENCE:
        chosen = np.sort(np.random.default_rng(seed).choice(known, _MAX_REFERENCE, replace=False))
    new_images = len(previous) - len(known)
    note = f"{new_images:,} new images were placed on the earlier map of {len(known):,}; a new run has a map of its own"
    return FittedLayout(
        coordinates=previous[chosen], positions=chosen, strategy="extended", umap_images=len(known), note=note
    )
