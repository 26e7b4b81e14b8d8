"""The page, its data and the libraries that it needs, all in one folder."""

from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapscope.report.boxes import boxes_facts
from gapscope.report.causes import cause_data, cause_facts
from gapscope.report.classes import PageClasses, class_data, class_facts
from gapscope.report.columns import read_columns
from gapscope.report.heat_maps import PageHeatMaps
from gapscope.report.kinds import PageKinds, kinds_data
from gapscope.report.likeness import Likeness
from gapscope.report.lists import NEAREST, OneSidedCluster, OutlierList, Ranking
from gapscope.report.names import Names, common_folder
from gapscope.report.neighbor_lists import NeighborLists, read_neighbor_lists
from gapscope.report.opening import openings
from gapscope.report.page_data import page_data
from gapscope.report.points import PointIndex, read_points
from gapscope.report.script import packed, script
from gapscope.report.selection import Selection
from gapscope.report.tiles import Tiles
from gapscope.settings import Reading
from gapscope.store.datasets import concatenated_slices
from gapscope.store.groups import read_all_groups
from gapscope.store.index import take_rows
from gapscope.store.metrics import Metrics
from gapscope.store.run_store import RunStore

ASSETS = ("index.html", "start.js", "page.js", "page.css", "LICENSES.txt")
"""Files that are the same in every report."""


def write_page(
    run: RunStore,
    metrics: Metrics,
    index: PointIndex,
    outlier_lists: list[OutlierList],
    rankings: list[Ranking],
    one_sided: list[list[OneSidedCluster]],
    kinds: PageKinds,
    heat_maps: PageHeatMaps,
    selection: Selection,
    tiles: Tiles,
    likeness: Likeness,
    classes: PageClasses | None,
    names: Names,
    folder: Path,
) -> None:
    """Write index.html and everything it loads, except the tiles, into `folder`.

    Args:
        run: the run.
        metrics: its numbers.
        index: all images that have coordinates.
        outlier_lists: every outlier list.
        rankings: of every reading, level and pair.
        one_sided: the one-sided clusters of every level.
        kinds: the kinds of image that are missing, or differ.
        heat_maps: where in images that is.
        selection: the images on the page.
        tiles: their thumbnails.
        likeness: vectors that find what is like an image.
        classes: of the images on the page; None for a run without classes.
        names: how images and places are written.
        folder: an existing folder.
    """
    for name, text in own_files().items():
        _write(folder / name, text)
    (folder / "data").mkdir()

    def write_data(name: str, value: object) -> None:
        _write(folder / "data" / f"{name}.js", script(name, value))

    columns = read_columns(run, index, selection, names, classes)
    opening = openings(run, metrics, index, outlier_lists, rankings, selection)
    facts = page_data(run, metrics, index, one_sided, selection, tiles, columns, opening, names)
    kinds_facts = kinds_data(run, metrics, kinds, index, selection, names)
    acting = {
        **class_facts(run, metrics, classes, names),
        **cause_facts(run, metrics, names),
        "boxes": boxes_facts(run, metrics, names),
    }
    write_data("facts", {**facts, **kinds_facts, **acting, "heatMaps": heat_maps.facts, "like": bool(likeness)})
    if classes is not None:
        for name, data in class_data(run, metrics, classes, names):
            write_data(name, data)
    if any(metrics["causes"].values()) or any(metrics["wanted"].values()):
        write_data("causes", cause_data(run, metrics, columns, names))
    if heat_maps.data is not None:
        write_data("heat-maps", heat_maps.data)
    for number, column in enumerate(columns):
        write_data(f"column-{number}", column.values)
    kind, listed = packed(kinds.kind[selection.image]), _listed(run, outlier_lists, index, selection)
    write_data("images", {**_images(run, index, selection, tiles, names), "kind": kind, "listed": listed})
    for (level, reading), vectors in likeness.items():
        write_data(f"like-{run.levels.index(level)}-{reading}", vectors.data)
    for number, level in enumerate(run.levels):
        readings: dict[Reading, dict[str, object]] = {}
        for reading in run.record.config.compare.listed_readings:
            own_lists = [own for own in outlier_lists if (own.level, own.reading) == (level, reading)]
            own_rankings = [own for own in rankings if (own.level, own.reading) == (level, reading)]
            neighbors = [read_neighbor_lists(run, reading, level, pair, index, selection) for pair in run.pairs]
            readings[reading] = _reading(own_lists, own_rankings, neighbors, index, selection)
            write_data(f"near-{number}-{reading}", _neighbors(neighbors))
        write_data(f"level-{number}", {**_level(run, level, index, selection), "readings": readings})


def own_files() -> dict[str, str]:
    """Return the page and what it loads beside its data, by name: the same in every report of this gapscope."""
    assets = files("gapscope.report") / "assets"
    return {name: (assets / _source(name)).read_text(encoding="utf-8") for name in ASSETS}


