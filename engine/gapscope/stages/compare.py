"""The stage that tests, per level and ordered pair, which images the other dataset lacks, and how far both differ."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.compare.across_levels import AcrossLevels
from gapscope.compare.appearance import STATS, odd_looks
from gapscope.compare.confounders import confounders, file_properties
from gapscope.compare.duplicates import write_duplicates
from gapscope.compare.headline import headline, level_ranking, limit_message
from gapscope.compare.limits import ListingLimit, listing_limit
from gapscope.device import Device
from gapscope.kinds.nominations import Nominations
from gapscope.progress import Progress
from gapscope.settings import CompareSettings, EmbedSettings, ValueRange
from gapscope.stages.compare_level import compare_level
from gapscope.stages.kinds import find_kinds
from gapscope.store import checksums, gaps, metrics
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups, read_all_groups
from gapscope.store.index import read_entries, read_index, read_source_metadata, rows_read, rows_rejected
from gapscope.store.location import relative_name
from gapscope.store.manifests import write_across_levels
from gapscope.store.metrics import (
    ConfounderMetrics,
    DatasetMetrics,
    DatasetWarning,
    LevelMetrics,
    LimitMetrics,
    ValueRangeMetrics,
    write_metrics,
)
from gapscope.store.run_store import RunStore


def compare_datasets(
    run: RunStore, settings: CompareSettings, device: Device, progress: Progress, embed: EmbedSettings | None = None
) -> None:
    """Write every manifest and table of scores, metrics.json, gaps.json and gaps.csv, and SHA256SUMS of these.

    Args:
        run: the run, whose levels are laid out.
        settings: of the comparison.
        device: where the distances of whole datasets are computed.
        progress: shows the work.
        embed: the network, which names kinds that nothing else names; None where the embeddings are of none.
    """
    # Until the last of these files is written, they do not agree.
    (run.path / checksums.NAME).unlink(missing_ok=True)
    metadata = {name: read_source_metadata(run, name) for name in run.record.datasets}
    groups = read_all_groups(run)
    limits = {pair: _limit(groups, pair, settings) for pair in run.pairs}
    few = {pair for pair, limit in limits.items() if limit.few}
    across_levels: dict[Pair, AcrossLevels] = {}
    levels: dict[str, LevelMetrics] = {}
    nominations = {
        pair: Nominations(
            groups=groups[pair.query],
            references=len(groups[pair.reference]),
            levels=run.levels,
            readings=settings.listed_readings,
        )
        for pair in run.pairs
    }
    with progress.task("outliers", len(run.levels) * len(run.pairs) * len(settings.readings_compared), "pair") as task:
        for number, name in enumerate(run.levels):
            levels[name], scores = compare_level(
                run, name, groups, metadata, settings, device, few, levels, nominations, task
            )
            for pair, own in scores.items():
                across_levels.setdefault(pair, AcrossLevels.of(own, run.levels)).add(number, own)
    if settings.reads("as-is"):
        for pair, across in across_levels.items():
            own_metadata = metadata[pair.query]
            table = across.table(own_metadata, settings.max_outliers)
            write_across_levels(run.path, pair, table, own_metadata.schema)
    find_kinds(run, settings, groups, metadata, nominations, embed, device, progress)
    rankings = {pair: level_ranking(pair, levels) for pair in run.pairs}
    write_metrics(
        run.path,
        {
            "datasets": _dataset_metrics(run),
            "headlines": {pair.name: headline(pair, levels, rankings[pair], run.record) for pair in run.pairs},
            "level_rankings": {pair.name: ranking for pair, ranking in rankings.items()},
            "limits": {pair.name: _limit_metrics(run, pair, limit, settings) for pair, limit in limits.items()},
            "shared_groups": run.record.shared_groups,
            "confounders": _confounders(run, groups, levels),
            "duplicates": write_duplicates(run, metadata, groups),
            "across_levels": {pair.name: across.counts() for pair, across in across_levels.items()},
            "levels": levels,
        },
    )
    tables = [path for folder in ("manifests", "scores") for path in (run.path / folder).iterdir()]
    checksums.write_checksums(
        run.path,
        [*(relative_name(path, run.path) for path in tables), metrics.NAME, gaps.NAME, gaps.TABLE, "rejects.csv"],
    )


def _limit(groups: Mapping[str, ImageGroups], pair: Pair, settings: CompareSettings) -> ListingLimit:
    return listing_limit(len(groups[pair.query]), len(groups[pair.reference]), settings)


def _limit_metrics(run: RunStore, pair: Pair, limit: ListingLimit, settings: CompareSettings) -> LimitMetrics:
    message = limit_message(pair, limit, run.record, settings.fdr)
    return {"smallest_gap": limit.smallest_gap, "message": message}


def _confounders(
    run: RunStore, groups: Mapping[str, ImageGroups], levels: Mapping[str, LevelMetrics]
) -> dict[str, ConfounderMetrics]:
    names = list(dict.fromkeys(name for pair in run.pairs for name in pair))
    properties = {name: file_properties(run, name, groups[name]) for name in names}
    shared = {pair: groups[pair.query].find_in(groups[pair.reference]) for pair in run.pairs}
    return {
        pair.name: confounders(properties[pair.query], properties[pair.reference], pair, shared[pair], levels)
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
            "listing": dataset.listing,
            "value_ranges": [_value_range(each) for each in dataset.value_ranges or ()],
            "warnings": [*_odd_looks(run, name), *_damaged(run, name), *_without_range(run, name)],
        }
        for name, dataset in run.record.datasets.items()
    }


def _value_range(value_range: ValueRange) -> ValueRangeMetrics:
    return {
        "kind": value_range.kind,
        "low": value_range.low,
        "high": value_range.high,
        "basis": value_range.basis.replace("`value_range`", "hand"),
    }


def _odd_looks(run: RunStore, dataset: str) -> list[DatasetWarning]:
    """Return in which ways many of a dataset's pictures look odd."""
    rows = rows_read(run, dataset)
    table = read_index(run, dataset, list(STATS))
    # Of embeddings that do not come from images nothing of this is known.
    if table[STATS[0]].null_count == len(table):
        return []
    stats = np.stack([table[name].to_numpy()[rows] for name in STATS], axis=1)
    warnings: list[DatasetWarning] = []
    for odd in odd_looks(stats):
        example = read_entries(run, dataset, rows[odd.rows[:1]])[0].uri
        warnings.append(
            {
                "what": odd.look,
                "images": len(odd.rows),
                "share": len(odd.rows) / odd.pictures,
                "example": example,
                "sentence": odd.describe(dataset, example),
            }
        )
    return warnings


