"""A finished run whose numbers are made up, so that tests know what a page must show. It embeds nothing."""

from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from gapscope.run import Run, open_run
from gapscope.sources import Folder, Value
from gapscope.store.atomic import write_json
from gapscope.store.index import GROUP_ROWS, merge_image_stats, write_image_stats, write_index
from gapscope.store.manifests import write_manifest
from gapscope.store.results import pair_name, write_layout, write_neighbors
from gapscope.store.run_record import RunRecord

CREATED = "2026-01-02T03:04:05+00:00"


WEATHER = ("sun", "<img src=x onerror=window.hit=1>", "fog", None)


@dataclass(kw_only=True)
class Made:
    """What to make a run of.

    Attributes:
        images: dataset to file names; an image's colour says which it is, see `color`.
        broken: file names whose bytes are no image.
        levels: level names.
        outliers: how many of each dataset's first images are outliers, against every other dataset at every level.
        k: neighbors that are kept.
        weather: what the first dataset's source says of its images, over and over; see `said`.
        measured: whether the numbers hold intervals, noise floors, histograms, confounders and head lines.
    """

    images: dict[str, list[str]]
    broken: set[str] = field(default_factory=set)
    levels: tuple[str, ...] = ("P2", "P3", "P4")
    outliers: int = 2
    k: int = 5
    weather: tuple[str | None, ...] = WEATHER
    measured: bool = False


def color(dataset: int, row: int) -> tuple[int, int, int]:
    """A colour of its own for every image, far from the next one's."""
    return (40 + 160 * (dataset % 2), (row * 97) % 256, (row * 41 + 90) % 256)


def said(row: int, weather: tuple[str | None, ...] = WEATHER) -> dict[str, Value]:
    """What the first dataset's source says of each image; the other datasets' say nothing."""
    return {"weather": weather[row % len(weather)], "speed": row * 1.5}


def make_run(folder: Path, made: Made) -> Run:
    """Write the images and the run; return it, opened."""
    run, names = folder / "run", list(made.images)
    sources = {name: folder / "images" / name for name in names}
    rows = {name: _write_images(sources[name], at, made) for at, name in enumerate(names)}
    _record(made, sources).write(run)
    good = {name: _write_index(run, name, sources[name], made) for name in names}
    datasets = {
        name: {"listed": len(rows[name]), "read": len(good[name]), "rejected": len(rows[name]) - len(good[name])}
        for name in names
    }
    record = _record(made, sources)
    record.datasets = {name: dict(facts) for name, facts in datasets.items()}
    record.write(run)
    levels = {}
    for number, level in enumerate(made.levels):
        pairs = _write_level(run, level, number, made, rows, good)
        one_sided: list[dict[str, Any]] = [
            {"cluster": 0, "images": len(good[names[0]]), "dataset": names[0], "share": 1.0}
        ]
        layout = {}
        if made.measured:
            last = good[names[0]][-1]
            one_sided[0]["typical"] = [str(sources[names[0]] / rows[names[0]][last])]
            layout = {"layout": {"trustworthiness": 0.9 + 0.01 * number}}
            pairs = {name: pair | measured(number) for name, pair in pairs.items()}
        levels[level] = {"pairs": pairs, "clusters": {"count": len(names), "one_sided": one_sided}, **layout}
    statuses = {
        name: {"not-an-image": facts["rejected"]} if facts["rejected"] else {} for name, facts in datasets.items()
    }
    numbers = {name: {**facts, "statuses": statuses[name]} for name, facts in datasets.items()}
    more = _about_pairs(names) if made.measured else {}
    write_json(run / "metrics.json", {"datasets": numbers, "levels": levels, **more})
    return open_run(run)


MEASURES = ("frechet", "kid", "precision", "recall", "density", "coverage", "two_sample")


def measured(level: int) -> dict[str, Any]:
    """The numbers of a level and pair that have an interval and a noise floor."""
    one = {"value": 0.4 + 0.1 * level, "low": 0.35, "high": 0.75, "floor": 0.2, "ratio": 2.0 + 0.5 * level}
    return {
        "share_outside_low": 0.2,
        "share_outside_high": 0.3,
        "measures": {name: one | ({"p": 0.004} if name == "two_sample" else {}) for name in MEASURES},
        "scores": {"edges": [0.0, 0.25, 0.5, 0.75, 1.0], "query": [2, 8, 9, 5], "reference": [10, 12, 2, 0]},
    }


def _about_pairs(names: list[str]) -> dict[str, Any]:
    pairs = {pair_name(*pair): pair for pair in permutations(names, 2)}
    files = [
        {"name": "file format", "effect": 0.97, "query": "100% JPEG", "reference": "100% <b>PNG</b>"},
        {"name": "width", "effect": 0.51, "query": 640, "reference": 512.0},
    ]
    warning = "the files alone tell the datasets apart: <i>JPEG</i> on one side, PNG on the other"
    return {
        "confounders": {name: {"auc": 0.99, "warning": warning, "facts": files} for name in pairs},
        "headlines": {
            name: f"{name}: 2 of 24 {query} images lie outside the {reference} set at P3, 2.5 times the noise floor"
            for name, (query, reference) in pairs.items()
        },
    }