def _source(name: str) -> str:
    return "page.html" if name == "index.html" else name


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _images(run: RunStore, index: PointIndex, selection: Selection, tiles: Tiles, names: Names) -> dict[str, object]:
    dataset, row = index.dataset[selection.image], index.row[selection.image]
    uris = np.empty(len(dataset), dtype=object)
    for number, name in enumerate(index.datasets):
        own = take_rows(run, name, row[dataset == number], ["uri"])["uri"].to_pylist()
        uris[dataset == number] = [names.image(name, uri) for uri in own]
    prefixes = [common_folder(uris[dataset == number]) for number in range(len(index.datasets))]
    return {
        "dataset": packed(dataset.astype(np.uint16)),
        "row": packed(row.astype(np.uint32)),
        "drawn": packed(selection.drawn.astype(np.uint8)),
        "sizes": packed(tiles.sizes),
        **_groups(run, index, selection, names),
        "prefixes": prefixes,
        "names": [uri[len(prefixes[number]) :] for uri, number in zip(uris, dataset, strict=True)],
    }


def _groups(run: RunStore, index: PointIndex, selection: Selection, names: Names) -> dict[str, object]:
    """Return the group of every image on the page, as a number into a list of names and sizes; -1 for none."""
    if index.group is None:
        return {"group": None, "groups": []}
    numbers = index.group[selection.image]
    known = np.unique(numbers[numbers >= 0])
    listed: list[list[object]] = []
    groups = read_all_groups(run)
    slices = concatenated_slices({name: len(own) for name, own in groups.items()})
    for name, own in groups.items():
        numbers_of_own = known[(known >= slices[name].start) & (known < slices[name].stop)] - slices[name].start
        if own.names is not None:
            listed += [
                [names.image(name, str(own.names[number])), int(own.lengths[number])]
                for number in numbers_of_own.tolist()
            ]
    on_page = np.where(numbers >= 0, np.searchsorted(known, numbers), -1)
    return {"group": packed(on_page.astype(np.int32)), "groups": listed}


def _listed(run: RunStore, outlier_lists: list[OutlierList], index: PointIndex, selection: Selection) -> dict[str, str]:
    """Return per reading a number for each image, whose bit L says whether level L lists it against any dataset.

    Models have a level per stride, so fewer than ten; bit 31 would stand for all that come after it.
    """
    bits = {reading: np.zeros(len(index), np.uint32) for reading in run.record.config.compare.listed_readings}
    for outliers in outlier_lists:
        level = min(run.levels.index(outliers.level), 31)
        bits[outliers.reading][outliers.image] |= np.uint32(1 << level)
    return {reading: packed(own[selection.image]) for reading, own in bits.items()}


def _level(run: RunStore, level: str, index: PointIndex, selection: Selection) -> dict[str, object]:
    """Return what is the same in every reading: coordinates and clusters."""
    coordinates, clusters = read_points(run, level, index, selection.image)
    points = coordinates.astype(np.float64)
    low = points.min(axis=0, initial=np.inf) if len(points) else np.zeros(3)
    span = float((points - low).max(initial=0.0)) or 1.0
    return {
        "low": [float(value) for value in low],
        "span": span,
        # 16 bits a coordinate are finer than a pixel of any screen.
        "points": packed(np.rint((points - low) / span * 65535).astype(np.uint16)),
        "clusters": packed(clusters),
    }


def _reading(
    outlier_lists: list[OutlierList],
    rankings: list[Ranking],
    neighbors: list[NeighborLists],
    index: PointIndex,
    selection: Selection,
) -> dict[str, object]:
    page_numbers = selection.page_numbers(len(index))
    return {
        "scores": [packed(lists.score.astype(np.float16)) for lists in neighbors],
        "lists": [_outlier_list(outliers, page_numbers) for outliers in outlier_lists],
        "rankings": [_ranking(ranking, page_numbers) for ranking in rankings],
    }


def _neighbors(neighbors: list[NeighborLists]) -> dict[str, object]:
    pairs = [{"images": packed(lists.image), "distances": packed(lists.distance)} for lists in neighbors]
    return {"across": NEAREST, "pairs": pairs}


def _ranking(ranking: Ranking, page_numbers: NDArray[np.int32]) -> dict[str, object]:
    """Return a ranking of those of its images that are on the page."""
    on_page = page_numbers[ranking.image] >= 0
    return {"image": packed(page_numbers[ranking.image[on_page]]), "numbers": packed(ranking.numbers[on_page])}


def _outlier_list(outliers: OutlierList, page_numbers: NDArray[np.int32]) -> dict[str, object]:
    """Return an outlier list of those of its images that are on the page."""
    on_page = page_numbers[outliers.image] >= 0
    return {
        "total": len(outliers.image),
        "image": packed(page_numbers[outliers.image[on_page]]),
        "rank": packed(outliers.rank[on_page]),
        "reason": packed(outliers.reason[on_page]),
        "numbers": packed(outliers.numbers[on_page]),
    }
