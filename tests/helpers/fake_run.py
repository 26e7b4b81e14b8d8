"""Writes a finished run with invented numbers, so that tests know what a page must show. Nothing is embedded."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import fake_acting
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from gapscope.compare.outlier_scores import Basis
from gapscope.run import Run, open_run
from gapscope.settings import CompareSettings, LayoutSettings, Reading, Readings
from gapscope.sources import Folder, Value
from gapscope.store.classes import write_class_table
from gapscope.store.datasets import Pair, ordered_pairs
from gapscope.store.gaps import MEMBERS_SCHEMA, Gap, Gaps, write_gaps, write_members
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.index import GROUP_ROWS, write_index
from gapscope.store.layouts import write_layout
from gapscope.store.manifests import write_kinds, write_manifest
from gapscope.store.metrics import (
    ConfounderMetrics,
    Histogram,
    LayoutInfo,
    LevelMetrics,
    Measure,
    OneSidedClusterMetrics,
    PairMetrics,
    StyleAsideMetrics,
    write_metrics,
)
from gapscope.store.neighbors import create_neighbors, finish_neighbors, write_neighbor_rows, write_neighbors
from gapscope.store.run_record import (
    DatasetRecord,
    EmbedConfig,
    LevelRecord,
    ModelRecord,
    RunConfig,
    RunRecord,
    StyleScalerRecord,
)
from gapscope.store.run_store import RunStore
from gapscope.store.scores import write_scores

CREATED = "2026-01-02T03:04:05+00:00"
BASES: tuple[tuple[Basis, float], ...] = (("calibrated", 0.99), ("suggested", 0.87), ("ranking", 0.42))
"""What the list of each level rests on style aside, and the content that it sees; the last for all further ones."""
WEATHER = ("sun", "<img src=x onerror=window.hit=1>", "fog", None)


@dataclass(kw_only=True)
class FakeRunSpec:
    """The content of a fake run.

    Attributes:
        images: dataset to file names; an image's color identifies it, see `image_color`.
        broken: names of files that are no image.
        levels: level names.
        outliers: number of outliers per dataset, against every other dataset and at every level: its first images.
        outliers_aside: likewise style aside: its last images, where a level lists any; see `BASES`.
        readings: what is listed.
        k: neighbors that are stored per image.
        weather: values of the column `weather` of the first dataset, repeated as needed; see `source_metadata`.
        measured: whether the metrics have intervals, noise floors and confounders.
        acting: whether it has classes, which are folders in `images`, with probes, and boxes, causes and wanted values;
            see `fake_acting`.
        kinds: whether what is listed of the first two datasets is a kind each: see `fake_gaps`.
    """

    images: dict[str, list[str]]
    broken: set[str] = field(default_factory=set)
    levels: tuple[str, ...] = ("P2", "P3", "P4")
    outliers: int = 2
    outliers_aside: int = 1
    readings: Readings = "both"
    k: int = 5
    weather: tuple[str | None, ...] = WEATHER
    measured: bool = False
    kinds: bool = False
    acting: bool = False


def image_color(dataset: int, row: int) -> tuple[int, int, int]:
    """Return the color of an image; images of adjacent rows differ clearly."""
    return (40 + 160 * (dataset % 2), (row * 97) % 256, (row * 41 + 90) % 256)


def source_metadata(row: int, weather: tuple[str | None, ...] = WEATHER) -> dict[str, Value]:
    """Return the metadata that the first dataset's source has for an image; the other datasets have none."""
    return {"weather": weather[row % len(weather)], "speed": row * 1.5}