def _damaged(run: RunStore, dataset: str) -> list[DatasetWarning]:
    """Return how many of a dataset's JPEGs are damaged inside, whether they were kept or not."""
    table = read_index(run, dataset, ["status", "damage"])
    rows = np.flatnonzero(pc.or_(pc.equal(table["status"], "damaged"), pc.is_valid(table["damage"])).to_numpy())
    fate = "kept and marked" if run.record.config.embed.keep_damaged else "left out"
    return _about_rows(run, dataset, rows, "damaged", f"are damaged inside and {fate}")


def _without_range(run: RunStore, dataset: str) -> list[DatasetWarning]:
    """Return how many of a dataset's images are left out because nobody knows which of their values is black."""
    rows = np.flatnonzero(pc.equal(read_index(run, dataset, ["status"])["status"], "no-range").to_numpy())
    what = "have values of a kind that was not in the sample, and are left out: give a value range by hand"
    return _about_rows(run, dataset, rows, "no-range", what)


def _about_rows(
    run: RunStore, dataset: str, rows: NDArray[np.int64], what: Literal["damaged", "no-range"], words: str
) -> list[DatasetWarning]:
    if not len(rows):
        return []
    example, listed = read_entries(run, dataset, rows[:1])[0].uri, run.record.datasets[dataset].listed
    sentence = f"{len(rows):,} of {listed:,} images of {dataset} {words}, such as {example}"
    share = len(rows) / listed
    return [{"what": what, "images": len(rows), "share": share, "example": example, "sentence": sentence}]
