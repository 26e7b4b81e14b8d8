"""The stage that tests, per level and ordered pair, which images the other dataset lacks, and how far both differ."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.compare.across_levels import AcrossLevels
from gapscope.compare.clusters import cluster_metrics, typical_images
from gapscope.compare.confounders import confounders, file_properties
from gapscope.compare.duplicates import write_duplicates
from gapscope.compare.group_table import group_table, ranking
from gapscope.compare.headline import frechet_ratio, headline, limit_message
from gapscope.compare.limits import ListingLimit, listing_limit
from gapscope.compare.metrics import (
    distance_metric,
    score_histogram,
    split_precision,
    support_metrics,
    two_sample_metric,
)
from gapscope.compare.near import typical_spacing
from gapscope.compare.outlier_scores import OutlierScores, knn_radius, score_outliers
from gapscope.compare.outlier_table import outlier_table, rank_outliers
from gapscope.device import Device
from gapscope.neighbors.embedding_view import EmbeddingView, open_view
from gapscope.progress import Progress
from gapscope.settings import CompareSettings
from gapscope.store import checksums, metrics
from gapscope.store.datasets import Pair, all_pairs
from gapscope.store.groups import ImageGroups, read_all_groups
from gapscope.store.index import read_source_metadata, rows_rejected
from gapscope.store.layouts import layout_info, read_layout
from gapscope.store.location import relative_name
from gapscope.store.manifests import remove_groups_manifest, write_across_levels, write_groups_manifest, write_manifest
from gapscope.store.metrics import (
    ClusterMetrics,
    ConfounderMetrics,
    DatasetMetrics,
    LevelMetrics,
    LimitMetrics,
    Measure,
    PairMatrix,
    PairMetrics,
    write_metrics,
)
from gapscope.store.neighbors import neighbor_search_info, read_nearest
from gapscope.store.run_store import RunStore

_Metadata = Mapping[str, pa.Table]


def compare_datasets(run: RunStore, settings: CompareSettings, device: Device, progress: Progress) -> None:
    """Write every manifest, metrics.json, and SHA256SUMS of these files and rejects.csv.

    Args:
        run: the run, whose levels are laid out.
        settings: of the comparison.
        device: where the distances of whole datasets are computed.
        progress: shows the work.
    """
    # Until the last of these files is written, they do not agree.
    (run.path / checksums.NAME).unlink(missing_ok=True)
    metadata = {name: read_source_metadata(run, name) for name in run.record.datasets}
    groups = read_all_groups(run)
    limits = {pair: _limit(groups, pair, settings) for pair in run.pairs}
    across_levels: dict[Pair, AcrossLevels] = {}
    levels: dict[str, LevelMetrics] = {}
    with progress.task("outliers", len(run.levels) * len(run.pairs), "pair") as task:
        for number, name in enumerate(run.levels):
            level = _Level.open(run, name, groups, settings)
            pairs: dict[Pair, PairMetrics] = {}
            for pair in run.pairs:
                if pair in pairs:
                    continue
                both = {side: level.score_outliers(side) for side in (pair, pair.reversed)}
                distances = device.distribution_distances(level.samples[pair.query], level.samples[pair.reference])
                for (side, scores), of_side in zip(both.items(), distances, strict=True):
                    _write_manifest(level, side, scores, metadata)
                    across_levels.setdefault(side, AcrossLevels.of(scores, run.levels)).add(number, scores)
                    measures = {key: distance_metric(distance) for key, distance in of_side.items()}
                    measures |= _graph_measures(level, side, scores, both[side.reversed])
                    pairs[side] = _pair_metrics(side, scores, measures)
                    if limits[side].few:
                        pairs[side]["ranking"] = ranking(scores, metadata[side.query])
                    task.advance(1)
            levels[name] = {
                "pairs": {pair.name: pairs[pair] for pair in run.pairs},
                "clusters": _clusters(level, metadata),
                "matrix": _matrix(run, pairs),
                "neighbors": {
                    pair.name: neighbor_search_info(run, name, pair) for pair in all_pairs(list(run.record.datasets))
                },
                "group_neighbors": {
                    pair.name: neighbor_search_info(run, name, pair, "groups")
                    for pair in all_pairs(list(run.record.datasets))
                    if run.record.among(pair) == "groups"
                },
                "layout": layout_info(run, name),
            }
    for pair, across in across_levels.items():
        own = metadata[pair.query]
        write_across_levels(run.path, pair, across.table(own, settings.max_outliers), own.schema)
    write_metrics(
        run.path,
        {
            "datasets": _dataset_metrics(run),
            "headlines": {
                pair.name: headline(
                    pair, {name: level["pairs"][pair.name] for name, level in levels.items()}, run.record
                )
                for pair in run.pairs
            },
            "limits": {pair.name: _limit_metrics(run, pair, limit, settings) for pair, limit in limits.items()},
            "shared_groups": run.record.shared_groups,
            "confounders": _confounders(run, groups),
            "duplicates": write_duplicates(run, metadata, groups),
            "across_levels": {pair.name: across.counts() for pair, across in across_levels.items()},
            "levels": levels,
        },
    )
    manifests = [relative_name(path, run.path) for path in (run.path / "manifests").iterdir()]
    checksums.write_checksums(run.path, [*manifests, metrics.NAME, "rejects.csv"])


@dataclass(frozen=True, kw_only=True)
class _Level:
    """What all pairs of a level share.

    Attributes:
        run: the run.
        name: the level's name.
        settings: of the comparison.
        views: per dataset, its embeddings.
        groups: per dataset, which images belong together.
        samples: per dataset, the embeddings of its groups' representatives.
        radius: per dataset, the distance of each image to the k-th nearest other group of its own dataset.
        spacing: per dataset, the typical distance of an image to the nearest other group.
        split_precision: per dataset, the precision between its halves.
        coordinates: per dataset, the coordinates on the map by row.
        clusters: per dataset, the clusters by row.
    """

    run: RunStore
    name: str
    settings: CompareSettings
    views: Mapping[str, EmbeddingView]
    groups: Mapping[str, ImageGroups]
    samples: Mapping[str, EmbeddingView]
    radius: Mapping[str, NDArray[np.float32]]
    spacing: Mapping[str, float]
    split_precision: Mapping[str, float | None]
    coordinates: Mapping[str, NDArray[np.float32]]
    clusters: Mapping[str, NDArray[np.int32]]

    @classmethod
    def open(cls, run: RunStore, level: str, groups: Mapping[str, ImageGroups], settings: CompareSettings) -> "_Level":
        coordinates, clusters = read_layout(run, level)
        parts = run.record.row_slices
        compared = list(dict.fromkeys(name for pair in run.pairs for name in pair))
        views = {name: open_view(run, name, level) for name in parts}
        samples = {name: view.take(groups[name].representative) for name, view in views.items()}
        k = settings.k
        return cls(
            run=run,
            name=level,
            settings=settings,
            views=views,
            groups=groups,
            samples=samples,
            radius={name: knn_radius(run, level, name, k, groups[name]) for name in compared},
            spacing={name: typical_spacing(run, level, name, groups[name].rows) for name in compared},
            split_precision={name: split_precision(run, level, samples[name].rows, name, k) for name in compared},
            coordinates={name: coordinates[part] for name, part in parts.items()},
            clusters={name: clusters[part] for name, part in parts.items()},
        )

    def score_outliers(self, pair: Pair) -> OutlierScores:
        groups = self.groups[pair.query], self.groups[pair.reference]
        radius, spacing = self.radius[pair.reference], self.spacing[pair.reference]
        return score_outliers(self.run, self.name, pair, radius, groups, self.settings, spacing)


def _write_manifest(level: _Level, pair: Pair, scores: OutlierScores, metadata: _Metadata) -> None:
    query, reference = pair
    positions = rank_outliers(scores, level.settings.max_outliers)
    rows = scores.rows[positions]
    _, nearest = read_nearest(level.run, level.name, pair, rows, level.settings.k)
    table = outlier_table(
        scores,
        positions,
        metadata[query],
        nearest,
        metadata[reference]["uri"],
        level.coordinates[query][rows],
        level.clusters[query][rows],
    )
    write_manifest(level.run.path, level.name, pair, table, metadata[query].schema)
    if scores.groups.counts_images:
        remove_groups_manifest(level.run.path, level.name, pair)
    else:
        groups = group_table(scores, level.settings.max_outliers, metadata[query])
        write_groups_manifest(level.run.path, level.name, pair, groups)


def _graph_measures(
    level: _Level, pair: Pair, scores: OutlierScores, reversed_scores: OutlierScores
) -> dict[str, Measure]:
    views = level.samples[pair.query], level.samples[pair.reference]
    measures = support_metrics(scores, reversed_scores, views, level.split_precision[pair.reference])
    measures["two_sample"] = two_sample_metric(level.run, level.name, pair, (scores, reversed_scores), level.settings.k)
    return measures


def _pair_metrics(pair: Pair, scores: OutlierScores, measures: dict[str, Measure]) -> PairMetrics:
    """Return the numbers of a level and pair; `gapscope.compare.registry` says what each one is."""
    images, references = len(scores.rows), len(scores.reference_groups.rows)
    groups, reference_groups = len(scores.groups), len(scores.reference_groups)
    listed, outside, under = (
        scores.of_images(values) for values in (scores.listed, scores.outside, scores.under_represented)
    )
    share, low, high = scores.share_outside
    from_reference = np.bincount(scores.groups.group, weights=scores.from_reference) / scores.groups.lengths
    return {
        "query": pair.query,
        "reference": pair.reference,
        "images": images,
        "groups": groups,
        "reference_images": references,
        "reference_groups": reference_groups,
        "outliers": int(np.count_nonzero(listed)),
        "outlier_groups": int(np.count_nonzero(scores.listed)),
        "outlier_share": float(np.mean(scores.listed)),
        "outside": int(np.count_nonzero(outside)),
        "under_represented": int(np.count_nonzero(under)),
        "share_outside": share,
        "share_outside_low": low,
        "share_outside_high": high,
        "coverage": float(np.mean(scores.reference_to_query <= scores.reference_score)),
        "reference_neighbors": float(np.mean(from_reference)) / max(1, scores.k_local),
        "reference_neighbors_expected": reference_groups / max(1, groups + reference_groups - 1),
        "measures": measures,
        "scores": score_histogram(scores),
        "ranking": [],
    }


def _limit(groups: Mapping[str, ImageGroups], pair: Pair, settings: CompareSettings) -> ListingLimit:
    return listing_limit(len(groups[pair.query]), len(groups[pair.reference]), settings)


def _limit_metrics(run: RunStore, pair: Pair, limit: ListingLimit, settings: CompareSettings) -> LimitMetrics:
    message = limit_message(pair, limit, run.record, settings.fdr)
    return {"smallest_gap": limit.smallest_gap, "message": message}


def _clusters(level: _Level, metadata: _Metadata) -> ClusterMetrics:
    labels = {name: level.clusters[name][view.rows] for name, view in level.views.items()}
    radius: dict[str, NDArray[np.float32]] = {}

    def typical(dataset: str, cluster: int) -> list[str]:
        if dataset not in radius:
            radius[dataset] = knn_radius(level.run, level.name, dataset, level.settings.k_local, level.groups[dataset])
        members = np.flatnonzero(labels[dataset] == cluster)
        members = typical_images(members, radius[dataset], level.groups[dataset].group)
        uris: list[str] = metadata[dataset]["uri"].take(level.views[dataset].rows[members]).to_pylist()
        return uris

    return cluster_metrics(labels, typical)


def _matrix(run: RunStore, pairs: Mapping[Pair, PairMetrics]) -> PairMatrix:
    names = list(run.record.datasets)
    rows = [[pairs.get(Pair(query, reference)) for reference in names] for query in names]
    return {
        "datasets": names,
        "outlier_share": [[cell and cell["outlier_share"] for cell in row] for row in rows],
        "frechet_ratio": [[cell and frechet_ratio(cell) for cell in row] for row in rows],
    }


def _confounders(run: RunStore, groups: Mapping[str, ImageGroups]) -> dict[str, ConfounderMetrics]:
    names = list(dict.fromkeys(name for pair in run.pairs for name in pair))
    properties = {name: file_properties(run, name, groups[name]) for name in names}
    shared = {pair: groups[pair.query].find_in(groups[pair.reference]) for pair in run.pairs}
    return {
        pair.name: confounders(properties[pair.query], properties[pair.reference], pair, shared[pair])
        for pair in run.pairs
        if names.index(pair.query) < names.index(pair.reference)
    }


def _dataset_metrics(run: RunStore) -> dict[str, DatasetMetrics]:
    return {
        name: {
            "listed": dataset.listed,
            "read": dataset.read or 0,
            "rejected": dataset.rejected or 0,
            "groups": run.record.group_count(name),
            "group_rule": dataset.groups.rule if dataset.groups is not None else "none",
            "statuses": dict(sorted(Counter(rows_rejected(run, name)["status"].to_pylist()).items())),
        }
        for name, dataset in run.record.datasets.items()
    }