def write_fake_run(folder: Path, spec: FakeRunSpec) -> Run:
    """Write the images and the run into `folder`; return the opened run."""
    names = list(spec.images)
    sources = {name: folder / "images" / name for name in names}
    files = {name: _write_images(sources[name], number, spec) for number, name in enumerate(names)}
    run = RunStore(folder / "run", _record(spec, sources))
    run.path.mkdir()
    read_rows: dict[str, NDArray[np.int64]] = {}
    for name in names:
        broken = len(spec.broken.intersection(files[name]))
        read = len(files[name]) - broken
        run.record.datasets[name] = DatasetRecord(listed=len(files[name]), read=read, rejected=broken)
        read_rows[name] = _write_index(run, name, sources[name], spec)
    run.write_record()
    write_metrics(
        run.path,
        {
            "datasets": {
                name: {
                    "listed": dataset.listed,
                    "read": dataset.read or 0,
                    "rejected": dataset.rejected or 0,
                    "groups": dataset.read or 0,
                    "group_rule": "none",
                    "class_rule": "none",
                    "statuses": {"not-an-image": dataset.rejected} if dataset.rejected else {},
                    "listing": "",
                    "value_ranges": [],
                    "warnings": [],
                }
                for name, dataset in run.record.datasets.items()
            },
            "headlines": {pair.name: _headline(pair) for pair in run.pairs},
            "level_rankings": {pair.name: list(run.levels) for pair in run.pairs},
            "limits": {pair.name: {"smallest_gap": 1, "message": None} for pair in run.pairs},
            "shared_groups": {},
            "confounders": {pair.name: _confounders() for pair in run.pairs} if spec.measured else {},
            "duplicates": {
                "groups": 0,
                "images": 0,
                "repeats": dict.fromkeys(names, 0),
                "pairs": {pair.name: {"exact": 0, "near": 0} for pair in run.pairs},
            },
            "across_levels": {},
            **_acting(run, spec, files),  # type: ignore[typeddict-item]
            "levels": {
                level: _write_level(run, level, number, spec, files, read_rows)
                for number, level in enumerate(spec.levels)
            },
        },
    )
    _write_gaps(run, spec, files, read_rows)
    readings = run.record.config.compare.listed_readings
    embedded = {name: [files[name][row] for row in rows.tolist()] for name, rows in read_rows.items()}
    table = fake_acting.class_table(embedded if spec.acting else {}, spec.levels, readings)
    write_class_table(run.path, table)
    return open_run(run.path)


def _acting(run: RunStore, spec: FakeRunSpec, files: dict[str, list[str]]) -> dict[str, object]:
    if not spec.acting:
        return {"probes": {}, "boxes": {}, "causes": {}, "wanted": {}}
    pair = run.pairs[0]
    shown = spec.levels[-1], run.record.config.compare.listed_readings[0]
    classes = sorted({own for names in files.values() for file in names if (own := fake_acting.class_of(file))})
    return {
        "probes": fake_acting.probes(files, spec.levels),
        "boxes": fake_acting.boxes(pair, classes),
        "causes": fake_acting.causes(pair, spec.weather, *shown),
        "wanted": fake_acting.wanted(pair, *shown),
    }


KIND_NAMES = ("<img src=x onerror=window.hit=1>", "espresso")


def _write_gaps(
    run: RunStore, spec: FakeRunSpec, files: dict[str, list[str]], read_rows: dict[str, NDArray[np.int64]]
) -> None:
    """Write two kinds, of the images that are listed: one named by a column, one that the network guesses; or none."""
    kinds, members = [], [pa.table({name: [] for name in MEMBERS_SCHEMA.names}, schema=MEMBERS_SCHEMA)]
    query, reference = list(spec.images)[:2]
    pairs = (Pair(query, reference), Pair(reference, query)) if spec.kinds else ()
    for number, pair in enumerate(pairs):
        rows = read_rows[pair.query][: spec.outliers]
        kinds.append(_gap(run, spec, number, pair, files, rows, read_rows[pair.reference]))
        columns = {
            "kind": [f"K{number + 1}"] * len(rows),
            "dataset": [pair.query] * len(rows),
            "row": rows,
            "uri": [_uri(run, pair.query, files, row) for row in rows.tolist()],
        }
        members.append(pa.table(columns, schema=MEMBERS_SCHEMA))
    gaps: Gaps = {
        "kinds": kinds,
        "looks": [],
        "sentences": {pair.name: f"what {pair.name} says" for pair in run.pairs},
        "levels": {},
    }
    write_gaps(run.path, gaps)
    write_members(run.path, pa.concat_tables(members))