def _record(made: Made, sources: dict[str, Path]) -> RunRecord:
    config: dict[str, Any] = {
        "datasets": {name: str(path) for name, path in sources.items()},
        "sources": {"objects": False},
        "embed": {
            "model": "bundled",
            "levels": list(made.levels),
            "size": 224,
            "fit": "crop",
            "max_pixels": 200_000_000,
            "precision": "float32",
        },
        "layout": {"n_neighbors": 15, "min_dist": 0.1, "seed": 0},
        "compare": {"k": made.k, "k_local": 30, "fdr": 0.1},
    }
    levels = [{"name": level, "stride": 4 << at, "channels": 8} for at, level in enumerate(made.levels)]
    return RunRecord(
        config=config, model={"name": "bundled", "levels": levels}, versions={"gapscope": "0.1.0"}, created=CREATED
    )


def _write_images(folder: Path, dataset: int, made: Made) -> list[str]:
    folder.mkdir(parents=True)
    names = sorted(made.images[list(made.images)[dataset]])
    for row, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in made.broken:
            path.write_bytes(b"no image")
        else:
            Image.new("RGB", (48, 36), color(dataset, row)).save(path, "PNG")
    return names


def _write_index(run: Path, name: str, folder: Path, made: Made) -> NDArray[np.int64]:
    entries = sorted(Folder(str(folder)).entries(), key=lambda entry: entry.uri)
    if name == next(iter(made.images)):
        entries = [replace(entry, values=said(row, made.weather)) for row, entry in enumerate(entries)]
        write_index(run, name, entries, {"weather": "text", "speed": "number"})
    else:
        write_index(run, name, entries)
    broken = [entry.uri.removeprefix(f"{folder}/") in made.broken for entry in entries]
    facts = [
        {"status": "not-an-image", "error": "no decoder knows these bytes"}
        if bad
        else {"format": "PNG", "width": 48, "height": 36, "status": "ok", "error": ""}
        for bad in broken
    ]
    write_image_stats(run, name, 0, facts)
    merge_image_stats(run, name, GROUP_ROWS)
    return np.flatnonzero(~np.array(broken, dtype=bool))


def _write_level(
    run: Path,
    level: str,
    number: int,
    made: Made,
    rows: dict[str, list[str]],
    good: dict[str, NDArray[np.int64]],
) -> dict[str, Any]:
    names = list(made.images)
    random = np.random.default_rng(number)
    points, clusters = {}, {}
    for at, name in enumerate(names):
        spread = random.normal(scale=1.0, size=(len(rows[name]), 3)) + 3.0 * np.eye(3)[at % 3] * (1 + at // 3)
        points[name] = np.full((len(rows[name]), 3), np.nan, np.float32)
        points[name][good[name]] = spread[good[name]]
        clusters[name] = np.full(len(rows[name]), -1, np.int32)
        clusters[name][good[name]] = at
    write_layout(run, level, np.concatenate(list(points.values())), np.concatenate(list(clusters.values())))
    pairs = {}
    for query, reference in permutations(names, 2):
        near = _neighbors(points[query], points[reference], good[query], good[reference], made.k)
        write_neighbors(run, level, query, reference, *near)
        uris = [str(run.parent / "images" / reference / name) for name in rows[reference]]
        own = [str(run.parent / "images" / query / name) for name in rows[query]]
        listed = good[query][: made.outliers]
        table = _manifest(listed, own, uris, near, points[query], clusters[query])
        write_manifest(run, level, query, reference, table, pa.schema([]))
        images = len(good[query])
        pairs[pair_name(query, reference)] = {
            "query": query,
            "reference": reference,
            "images": images,
            "reference_images": len(good[reference]),
            "outliers": len(listed),
            "outlier_share": len(listed) / images if images else 0.0,
            "outside": len(listed),
            "under_represented": 0,
            "share_outside": 0.25,
            "coverage": 0.5,
            "reference_neighbors": 0.3,
            "reference_neighbors_expected": 0.5,
            "a_new_number": 1.5,
        }
    return pairs


def _neighbors(
    asking: NDArray[np.float32],
    asked: NDArray[np.float32],
    asking_rows: NDArray[np.int64],
    asked_rows: NDArray[np.int64],
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    distances = np.full((len(asking), k), np.inf, np.float32)
    indices = np.full((len(asking), k), -1, np.int64)
    apart = np.linalg.norm(asking[asking_rows, None] - asked[None, asked_rows], axis=2)
    order = np.argsort(apart, axis=1)[:, :k]
    distances[asking_rows, : order.shape[1]] = np.take_along_axis(apart, order, axis=1)
    indices[asking_rows, : order.shape[1]] = asked_rows[order]
    return distances, indices


def _manifest(
    listed: NDArray[np.int64],
    own: list[str],
    other: list[str],
    near: tuple[NDArray[np.float32], NDArray[np.int64]],
    points: NDArray[np.float32],
    clusters: NDArray[np.int32],
) -> pd.DataFrame:
    distances, indices = near
    count = len(listed)
    small = np.linspace(0.001, 0.05, count)
    return pd.DataFrame(
        {
            "rank": np.arange(1, count + 1),
            "uri": [own[row] for row in listed],
            "row": listed,
            "reason": [("outside", "both", "under-represented")[at % 3] for at in range(count)],
            "score": distances[listed, -1],
            **dict.fromkeys(("p", "q", "outside_p", "outside_q", "under_p", "under_q"), small),
            "nearest_distance": distances[listed, 0],
            "neighbors": pd.Series([[other[at] for at in indices[row] if at >= 0] for row in listed], dtype=object),
            "x": points[listed, 0],
            "y": points[listed, 1],
            "z": points[listed, 2],
            "cluster": clusters[listed],
        }
    )
