"""The ways to draw a level's map, from the best to the one that always fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gapscope.device import Device
from gapscope.layout.graph import is_saturated, merge_graphs, with_self
from gapscope.layout.interpolate import interpolate_coordinates
from gapscope.layout.landmarks import choose_landmarks
from gapscope.layout.pca_init import pca_init
from gapscope.neighbors.embedding_view import EmbeddingView, concat_views, open_view
from gapscope.settings import LayoutSettings
from gapscope.store.results import previous_layout
from gapscope.store.run_record import RunRecord

Strategy = Literal["full", "landmarks", "extended", "pca", "constant"]

_FEWEST = 8
"""Below this many images a graph says less than the principal axes do."""
_FEWEST_LANDMARKS = 1000
_MOST_AMONG = 2**20
_CONSTANT = 1e-6


@dataclass(frozen=True, kw_only=True)
class LevelLayout:
    """A level's map, as it was drawn.

    Attributes:
        points: (n, 3) coordinates of every image that was read.
        strategy: `full`: UMAP laid out all images; `landmarks`: it laid out some, and the others were placed among
            them; `extended`: images are where an earlier map had them, and new ones were placed among them; `pca`: too
            few images for a graph, these are the principal components; `constant`: all embeddings are equal.
        umap_images: images that UMAP laid out, now or for the earlier map.
        note: why it is not `full`; empty where it is.
    """

    points: NDArray[np.float32]
    strategy: Strategy
    umap_images: int
    note: str = ""

    def facts(self) -> dict[str, Any]:
        """Return all but the points, as JSON values."""
        return {
            "strategy": self.strategy,
            "images": len(self.points),
            "umap_images": self.umap_images,
            "note": self.note,
        }


def compute_layout(
    run: Path,
    record: RunRecord,
    level: str,
    settings: LayoutSettings,
    device: Device,
    processes_per_host: int,
    search: str = "",
) -> LevelLayout:
    """Draw the map of a level.

    Args:
        run: the run's folder.
        record: its run.json.
        level: the level's name.
        settings: how.
        device: on what.
        processes_per_host: levels that may be drawn side by side in the same memory.
        search: name of the search for neighbors whose results this process may still have; see `merge_graphs`.
    """
    views = [open_view(run, record, name, level) for name in record.datasets]
    images = sum(map(len, views))
    if _is_constant(views):
        points = np.zeros((images, 3), np.float32)
        return LevelLayout(
            points=points, strategy="constant", umap_images=0, note="all embeddings are equal: there is nothing to map"
        )
    earlier = _previous_coordinates(run, record, level, views)
    if earlier is not None:
        return _extend_previous(views, earlier, device, settings.seed)
    if images < _FEWEST:
        points = pca_init(views, settings.seed)
        note = f"{images} images are too few for a map of neighbors: these are the principal components"
        return LevelLayout(points=points, strategy="pca", umap_images=0, note=note)
    neighbors = min(settings.n_neighbors, images - 1)
    most = device.max_layout_points(neighbors, processes_per_host)
    why = f"memory has room for a map of {most:,}"
    if settings.landmarks is not None and settings.landmarks <= most:
        most, why = settings.landmarks, "as landmarks asks"
    if images <= most:
        distances, indices = merge_graphs(run, record, level, neighbors, search)
        if not is_saturated(distances):
            try:
                points = device.layout(pca_init(views, settings.seed), distances, indices, settings)
                return LevelLayout(points=points, strategy="full", umap_images=images)
            except MemoryError:
                most, why = images // 2, "memory ran out over a map of all"
        else:
            why = "of many copies one each"
        del distances, indices
    return layout_by_landmarks(views, settings, device, most, why)


def _is_constant(views: Sequence[EmbeddingView]) -> bool:
    first = views[0].tile(0, 1)
    return all(bool((np.abs(tile - first) < _CONSTANT).all()) for view in views for tile in view.tiles(8192))


def layout_by_landmarks(
    views: Sequence[EmbeddingView], settings: LayoutSettings, device: Device, most: int, why: str
) -> LevelLayout:
    """Lay out at most `most` images, and place the others among them; fewer still where memory runs out.

    Args:
        views: all images of a level.
        settings: how.
        device: on what.
        most: how many landmarks there may be.
        why: what made it so, in words.
    """
    images = sum(map(len, views))
    while True:
        chosen = choose_landmarks(views, most, settings.seed)
        among = concat_views(views, chosen)
        try:
            points = _lay_out_some(among, settings, device)
            break
        except MemoryError:
            if most <= _FEWEST_LANDMARKS:
                raise
            most, why = max(_FEWEST_LANDMARKS, min(most, images) // 2), "memory ran out over a map of more"
    placed = np.empty((images, 3), np.float32)
    rest = np.setdiff1d(np.arange(images), chosen, assume_unique=True)
    first = 0
    for view in views:
        own = rest[(rest >= first) & (rest < first + len(view))]
        placed[own] = interpolate_coordinates(view.some(own - first), among, points, device)
        first += len(view)
    placed[chosen] = points
    note = f"UMAP laid out {len(chosen):,} of {images:,} images, {why}; the others lie among their nearest of those"
    return LevelLayout(points=placed, strategy="landmarks", umap_images=len(chosen), note=note)


def _lay_out_some(among: EmbeddingView, settings: LayoutSettings, device: Device) -> NDArray[np.float32]:
    start = pca_init([among], settings.seed)
    if len(among) < _FEWEST:
        return start
    neighbors = min(settings.n_neighbors, len(among) - 1)
    found = device.neighbors(among, among, neighbors - 1, same=True)
    return device.layout(start, *with_self(found.distances, found.indices), settings)


def _previous_coordinates(
    run: Path, record: RunRecord, level: str, views: Sequence[EmbeddingView]
) -> NDArray[np.float32] | None:
    """Return (n, 3) where an earlier map had each image, NaN where it had not; None where there is no such map."""
    parts = []
    for name, view in zip(record.datasets, views, strict=True):
        points = previous_layout(run, level, name)
        here = np.full((len(view), 3), np.nan, np.float32)
        if points is not None:
            old = view.rows < len(points)
            here[old] = points[view.rows[old]]
        parts.append(here)
    places = np.concatenate(parts)
    there = places[np.isfinite(places).all(axis=1)]
    # A map of one point, or of too few, is none to keep to.
    return places if len(there) >= _FEWEST and np.ptp(there, axis=0).any() else None


def _extend_previous(
    views: Sequence[EmbeddingView], places: NDArray[np.float32], device: Device, seed: int
) -> LevelLayout:
    there = np.flatnonzero(np.isfinite(places).all(axis=1))
    chosen = there
    if len(there) > _MOST_AMONG:
        chosen = np.sort(np.random.default_rng(seed).choice(there, _MOST_AMONG, replace=False))
    among = concat_views(views, chosen)
    first, new = 0, 0
    points = places.copy()
    for view in views:
        here = np.flatnonzero(~np.isfinite(places[first : first + len(view)]).all(axis=1))
        points[first + here] = interpolate_coordinates(view.some(here), among, places[chosen], device)
        first, new = first + len(view), new + len(here)
    note = f"{new:,} new images were placed on the earlier map of {len(there):,}; a new run has a map of its own"
    return LevelLayout(points=points, strategy="extended", umap_images=len(there), note=note)
