"""One level of the comparison: its tests, tables and numbers, in every reading."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.clusters import cluster_metrics, typical_images
from gapscope.compare.content import content_agreement
from gapscope.compare.group_table import group_table, ranking
from gapscope.compare.interval import rounded
from gapscope.compare.metrics import (
    distance_metric,
    score_histogram,
    split_precision,
    support_metrics,
    two_sample_metric,
)
from gapscope.compare.near import typical_spacing
from gapscope.compare.outlier_scores import OutlierScores, knn_radius, score_outliers
from gapscope.compare.outlier_table import outlier_tables, rank_outliers
from gapscope.compare.style_aside import MIN_CONTENT, Residual, with_basis
from gapscope.device import Device
from gapscope.device.memory import return_free_memory
from gapscope.kinds.nominations import LevelList
from gapscope.neighbors.embedding_view import EmbeddingView, open_view
from gapscope.progress import Task
from gapscope.settings import CompareSettings, Reading
from gapscope.stages.compared import ComparedReading
from gapscope.store.datasets import Pair, all_pairs
from gapscope.store.groups import ImageGroups
from gapscope.store.index import SourceMetadata
from gapscope.store.layouts import layout_info, read_clusters, read_layout_rows
from gapscope.store.manifests import remove_groups_manifest, write_groups_manifest, write_manifest
from gapscope.store.metrics import (
    ClusterMetrics,
    LevelMetrics,
    Measure,
    PairMatrix,
    PairMetrics,
    StyleAsideMetrics,
)
from gapscope.store.neighbors import neighbor_search_info, read_nearest
from gapscope.store.run_store import RunStore
from gapscope.store.scores import write_scores

_Metadata = Mapping[str, SourceMetadata]

RANKED = 1000
"""Images of the ranking that a manifest style aside holds where nothing is listed."""


def compare_level(
    run: RunStore,
    name: str,
    groups: Mapping[str, ImageGroups],
    metadata: _Metadata,
    settings: CompareSettings,
    device: Device,
    few: Set[Pair],
    finer: Mapping[str, LevelMetrics],
    key: str,
    tell: Callable[[ComparedReading], None],
    task: Task,
) -> LevelMetrics:
    """Write a level's manifests and tables of scores, and return its numbers.

    The numbers as it is are always computed; its tables are written where that reading lists. A finished reading is
    kept in the run, so that a stopped comparison does not compute it again.

    Args:
        run: the run.
        name: the level's name.
        groups: per dataset, which images belong together.
        metadata: of every dataset.
        settings: of the comparison.
        device: where the distances of whole datasets are computed.
        few: pairs with too few groups to be sure of any, which get a ranking.
        finer: the numbers of all finer levels.
        key: of the comparison; see `gapscope.stages.compared.comparison_key`.
        tell: is called with what each reading says.
        task: is told of every pair that is done.
    """
    found: dict[Reading, Any] = {}
    for reading in settings.readings_compared:
        if ComparedReading.is_kept(run, name, reading, key):
            task.advance(len(run.pairs))
        else:
            # What one reading holds of every image is freed before the next is opened.
            level = _Level.open(run, name, groups, settings, reading)
            if reading == "as-is":
                _compare_as_is(level, metadata, device, few, task).write(run, key)
            else:
                _compare_style_aside(level, metadata, device, finer, task).write(run, key)
            del level
            return_free_memory()
        compared = ComparedReading.read(run, name, reading)
        tell(compared)
        found[reading] = compared.numbers
        del compared
    pairs: dict[str, PairMetrics] = found["as-is"]["pairs"]
    style_aside: dict[str, StyleAsideMetrics] = found["style-aside"]["pairs"] if "style-aside" in found else {}
    every_pair = all_pairs(list(run.record.datasets))
    return {
        "pairs": {pair.name: pairs[pair.name] for pair in run.pairs},
        "style_aside": {pair.name: style_aside[pair.name] for pair in run.pairs if style_aside},
        "clusters": found["as-is"]["clusters"],
        "matrix": _matrix(run, pairs),
        "neighbors": {pair.name: neighbor_search_info(run, name, pair) for pair in every_pair},
        "group_neighbors": {
            pair.name: neighbor_search_info(run, name, pair, "groups")
            for pair in every_pair
            if run.record.graph(pair) == "groups"
        },
        "style_aside_neighbors": {
            pair.name: neighbor_search_info(run, name, pair, "style-aside") for pair in run.record.style_aside_pairs
        },
        "layout": layout_info(run, name),
    }


def _compare_as_is(level: "_Level", metadata: _Metadata, device: Device, few: Set[Pair], task: Task) -> ComparedReading:
    pairs: dict[str, PairMetrics] = {}
    compared = ComparedReading(level=level.name, reading="as-is", numbers={"pairs": pairs}, lists={})
    for pair in _unordered(level.run.pairs):
        for side, (own, measures) in _tested(level, pair, device).items():
            if level.settings.reads("as-is"):
                _write_tables(level, side, own, metadata)
            pairs[side.name] = _pair_metrics(side, own, measures)
            if side in few:
                pairs[side.name]["ranking"] = ranking(own, metadata[side.query])
            compared.lists[side] = LevelList.of(level.name, "as-is", own)
            compared.p[side] = own.p
            if own.first is not None:
                compared.first[side] = own.first
            return_free_memory()
            task.advance(1)
    compared.numbers["clusters"] = _clusters(level, metadata)
    return compared


def _compare_style_aside(
    level: "_Level", metadata: _Metadata, device: Device, finer: Mapping[str, LevelMetrics], task: Task
) -> ComparedReading:
    run, name, groups = level.run, level.name, level.groups
    # The coarsest of the other levels says what content is.
    judge = next((other for other in reversed(run.levels) if other != name), None)
    judge_content = {pair.name: MIN_CONTENT for pair in run.pairs}
    if judge is not None and judge in finer:
        judge_content = {key: own["content"] or 0.0 for key, own in finer[judge]["style_aside"].items()}
    judges = (
        {} if judge is None else {key: open_view(run, key, judge, "style-aside", groups[key].rows) for key in groups}
    )
    numbers: dict[str, StyleAsideMetrics] = {}
    compared = ComparedReading(level=name, reading="style-aside", numbers={"pairs": numbers}, lists={})
    for pair in _unordered(run.pairs):
        tested = _tested(level, pair, device)
        for side, (own, measures) in tested.items():
            content = None
            # A judge that does not see the same content in both itself cannot tell.
            if judges and judge_content[side.name] >= MIN_CONTENT:
                sides = (judges[side.query], judges[side.reference])
                content = content_agreement(run, name, side, (groups[side.query], groups[side.reference]), sides)
            scores, residual = with_basis(own, tested[side.reversed][0], content)
            _write_tables(level, side, scores, metadata)
            compared.lists[side] = LevelList.of(name, "style-aside", scores)
            numbers[side.name] = _style_aside_metrics(level, side, scores, residual, content, measures)
            return_free_memory()
            task.advance(1)
    return compared


def _tested(level: "_Level", pair: Pair, device: Device) -> dict[Pair, tuple[OutlierScores, dict[str, Measure]]]:
    """Return the outlier scores and the measures of a pair, and of the pair reversed.

    Style aside, the Frechet distance is left out, which takes longest.
    """
    both = {side: level.score_outliers(side) for side in (pair, pair.reversed)}
    samples = level.samples[pair.query], level.samples[pair.reference]
    distances = device.distribution_distances(*samples, frechet=level.reading == "as-is")
    tested = {}
    for (side, own), of_side in zip(both.items(), distances, strict=True):
        measures = {key: distance_metric(key, distance) for key, distance in of_side.items()}
        tested[side] = own, measures | _graph_measures(level, side, own, both[side.reversed])
    return_free_memory()
    return tested


def _unordered(pairs: tuple[Pair, ...]) -> list[Pair]:
    """Return each two datasets once, in the order in which they come first."""
    return [pair for number, pair in enumerate(pairs) if pair.reversed not in pairs[:number]]


@dataclass(frozen=True, kw_only=True)
class _Level:
    """What all pairs of a level share.

    Attributes:
        run: the run.
        name: the level's name.
        reading: whose neighbors and vectors.
        settings: of the comparison.
        views: per dataset, its embeddings.
        groups: per dataset, which images belong together.
        samples: per dataset, the embeddings of its groups' representatives.
        radius: per dataset, the distance of each image to the k-th nearest other group of its own dataset.
        spacing: per dataset, the typical distance of an image to the nearest other group.
        split_precision: per dataset, the precision between its halves.
    """

    run: RunStore
    name: str
    reading: Reading
    settings: CompareSettings
    views: Mapping[str, EmbeddingView]
    groups: Mapping[str, ImageGroups]
    samples: Mapping[str, EmbeddingView]
    radius: Mapping[str, NDArray[np.float32]]
    spacing: Mapping[str, float]
    split_precision: Mapping[str, float | None]

    @classmethod
    def open(
        cls,
        run: RunStore,
        level: str,
        groups: Mapping[str, ImageGroups],
        settings: CompareSettings,
        reading: Reading,
    ) -> "_Level":
        parts = run.record.row_slices
        compared = list(dict.fromkeys(name for pair in run.pairs for name in pair))
        views = {name: open_view(run, name, level, reading, groups[name].rows) for name in parts}
        samples = {
            name: view if groups[name].counts_images else view.take(groups[name].representative)
            for name, view in views.items()
        }
        k = settings.k
        return cls(
            run=run,
            name=level,
            reading=reading,
            settings=settings,
            views=views,
            groups=groups,
            samples=samples,
            radius={name: knn_radius(run, level, name, k, groups[name], reading) for name in compared},
            spacing={name: typical_spacing(run, level, name, groups[name].rows, reading) for name in compared},
            split_precision={
                name: split_precision(run, level, samples[name].rows, name, k, reading) for name in compared
            },
        )

    def score_outliers(self, pair: Pair) -> OutlierScores:
        groups = self.groups[pair.query], self.groups[pair.reference]
        radius, spacing = self.radius[pair.reference], self.spacing[pair.reference]
        return score_outliers(self.run, self.name, pair, radius, groups, self.settings, spacing, self.reading)


def _write_tables(level: _Level, pair: Pair, scores: OutlierScores, metadata: _Metadata) -> None:
    query, reference = pair
    run, max_outliers = level.run.path, level.settings.max_outliers
    positions = rank_outliers(scores, max_outliers, RANKED if level.reading == "style-aside" else 0)
    tables = outlier_tables(
        scores,
        positions,
        metadata[query],
        metadata[reference],
        lambda rows: read_nearest(level.run, level.name, pair, rows, level.settings.k, level.reading),
        lambda rows: read_layout_rows(level.run, level.name, query, rows),
    )
    write_manifest(run, level.name, pair, level.reading, tables, metadata[query].schema)
    write_scores(
        run,
        level.name,
        pair,
        level.reading,
        scores.rows,
        scores.score,
        scores.of_images(scores.p),
        scores.of_images(scores.listed),
        np.divide(scores.from_reference, max(1, scores.k_local), dtype=np.float32),
    )
    if scores.groups.counts_images:
        remove_groups_manifest(run, level.name, pair, level.reading)
    else:
        groups = group_table(scores, max_outliers, metadata[query])
        write_groups_manifest(run, level.name, pair, level.reading, groups)


def _graph_measures(
    level: _Level, pair: Pair, scores: OutlierScores, reversed_scores: OutlierScores
) -> dict[str, Measure]:
    views = level.samples[pair.query], level.samples[pair.reference]
    measures = support_metrics(scores, reversed_scores, views, level.split_precision[pair.reference])
    measures["two_sample"] = two_sample_metric(
        level.run, level.name, pair, (scores, reversed_scores), level.settings.k, level.reading
    )
    return measures


def _pair_metrics(pair: Pair, scores: OutlierScores, measures: dict[str, Measure]) -> PairMetrics:
    """Return the numbers of a level and pair; `gapscope.compare.registry` says what each one is."""
    images, references = len(scores.rows), len(scores.reference_groups.rows)
    groups, reference_groups = len(scores.groups), len(scores.reference_groups)
    listed, outside, under = (
        scores.of_images(values) for values in (scores.listed, scores.outside, scores.under_represented)
    )
    share, low, high = scores.share_outside
    from_reference: NDArray[Any] = scores.from_reference
    if not scores.groups.counts_images:
        from_reference = np.bincount(scores.groups.group, weights=from_reference) / scores.groups.lengths
    share_of_reference = float(np.mean(from_reference)) / max(1, scores.k_local)
    expected = reference_groups / max(1, groups + reference_groups - 1)
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
        "coverage": float(np.mean(scores.reference_to_query <= scores.reference_distance)),
        "reference_neighbors": share_of_reference,
        "reference_neighbors_expected": expected,
        "gap": float(np.clip(1 - share_of_reference / expected, 0, 1)),
        "measures": measures,
        "scores": score_histogram(scores),
        "ranking": [],
    }


def _style_aside_metrics(
    level: _Level,
    pair: Pair,
    scores: OutlierScores,
    residual: Residual,
    content: float | None,
    measures: dict[str, Measure],
) -> StyleAsideMetrics:
    scalers = level.run.record.style_scaler[level.name]
    return {
        **_pair_metrics(pair, scores, measures),
        "basis": scores.basis,
        "residual": rounded(residual.excess),
        "content": None if content is None else rounded(content),
        "trimmed": scalers[pair.query].trimmed,
    }


def _clusters(level: _Level, metadata: _Metadata) -> ClusterMetrics:
    labels = {name: read_clusters(level.run, level.name, name)[view.rows] for name, view in level.views.items()}
    radius: dict[str, NDArray[np.float32]] = {}

    def typical(dataset: str, cluster: int) -> list[str]:
        if dataset not in radius:
            radius[dataset] = knn_radius(level.run, level.name, dataset, level.settings.k_local, level.groups[dataset])
        members = np.flatnonzero(labels[dataset] == cluster)
        members = typical_images(members, radius[dataset], level.groups[dataset].group)
        return metadata[dataset].uris(level.views[dataset].rows[members])

    return cluster_metrics(labels, typical)


def _matrix(run: RunStore, pairs: Mapping[str, PairMetrics]) -> PairMatrix:
    names = list(run.record.datasets)
    rows = [[pairs.get(Pair(query, reference).name) for reference in names] for query in names]
    return {
        "datasets": names,
        "outlier_share": [[cell and cell["outlier_share"] for cell in row] for row in rows],
        "gap": [[cell and cell["gap"] for cell in row] for row in rows],
    }
