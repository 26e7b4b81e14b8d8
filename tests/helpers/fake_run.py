"""Writes a finished run with invented numbers, so that tests know what a page must show. Nothing is embedded."""

from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from gapscope.store.results import pair_name, write_layout, write_neighbors
from numpy.typing import NDArray
from PIL import Image

from gapscope.run import Run, open_run
from gapscope.sources import Folder, Value
from gapscope.store.atomic import write_json
from gapscope.store.index import GROUP_ROWS, merge_image_stats, write_image_stats, write_index
from gapscope.store.manifests import write_manifest
from gapscope.store.run_record import RunRecord

CREATED = "2026-01-02T03:04:05+00:00"
WEATHER = ("sun", "<img src=x onerror=window.hit=1>", "fog", None)


@dataclass(kw_only=True)
class FakeRunSpec:
    """The content of a fake run.

    Attributes:
        images: dataset to file names; an image's color identifies it, see `image_color`.
        broken: names of files that are no image.
        levels: level names.
        outliers: number of outliers per dataset, against every other dataset and at every level: its first images.
        k: neighbors that are stored per image.
        weather: values of the column `weather` of the first dataset, repeated as needed; see `source_metadata`.
        measured: whether the metrics have intervals, noise floors, histograms, confounders and headlines.
    """

    images: dict[str, list[str]]
    broken: set[str] = field(default_factory=set)
    levels: tuple[str, ...] = ("P2", "P3", "P4")
    outliers: int = 2
    k: int = 5
    weather: tuple[str | None, ...] = WEATHER
    measured: bool = False


def image_color(dataset: int, row: int) -> tuple[int, int, int]:
    """Return the color of an image; images of adjacent rows differ clearly."""
    return (40 + 160 * (dataset % 2), (row * 97) % 256, (row * 41 + 90) % 256)


def source_metadata(row: int, weather: tuple[str | None, ...] = WEATHER) -> dict[str, Value]:
    """Return the metadata that the first dataset's source has for an image; the other datasets have none."""
    return {"weather": weather[row % len(weather)], "speed": row * 1.5}


def write_fake_run(folder: Path, spec: FakeRunSpec) -> Run:
    """Write the images and the run into `folder`; return the opened run."""
    run, names = folder / "run", list(spec.images)
    sources = {name: folder / "images" / name for name in names}
    files = {name: _write_images(sources[name], number, spec) for number, name in enumerate(names)}
    _record(spec, sources).write(run)
    read_rows = {name: _write_index(run, name, sources[name], spec) for name in names}
    datasets = {
        name: {
            "listed": len(files[name]),
            "read": len(read_rows[name]),
            "rejected": len(files[name]) - len(read_rows[name]),
        }
        for name in names
    }
    record = _record(spec, sources)
    record.datasets = {name: dict(counts) for name, counts in datasets.items()}
    record.write(run)
    levels = {}
    for number, level in enumerate(spec.levels):
        pairs = _write_level(run, level, number, spec, files, read_rows)
        one_sided: list[dict[str, Any]] = [
            {"cluster": 0, "images": len(read_rows[names[0]]), "dataset": names[0], "share": 1.0}
        ]
        layout = {}
        if spec.measured:
            last = read_rows[names[0]][-1]
            one_sided[0]["typical"] = [str(sources[names[0]] / files[names[0]][last])]
            layout = {"layout": {"trustworthiness": 0.9 + 0.01 * number}}
            pairs = {name: pair | _measured_metrics(number) for name, pair in pairs.items()}
        levels[level] = {"pairs": pairs, "clusters": {"count": len(names), "one_sided": one_sided}, **layout}
    statuses = {
        name: {"not-an-image": counts["rejected"]} if counts["rejected"] else {} for name, counts in datasets.items()
    }
    dataset_metrics = {name: {**counts, "statuses": statuses[name]} for name, counts in datasets.items()}
    pair_metrics = _confounders_and_headlines(names) if spec.measured else {}
    write_json(run / "metrics.json", {"datasets": dataset_metrics, "levels": levels, **pair_metrics})
    return open_run(run)


MEASURES = ("frechet", "kid", "precision", "recall", "density", "coverage", "two_sample")


def _measured_metrics(level: int) -> dict[str, Any]:
    """Return the metrics of a level and pair that have an interval and a noise floor."""
    measure = {"value": 0.4 + 0.1 * level, "low": 0.35, "high": 0.75, "floor": 0.2, "ratio": 2.0 + 0.5 * level}
    return {
        "share_outside_low": 0.2,
        "share_outside_high": 0.3,
        "measures": {name: measure | ({"p": 0.004} if name == "two_sample" else {}) for name in MEASURES},
        "scores": {"edges": [0.0, 0.25, 0.5, 0.75, 1.0], "query": [2, 8, 9, 5], "reference": [10, 12, 2, 0]},
    }


def _confounders_and_headlines(names: list[str]) -> dict[str, Any]:
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


def _record(spec: FakeRunSpec, sources: dict[str, Path]) -> RunRecord:
    config: dict[str, Any] = {
        "datasets": {name: str(path) for name, path in sources.items()},
        "sources": {"objects": False},
        "embed": {
            "model": "bundled",
            "levels": list(spec.levels),
            "size": 224,
            "fit": "crop",
            "max_pixels": 200_000_000,
            "precision": "float32",
        },
        "layout": {"n_neighbors": 15, "min_dist": 0.1, "seed": 0},
        "compare": {"k": spec.k, "k_local": 30, "fdr": 0.1},
    }
    levels = [{"name": level, "stride": 4 << index, "channels": 8} for index, level in enumerate(spec.levels)]
    return RunRecord(
        config=config, model={"name": "bundled", "levels": levels}, versions={"gapscope": "0.1.0"}, created=CREATED
    )