def _uri(run: RunStore, dataset: str, files: dict[str, list[str]], row: int) -> str:
    return str(run.path.parent / "images" / dataset / files[dataset][row])


def _gap(
    run: RunStore,
    spec: FakeRunSpec,
    number: int,
    pair: Pair,
    files: dict[str, list[str]],
    rows: NDArray[np.int64],
    reference_rows: NDArray[np.int64],
) -> Gap:
    levels, counterpart = list(spec.levels), int(reference_rows[-1])
    return {
        "id": f"K{number + 1}",
        "sort": ("absent", "only-here")[number],
        "query": pair.query,
        "reference": pair.reference,
        "name": KIND_NAMES[number],
        "name_source": ("column weather", "network")[number],
        "name_share": (None, 0.83)[number],
        "images": len(rows),
        "groups": len(rows),
        "share": len(rows) / len(files[pair.query]),
        "levels": (levels, levels[:1])[number],
        "readings": [run.record.config.compare.listed_readings[0]],
        "q": (0.004, None)[number],
        "level": levels[-1],
        "typical": 1,
        "pictures": [
            {
                "uri": _uri(run, pair.query, files, row),
                "row": row,
                "counterpart": _uri(run, pair.reference, files, counterpart),
                "counterpart_row": counterpart,
                "distance": 0.25,
            }
            for row in rows.tolist()
        ],
        "spacing": 0.03,
        "mirror": None,
        "title": (f"Missing from {pair.reference}", f"Only in {pair.query}")[number],
        "advice": f"what to do about {pair.name}",
        "evidence": {
            level: {"listed": 1.0, "lacking": 0.9, "outside": 1.0, "counterparts": None} for level in spec.levels
        },
    }


MEASURES = ("frechet", "kid", "precision", "recall", "density", "coverage", "two_sample")


def _measures(level: int) -> dict[str, Measure]:
    """Return a level's metrics that have an interval and a noise floor."""
    measures: dict[str, Measure] = {
        name: {
            "value": 0.4 + 0.1 * level,
            "low": 0.35,
            "high": 0.75,
            "floor": 0.2,
            "ratio": 2.0 + 0.5 * level,
            "beyond_noise": True,
        }
        for name in MEASURES
    }
    measures["two_sample"]["p"] = 0.004
    return measures


def _confounders() -> ConfounderMetrics:
    return {
        "auc": 0.99,
        "levels": [],
        "warning": "the files alone tell the datasets apart: <i>JPEG</i> on one side, PNG on the other",
        "facts": [
            {"name": "file format", "effect": 0.97, "query": "100% JPEG", "reference": "100% <b>PNG</b>"},
            {"name": "megapixels", "effect": 0.51, "query": 0.64, "reference": 0.512},
        ],
    }


def _headline(pair: Pair) -> str:
    images = f"2 of 24 {pair.query} images"
    return f"{images} (8%) are not like {pair.reference}, or too rare in it, at P3; {pair.name}"


