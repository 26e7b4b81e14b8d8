"""The ways to draw a level's map, from the best to the one that always fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gapscope.device import Device
from gapscope.layout.gather import gathered
from gapscope.layout.graph import is_saturated, merged_graph, with_itself
from gapscope.layout.landmarks import choose_landmarks
from gapscope.layout.place import place
from gapscope.layout.start import principal_start
from gapscope.neighbors.stage import unit_rows
from gapscope.neighbors.unit_rows import UnitRows
from gapscope.settings import LayoutSettings
from gapscope.store.record import Record
from gapscope.store.results import earlier_layout

Way = Literal["full", "landmarks", "placed", "principal", "point"]

_FEWEST = 8
"""Below this many images a graph says less than the principal axes do."""
_FEWEST_LANDMARKS = 1000
_MOST_AMONG = 2**20
_CONSTANT = 1e-6


@dataclass(frozen=True, kw_only=True)
class Map:
    """A level's map, as it was drawn.

    Attributes:
        points: (n, 3) coordinates of every image that was read.
        way: `full`: UMAP laid out all images; `landmarks`: it laid out some, and the others were placed among them;
            `placed`: images are where an earlier map had them, and new ones were placed among them; `principal`: too
            few images for a graph, these are the principal components; `point`: all embeddings are equal.
        laid_out: images that UMAP laid out, now or for the earlier map.
        note: why it is not `full`; empty where it is.
    """

    points: NDArray[np.float32]
    way: Way
    laid_out: int
    note: str = ""

    def facts(self) -> dict[str, Any]:
        """Return all but the points, as JSON values."""
        return {"way": self.way, "images": len(self.points), "laid_out": self.laid_out, "note": self.note}


def draw(
    run: Path,
    record: Record,
    level: str,
    settings: LayoutSettings,
    device: Device,
    sharing: int,
    search: str = "",
) -> Map:
    """Draw the map of a level.

    Args:
        run: the run's folder.
        record: its run.json.
        level: the level's name.
        settings: how.
        device: on what.
        sharing: levels that may be drawn side by side in the same memory.
        search: name of the search for neighbours whose results this process may still have; see `merged_graph`.
    """
    views = [unit_rows(run, record, name, level) for name in record.datasets]
    images = sum(map(len, views))
    if _is_constant(views):
        points = np.zeros((images, 3), np.float32)
        return Map(points=points, way="point", laid_out=0, note="all embeddings are equal: there is nothing to map")
    earlier = _earlier_places(run, record, level, views)
    if earlier is not None:
        return _among_earlier(views, earlier, device, settings.seed)
    if images < _FEWEST:
        points = principal_start(views, settings.seed)
        note = f"{images} images are too few for a map of neighbours: these are the principal components"
        return Map(points=points, way="principal", laid_out=0, note=note)
    neighbors = min(settings.n_neighbors, images - 1)
    most = device.layout_room(neighbors, sharing)
    why = f"memory has room for a map of {most:,}"
    if settings.landmarks is not None and settings.landmarks <= most:
        most, why = settings.landmarks, "as --landmarks asks"
    if images <= most:
        distances, indices = merged_graph(run, record, level, neighbors, search)
        if not is_saturated(distances):
            try:
                points = device.layout(principal_start(views, settings.seed), distances, indices, settings)
                return Map(points=points, way="full", laid_out=images)
            except MemoryError:
                most, why = images // 2, "memory ran out over a map of all"
        else:
            why = "of many copies one each"
        del distances, indices
    return by_landmarks(views, settings, device, most, why)


def _is_constant(views: Sequence[UnitRows]) -> bool:
    first = views[0].tile(0, 1)
    return all(bool((np.abs(tile - first) < _CONSTANT).all()) for view in views for tile in view.tiles(8192))


def by_landmarks(views: Sequence[UnitRows], settings: LayoutSettings, device: Device, most: int, why: str) -> Map:
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
        among = gathered(views, chosen)
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
        placed[own] = place(view.some(own - first), among, points, device)
        first += len(view)
    placed[chosen] = points
    note = f"UMAP laid out {len(chosen):,} of {images:,} images, {why}; the others lie among their nearest of those"
    return Map(points=placed, way="landmarks", laid_out=len(chosen), note=note)


def _lay_out_some(among: UnitRows, settings: LayoutSettings, device: Device) -> NDArray[np.float32]:
    start = principal_start([among], settings.seed)
    if len(among) < _FEWEST:
        return start
    neighbors = min(settings.n_neighbors, len(among) - 1)
    found = device.neighbors(among, among, neighbors - 1, same=True)
    return device.layout(start, *with_itself(found.distances, found.indices), settings)


def _earlier_places(run: Path, record: Record, level: str, views: Sequence[UnitRows]) -> NDArray[np.float32] | None:
    """Return (n, 3) where an earlier map had each image, NaN where it had not; None where there is no such map."""
    parts = []
    for name, view in zip(record.datasets, views, strict=True):
        points = earlier_layout(run, level, name)
        here = np.full((len(view), 3), np.nan, np.float32)
        if points is not None:
            old = view.rows < len(points)
            here[old] = points[view.rows[old]]
        parts.append(here)
    places = np.concatenate(parts)
    there = places[np.isfinite(places).all(axis=1)]
    # A map of one point, or of too few, is none to keep to.
    return places if len(there) >= _FEWEST and np.ptp(there, axis=0).any() else None


def _among_earlier(views: Sequence[UnitRows], places: NDArray[np.float32], device: Device, seed: int) -> Map:
    there = np.flatnonzero(np.isfinite(places).all(axis=1))
    chosen = there
    if len(there) > _MOST_AMONG:
        chosen = np.sort(np.random.default_rng(seed).choice(there, _MOST_AMONG, replace=False))
    among = gathered(views, chosen)
    first, new = 0, 0
    points = places.copy()
    for view in views:
        here = np.flatnonzero(~np.isfinite(places[first : first + len(view)]).all(axis=1))
        points[first + here] = place(view.some(here), among, places[chosen], device)
        first, new = first + len(view), new + len(here)
    note = f"{new:,} new images were placed on the earlier map of {len(there):,}; a new --out gives a map of its own"
    return Map(points=points, way="placed", laid_out=len(there), note=note)