def _write_images(folder: Path, dataset: int, spec: FakeRunSpec) -> list[str]:
    folder.mkdir(parents=True)
    names = sorted(spec.images[list(spec.images)[dataset]])
    for row, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in spec.broken:
            path.write_bytes(b"no image")
        else:
            Image.new("RGB", (48, 36), image_color(dataset, row)).save(path, "PNG")
    return names


def _write_index(run: Path, name: str, folder: Path, spec: FakeRunSpec) -> NDArray[np.int64]:
    """Write a dataset's index; return the rows of the images that are not broken."""
    entries = sorted(Folder(str(folder)).entries(), key=lambda entry: entry.uri)
    if name == next(iter(spec.images)):
        entries = [replace(entry, values=source_metadata(row, spec.weather)) for row, entry in enumerate(entries)]
        write_index(run, name, entries, {"weather": "text", "speed": "number"})
    else:
        write_index(run, name, entries)
    broken = [entry.uri.removeprefix(f"{folder}/") in spec.broken for entry in entries]
    stats = [
        {"status": "not-an-image", "error": "no decoder knows these bytes"}
        if is_broken
        else {"format": "PNG", "width": 48, "height": 36, "status": "ok", "error": ""}
        for is_broken in broken
    ]
    write_image_stats(run, name, 0, stats)
    merge_image_stats(run, name, GROUP_ROWS)
    return np.flatnonzero(~np.array(broken, dtype=bool))


def _write_level(
    run: Path,
    level: str,
    level_index: int,
    spec: FakeRunSpec,
    files: dict[str, list[str]],
    read_rows: dict[str, NDArray[np.int64]],
) -> dict[str, Any]:
    """Write the layout, neighbors and manifests of a level; return the metrics of its pairs."""
    names = list(spec.images)
    random = np.random.default_rng(level_index)
    points, clusters = {}, {}
    for number, name in enumerate(names):
        rows, n_images = read_rows[name], len(files[name])
        blob = random.normal(scale=1.0, size=(n_images, 3)) + 3.0 * np.eye(3)[number % 3] * (1 + number // 3)
        points[name] = np.full((n_images, 3), np.nan, np.float32)
        points[name][rows] = blob[rows]
        clusters[name] = np.full(n_images, -1, np.int32)
        clusters[name][rows] = number
    write_layout(run, level, np.concatenate(list(points.values())), np.concatenate(list(clusters.values())))
    pairs = {}
    for query, reference in permutations(names, 2):
        neighbors = _neighbors(points[query], points[reference], read_rows[query], read_rows[reference], spec.k)
        write_neighbors(run, level, query, reference, *neighbors)
        query_uris = [str(run.parent / "images" / query / name) for name in files[query]]
        reference_uris = [str(run.parent / "images" / reference / name) for name in files[reference]]
        listed = read_rows[query][: spec.outliers]
        manifest = _manifest(listed, query_uris, reference_uris, neighbors, points[query], clusters[query])
        write_manifest(run, level, query, reference, manifest, pa.schema([]))
        images = len(read_rows[query])
        pairs[pair_name(query, reference)] = {
            "query": query,
            "reference": reference,
            "images": images,
            "reference_images": len(read_rows[reference]),
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
    query: NDArray[np.float32],
    reference: NDArray[np.float32],
    query_rows: NDArray[np.int64],
    reference_rows: NDArray[np.int64],
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return (rows, k) distances and row indices of the nearest reference points; inf and -1 where there is none."""
    distances = np.full((len(query), k), np.inf, np.float32)
    indices = np.full((len(query), k), -1, np.int64)
    pairwise = np.linalg.norm(query[query_rows, None] - reference[None, reference_rows], axis=2)
    order = np.argsort(pairwise, axis=1)[:, :k]
    distances[query_rows, : order.shape[1]] = np.take_along_axis(pairwise, order, axis=1)
    indices[query_rows, : order.shape[1]] = reference_rows[order]
    return distances, indices


def _manifest(
    listed: NDArray[np.int64],
    query_uris: list[str],
    reference_uris: list[str],
    neighbors: tuple[NDArray[np.float32], NDArray[np.int64]],
    points: NDArray[np.float32],
    clusters: NDArray[np.int32],
) -> pd.DataFrame:
    distances, indices = neighbors
    count = len(listed)
    p_values = np.linspace(0.001, 0.05, count)
    return pd.DataFrame(
        {
            "rank": np.arange(1, count + 1),
            "uri": [query_uris[row] for row in listed],
            "row": listed,
            "reason": [("outside", "both", "under-represented")[index % 3] for index in range(count)],
            "score": distances[listed, -1],
            **dict.fromkeys(("p", "q", "outside_p", "outside_q", "under_p", "under_q"), p_values),
            "nearest_distance": distances[listed, 0],
            "neighbors": pd.Series(
                [[reference_uris[index] for index in indices[row] if index >= 0] for row in listed], dtype=object
            ),
            "x": points[listed, 0],
            "y": points[listed, 1],
            "z": points[listed, 2],
            "cluster": clusters[listed],
        }
    )
