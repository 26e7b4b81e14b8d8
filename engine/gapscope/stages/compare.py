"""The stage that asks, per level and ordered pair, which images the other dataset lacks, and how far both differ."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.compare.across_levels import AcrossLevels, write_across_levels
from gapscope.compare.clusters import cluster_metrics, typical_images
from gapscope.compare.confounders import confounders, image_stats
from gapscope.compare.duplicates import write_duplicates
from gapscope.compare.fdr import estimated_share
from gapscope.compare.headline import headline
from gapscope.compare.interval import share_interval
from gapscope.compare.metrics import (
    distance_metric,
    halves_inside,
    score_histogram,
    support_metrics,
    two_sample_metric,
)
from gapscope.compare.outlier_scores import OutlierScores, knn_radius, score_outliers
from gapscope.compare.outlier_table import outlier_table, ranked
from gapscope.device import Device
from gapscope.neighbors.embedding_view import EmbeddingView, open_view
from gapscope.progress import Progress
from gapscope.settings import CompareSettings
from gapscope.stages.layout import level_infos
from gapscope.store import checksums
from gapscope.store.atomic import write_json
from gapscope.store.index import read_source_metadata, rows_rejected
from gapscope.store.manifests import write_manifest
from gapscope.store.pairs import ordered_pairs
from gapscope.store.results import pair_name, read_layout, some_neighbors
from gapscope.store.run_record import RunRecord

Pair = tuple[str, str]


def compare_datasets(
    run: Path, record: RunRecord, settings: CompareSettings, device: Device, progress: Progress
) -> None:
    """Write every manifest, metrics.json, and SHA256SUMS of these files and rejects.csv."""
    # Until the last of them is written, they do not agree.
    (run / checksums.NAME).unlink(missing_ok=True)
    levels, names = record.config["embed"]["levels"], list(record.datasets)
    pairs = ordered_pairs(names, settings.reference)
    said = {name: read_source_metadata(run, name) for name in names}
    over: dict[Pair, AcrossLevels] = {}
    by_level: dict[str, Any] = {}
    with progress.task("outliers", len(levels) * len(pairs), "pair") as task:
        for number, level in enumerate(levels):
            at = _Level.of(run, record, level, settings, pairs)
            numbers: dict[Pair, Any] = {}
            for pair in pairs:
                if pair in numbers:
                    continue
                answers = {one: at.score_outliers(*one) for one in (pair, pair[::-1])}
                apart = device.distribution_distances(at.views[pair[0]], at.views[pair[1]])
                for one, distances in zip(answers, apart, strict=True):
                    there, back = answers[one], answers[one[::-1]]
                    _write_manifest(at, one, there, said)
                    over.setdefault(one, AcrossLevels.of(there, levels)).add(number, there)
                    measures = {name: distance_metric(found) for name, found in distances.items()}
                    measures |= support_metrics(there, back, (at.views[one[0]], at.views[one[1]]), at.halves[one[1]])
                    measures["two_sample"] = two_sample_metric(run, level, one, (there, back), settings.k)
                    numbers[one] = {**_counts(one, there), "measures": measures, "scores": score_histogram(there)}
                    task.advance(1)
            by_level[level] = {
                "pairs": {pair_name(*pair): numbers[pair] for pair in pairs},
                "clusters": _clusters(at, names, said),
                "matrix": _matrix(names, numbers),
                **level_infos(run, record, level),
            }
    merged = {}
    for pair, found in over.items():
        write_across_levels(run, *pair, found.table(said[pair[0]], settings.max_outliers), said[pair[0]].schema)
        merged[pair_name(*pair)] = found.counts()
    write_json(
        run / "metrics.json",
        {
            "datasets": _dataset_numbers(run, record),
            "headlines": _headlines(pairs, by_level),
            "confounders": _confounders(run, pairs),
            "duplicates": write_duplicates(run, levels, said),
            "across_levels": merged,
            "levels": by_level,
        },
    )
    manifests = [path.relative_to(run).as_posix() for path in (run / "manifests").iterdir()]
    checksums.write_checksums(run, [*manifests, "metrics.json", "rejects.csv"])


@dataclass(frozen=True, kw_only=True)
class _Level:
    """What all pairs of a level share: per dataset its vectors, own radii, precision of halves, points and clusters."""

    run: Path
    name: str
    settings: CompareSettings
    views: Mapping[str, EmbeddingView]
    radii: Mapping[str, NDArray[np.float32]]
    halves: Mapping[str, float | None]
    points: Mapping[str, NDArray[np.float32]]
    clusters: Mapping[str, NDArray[np.int32]]

    @classmethod
    def of(cls, run: Path, record: RunRecord, level: str, settings: CompareSettings, pairs: Sequence[Pair]) -> "_Level":
        points, clusters = read_layout(run, level)
        listed = np.cumsum([0, *(facts["listed"] for facts in record.datasets.values())]).tolist()
        parts = {name: slice(*listed[at : at + 2]) for at, name in enumerate(record.datasets)}
        compared = list(dict.fromkeys(name for pair in pairs for name in pair))
        views = {name: open_view(run, record, name, level) for name in record.datasets}
        return cls(
            run=run,
            name=level,
            settings=settings,
            views=views,
            radii={name: knn_radius(run, level, name, settings.k) for name in compared},
            halves={name: halves_inside(run, level, views[name].rows, name, settings.k) for name in compared},
            points={name: points[part] for name, part in parts.items()},
            clusters={name: clusters[part] for name, part in parts.items()},
        )

    def score_outliers(self, query: str, reference: str) -> OutlierScores:
        return score_outliers(self.run, self.name, query, reference, self.radii[reference], self.settings)


def _write_manifest(at: _Level, pair: Pair, answers: OutlierScores, said: Mapping[str, pa.Table]) -> None:
    query, reference = pair
    positions = ranked(answers, at.settings.max_outliers)
    rows = answers.rows[positions]
    in_order = np.sort(rows)
    _, nearest = some_neighbors(at.run, at.name, query, reference, in_order)
    nearest = nearest[np.searchsorted(in_order, rows), : at.settings.k]
    placed = at.points[query][rows], at.clusters[query][rows]
    table = outlier_table(answers, positions, said[query], nearest, said[reference]["uri"], placed)
    write_manifest(at.run, at.name, query, reference, table, said[query].schema)


def _counts(pair: Pair, answers: OutlierScores) -> dict[str, Any]:
    """Return how many images are listed, and the estimated share of those that are not like the reference.

    `share_outside` is Storey's estimate of the share of query images outside the reference's support, which has power
    where single images have none, with its 95% interval. `coverage` is repeated among the measures.
    `reference_neighbors` is the mean share of reference images among an image's nearest, to be held against
    `reference_neighbors_expected`, which it has where the datasets do not differ.
    """
    images, references = len(answers.rows), len(answers.reference_score)
    share = estimated_share(answers.outside_p)
    low, high = share_interval(answers.score, answers.reference_score, share)
    return {
        "query": pair[0],
        "reference": pair[1],
        "images": images,
        "reference_images": references,
        "outliers": int(np.count_nonzero(answers.listed)),
        "outlier_share": float(np.mean(answers.listed)),
        "outside": int(np.count_nonzero(answers.outside)),
        "under_represented": int(np.count_nonzero(answers.under_represented)),
        "share_outside": share,
        "share_outside_low": low,
        "share_outside_high": high,
        "coverage": float(np.mean(answers.reference_to_query <= answers.reference_score)),
        "reference_neighbors": float(np.mean(answers.from_reference)) / max(1, answers.k_local),
        "reference_neighbors_expected": references / (images + references - 1),
    }


def _clusters(at: _Level, names: Sequence[str], said: Mapping[str, pa.Table]) -> dict[str, Any]:
    inside = {name: at.clusters[name][at.views[name].rows] for name in names}
    found = cluster_metrics(inside)
    crowding: dict[str, NDArray[np.float32]] = {}
    for one in found["one_sided"]:
        name, rows = one["dataset"], at.views[one["dataset"]].rows
        if name not in crowding:
            crowding[name] = knn_radius(at.run, at.name, name, at.settings.k_local)
        chosen = typical_images(np.flatnonzero(inside[name] == one["cluster"]), crowding[name])
        one["typical"] = said[name]["uri"].take(rows[chosen]).to_pylist()
    return found


def _matrix(names: Sequence[str], numbers: Mapping[Pair, Any]) -> dict[str, Any]:
    """Return a table per number, a row per query and a column per reference, None for what is not compared."""
    return {
        "datasets": list(names),
        "outlier_share": [[numbers.get((a, b), {}).get("outlier_share") for b in names] for a in names],
        "frechet_ratio": [
            [numbers.get((a, b), {}).get("measures", {}).get("frechet", {}).get("ratio") for b in names] for a in names
        ],
    }


def _headlines(pairs: Sequence[Pair], by_level: Mapping[str, Any]) -> dict[str, str]:
    return {
        pair_name(*pair): headline(
            *pair, {level: found["pairs"][pair_name(*pair)] for level, found in by_level.items()}
        )
        for pair in pairs
    }


def _confounders(run: Path, pairs: Sequence[Pair]) -> dict[str, Any]:
    facts = {name: image_stats(run, name) for name in dict.fromkeys(name for pair in pairs for name in pair)}
    order = list(facts)
    return {
        pair_name(a, b): confounders(facts[a], facts[b], (a, b)) for a, b in pairs if order.index(a) < order.index(b)
    }


def _dataset_numbers(run: Path, record: RunRecord) -> dict[str, Any]:
    return {
        name: {
            "listed": facts["listed"],
            "read": facts["read"],
            "rejected": facts["rejected"],
            "statuses": dict(sorted(Counter(rows_rejected(run, name)["status"].to_pylist()).items())),
        }
        for name, facts in record.datasets.items()
    }