def _record(spec: FakeRunSpec, sources: dict[str, Path]) -> RunRecord:
    return RunRecord(
        config=RunConfig(
            datasets={name: str(path) for name, path in sources.items()},
            embed=EmbedConfig(
                model="bundled",
                weights_sha256="",
                levels=spec.levels,
                pool="mean",
                precision="float32",
                speedups=(),
                size=224,
                fit="crop",
                max_pixels=200_000_000,
            ),
            layout=LayoutSettings(),
            compare=CompareSettings(k=spec.k, readings=spec.readings),
        ),
        model=ModelRecord(
            name="bundled",
            weights="",
            weights_sha256="",
            levels=tuple(
                LevelRecord(name=level, stride=4 << index, channels=8) for index, level in enumerate(spec.levels)
            ),
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        ),
        style_scaler={}
        if spec.readings == "as-is"
        else {
            level: dict.fromkeys(sources, StyleScalerRecord(mean=[0.0] * 8, std=[1.0] * 8, trimmed=False))
            for level in spec.levels
        },
        versions={"gapscope": "0.1.0"},
        created=CREATED,
        block_rows=GROUP_ROWS,
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


def _write_index(run: RunStore, name: str, folder: Path, spec: FakeRunSpec) -> NDArray[np.int64]:
    """Write a dataset's index; return the rows of the images that are not broken."""
    entries = sorted(Folder(str(folder)).entries(), key=lambda entry: entry.uri)
    if name == next(iter(spec.images)):
        entries = [replace(entry, values=source_metadata(row, spec.weather)) for row, entry in enumerate(entries)]
        write_index(run, name, entries, {"weather": "text", "speed": "number"})
    elif spec.acting:
        entries = [replace(entry, values={"sun": fake_acting.SUN * row}) for row, entry in enumerate(entries)]
        write_index(run, name, entries, {"sun": "number"})
    else:
        write_index(run, name, entries)
    broken = [entry.uri.removeprefix(f"{folder}/") in spec.broken for entry in entries]
    stats: list[ImageStats] = [
        {"status": "not-an-image", "error": "no decoder knows these bytes"}
        if is_broken
        else {"format": "PNG", "width": 48, "height": 36, "status": "ok", "error": ""}
        for is_broken in broken
    ]
    write_image_stats(run, name, 0, stats)
    merge_image_stats(run, name)
    return np.flatnonzero(~np.array(broken, dtype=bool))


def _write_level(
    run: RunStore,
    level: str,
    level_index: int,
    spec: FakeRunSpec,
    files: dict[str, list[str]],
    read_rows: dict[str, NDArray[np.int64]],
) -> LevelMetrics:
    """Write the layout, neighbors and manifests of a level; return its metrics."""
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
    images = sum(map(len, read_rows.values()))
    layout: LayoutInfo = {
        "strategy": "full",
        "images": images,
        "umap_images": images,
        "note": "",
        "trustworthiness": 0.9 + 0.01 * level_index if spec.measured else None,
        "neighbor_recall": None,
        "k": 0,
        "sample": 0,
        "clustered": images,
    }
    write_layout(run, level, np.concatenate(list(points.values())), np.concatenate(list(clusters.values())), layout)
    pairs: dict[str, PairMetrics] = {}
    style_aside: dict[str, StyleAsideMetrics] = {}
    for pair in ordered_pairs(names):
        query, reference = pair
        neighbors = _neighbors(points[query], points[reference], read_rows[query], read_rows[reference], spec.k)
        write_neighbors(run, level, pair, *neighbors)
        query_uris = [str(run.path.parent / "images" / query / name) for name in files[query]]
        reference_uris = [str(run.path.parent / "images" / reference / name) for name in files[reference]]
        listed = read_rows[query][: spec.outliers]
        pairs[pair.name] = _pair_metrics(pair, level_index, spec, read_rows, outliers=len(listed))
        if spec.readings != "style-aside":
            manifest = _manifest(listed, query_uris, reference_uris, neighbors, points[query], clusters[query])
            _write_reading(run, level, pair, "as-is", manifest, read_rows[query], neighbors[0])
        if spec.readings != "as-is":
            # The farthest are the nearest, so that nobody takes one reading's neighbors for the other's.
            aside = _neighbors(points[query], -points[reference], read_rows[query], read_rows[reference], spec.k)
            create_neighbors(run, level, pair, spec.k, "style-aside")
            rows = np.arange(len(files[query]))
            write_neighbor_rows(run, level, pair, rows, *aside, "style-aside")
            finish_neighbors(run, level, pair, {"method": "exact", "recall": 1.0, "sample": 0}, "style-aside")
            basis, content = BASES[min(level_index, len(BASES) - 1)]
            ranked = read_rows[query][::-1]
            listed = ranked[: spec.outliers_aside] if basis != "ranking" else ranked[:0]
            manifest = _manifest(ranked, query_uris, reference_uris, aside, points[query], clusters[query])
            manifest["listed"] = np.isin(ranked, listed)
            manifest["reason"] = np.where(manifest["listed"], "suggested" if basis == "suggested" else "outside", "")
            kept = manifest[manifest["listed"]] if len(listed) else manifest
            _write_reading(run, level, pair, "style-aside", kept, read_rows[query], aside[0] + 100)
            numbers = _pair_metrics(pair, level_index, spec, read_rows, outliers=len(listed))
            numbers["measures"].pop("frechet", None)
            style_aside[pair.name] = {
                **numbers,
                "basis": basis,
                "residual": 0.0,
                "content": content,
                "trimmed": False,
            }
    first = names[0]
    one_sided: OneSidedClusterMetrics = {
        "cluster": 0,
        "images": len(read_rows[first]),
        "dataset": first,
        "share": 1.0,
        "typical": [str(run.path.parent / "images" / first / files[first][read_rows[first][-1]])]
        if spec.measured
        else [],
    }
    nothing: list[list[float | None]] = [[None] * len(names) for _ in names]
    return {
        "pairs": pairs,
        "style_aside": style_aside,
        "clusters": {
            "count": len(names),
            "datasets": names,
            "composition": [[len(read_rows[other]) * (other == name) for other in names] for name in names],
            "one_sided": [one_sided],
        },
        "matrix": {"datasets": names, "outlier_share": nothing, "gap": nothing},
        "group_neighbors": {},
        "style_aside_neighbors": {},
        "neighbors": {name: {"method": "exact", "recall": 1.0, "sample": 0} for name in pairs},
        "layout": layout,
    }


def _write_reading(
    run: RunStore,
    level: str,
    pair: Pair,
    reading: Reading,
    manifest: pd.DataFrame,
    rows: NDArray[np.int64],
    distances: NDArray[np.float32],
) -> None:
    """Write what a reading lists, and the scores of all images."""
    write_manifest(run.path, level, pair, reading, [manifest], pa.schema([]))
    write_kinds(run.path, level, pair, reading, [""], np.zeros(run.record.datasets[pair.query].listed, np.int64))
    p = np.linspace(0.001, 1, len(rows))
    write_scores(run.path, level, pair, reading, rows, distances[rows, -1], p, p <= 0.1, p.astype(np.float32))


def _pair_metrics(
    pair: Pair, level_index: int, spec: FakeRunSpec, read_rows: dict[str, NDArray[np.int64]], *, outliers: int
) -> PairMetrics:
    images = len(read_rows[pair.query])
    scores: Histogram = {"edges": [0.0, 0.25, 0.5, 0.75, 1.0], "query": [2, 8, 9, 5], "reference": [10, 12, 2, 0]}
    return {
        "query": pair.query,
        "reference": pair.reference,
        "images": images,
        "groups": images,
        "reference_images": len(read_rows[pair.reference]),
        "reference_groups": len(read_rows[pair.reference]),
        "outliers": outliers,
        "outlier_groups": outliers,
        "outlier_share": outliers / images if images else 0.0,
        "outside": outliers,
        "under_represented": 0,
        "share_outside": 0.25,
        "share_outside_low": 0.2,
        "share_outside_high": 0.3,
        "coverage": 0.5,
        "reference_neighbors": 0.3,
        "reference_neighbors_expected": 0.5,
        "gap": 0.4,
        "measures": _measures(level_index) if spec.measured else {},
        "scores": scores,
        "ranking": [],
    }


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
            "distance": distances[listed, -1],
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
