"""The stage that tests, per level and ordered pair, which images the other dataset lacks, and how far both differ."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.compare.across_levels import AcrossLevels
from gapscope.compare.appearance import STATS, odd_looks
from gapscope.compare.causes.causes import find_causes
from gapscope.compare.causes.wanted import find_wanted
from gapscope.compare.classes.image_classes import ImageClasses, describe_classes, read_image_classes
from gapscope.compare.classes.table import class_table
from gapscope.compare.confounders import confounders, file_properties
from gapscope.compare.duplicates import write_duplicates
from gapscope.compare.headline import headline, level_ranking, limit_message
from gapscope.compare.limits import ListingLimit, listing_limit
from gapscope.device import Device
from gapscope.device.memory import return_free_memory
from gapscope.kinds.nominations import Nominations
from gapscope.progress import Progress
from gapscope.settings import CompareSettings, EmbedSettings
from gapscope.stages.boxes import box_pairs
from gapscope.stages.compare_level import compare_level
from gapscope.stages.compared import ComparedReading, comparison_key
from gapscope.stages.kinds import find_kinds
from gapscope.stages.probes import probe_pairs
from gapscope.store import checksums, classes, gaps, metrics
from gapscope.store.cause_metrics import Cause, WantedColumn
from gapscope.store.compared import remove_compared
from gapscope.store.datasets import Pair
from gapscope.store.groups import ImageGroups, read_all_groups
from gapscope.store.index import SourceMetadata, read_entries, row_groups, rows_rejected
from gapscope.store.location import relative_name
from gapscope.store.manifests import write_across_levels
from gapscope.store.metrics import (
    ConfounderMetrics,
    DatasetMetrics,
    DatasetWarning,
    LevelMetrics,
    LimitMetrics,
    ValueRangeMetrics,
    WarningKind,
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
    metadata = {name: SourceMetadata.open(run, name) for name in run.record.datasets}
    groups = read_all_groups(run)
    limits = {pair: _limit(groups, pair, settings) for pair in run.pairs}
    few = {pair for pair, limit in limits.items() if limit.few}
    across_levels = {pair: AcrossLevels.of(groups[pair.query], run.levels, settings.fdr) for pair in run.pairs}
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
    key = comparison_key(run, settings, groups, device)

    def tell(compared: ComparedReading) -> None:
        compared.tell(nominations, across_levels)

    with progress.task("outliers", len(run.levels) * len(run.pairs) * len(settings.readings_compared), "pair") as task:
        for name in run.levels:
            levels[name] = compare_level(run, name, groups, metadata, settings, device, few, levels, key, tell, task)
    if settings.reads("as-is"):
        for pair, across in across_levels.items():
            own = metadata[pair.query]
            write_across_levels(run.path, pair, across.tables(own, settings.max_outliers), own.schema)
    listed_across = {pair.name: across.counts() for pair, across in across_levels.items()}
    # It has numbers for every image, and nothing needs them any more.
    across_levels.clear()
    of_images = read_image_classes(run, groups)
    _write_classes(run, groups, of_images, levels, progress)
    probes = probe_pairs(run, groups, of_images, device, progress)
    boxes = box_pairs(run, groups, progress)
    causes, wanted = _explain(run, groups, of_images, progress)
    find_kinds(run, settings, groups, metadata, nominations, embed, device, progress)
    nominations.clear()
    return_free_memory()
    rankings = {pair: level_ranking(pair, levels) for pair in run.pairs}
    write_metrics(
        run.path,
        {
            "datasets": _dataset_metrics(run, of_images),
            "headlines": {pair.name: headline(pair, levels, rankings[pair], run.record) for pair in run.pairs},
            "level_rankings": {pair.name: ranking for pair, ranking in rankings.items()},
            "limits": {pair.name: _limit_metrics(run, pair, limit, settings) for pair, limit in limits.items()},
            "shared_groups": run.record.shared_groups,
            "confounders": _confounders(run, groups, levels),
            "duplicates": write_duplicates(run, metadata, groups),
            "across_levels": listed_across,
            "probes": probes,
            "boxes": boxes,
            "causes": causes,
            "wanted": wanted,
            "levels": levels,
        },
    )
    tables = [path for folder in ("manifests", "scores") for path in (run.path / folder).iterdir()]
    checksums.write_checksums(
        run.path,
        [
            *(relative_name(path, run.path) for path in tables),
            metrics.NAME,
            gaps.NAME,
            gaps.TABLE,
            classes.NAME,
            classes.TABLE,
            "rejects.csv",
        ],
    )
    remove_compared(run)


def _write_classes(
    run: RunStore,
    groups: Mapping[str, ImageGroups],
    of_images: Mapping[str, ImageClasses],
    levels: Mapping[str, LevelMetrics],
    progress: Progress,
) -> None:
    if (note := describe_classes(of_images)) is not None:
        progress.note(note)
    with progress.task("classes", len(run.pairs), "pair") as task:
        classes.write_class_table(run.path, class_table(run, groups, of_images, levels, task))


def _explain(
    run: RunStore, groups: Mapping[str, ImageGroups], of_images: Mapping[str, ImageClasses], progress: Progress
) -> tuple[dict[str, list[Cause]], dict[str, list[WantedColumn]]]:
    """Return which columns each pair's gap goes with, and which values are wanted; nothing of pairs without columns."""
    causes, wanted = {}, {}
    with progress.task("columns", len(run.pairs), "pair") as task:
        for pair in run.pairs:
            causes[pair.name] = find_causes(run, pair, groups, of_images)
            wanted[pair.name] = find_wanted(run, pair, groups, of_images)
            task.advance(1)
    return {name: own for name, own in causes.items() if own}, {name: own for name, own in wanted.items() if own}


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
    # Of vectors without images there are no files to compare.
    known = {name for name, own in properties.items() if own["megapixels"].notna().any()}
    return {
        pair.name: confounders(properties[pair.query], properties[pair.reference], pair, shared[pair], levels)
        for pair in run.pairs
        if names.index(pair.query) < names.index(pair.reference) and known.issuperset(pair)
    }


def _dataset_metrics(run: RunStore, classes: Mapping[str, ImageClasses]) -> dict[str, DatasetMetrics]:
    return {
        name: {
            "listed": dataset.listed,
            "read": dataset.read or 0,
            "rejected": dataset.rejected or 0,
            "groups": run.record.group_count(name),
            "group_rule": dataset.groups.rule if dataset.groups is not None else "none",
            "statuses": dict(sorted(Counter(rows_rejected(run, name)["status"].to_pylist()).items())),
            "listing": dataset.listing,
            "class_rule": str(classes[name].rule) if name in classes else "none",
            "value_ranges": [cast("ValueRangeMetrics", asdict(each)) for each in dataset.value_ranges or ()],
            "warnings": _warnings(run, name),
        }
        for name, dataset in run.record.datasets.items()
    }


def _warnings(run: RunStore, dataset: str) -> list[DatasetWarning]:
    """Return what to look at in a dataset: pictures that look odd, damaged files, and images without a range."""
    pictures, stats = [np.empty(0, np.int64)], [np.empty((0, len(STATS)), np.float32)]
    damaged, without_range = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    listed = 0
    for table in row_groups(run, dataset, ["status", "damage", *STATS]):
        status = table["status"]
        # Of embeddings that do not come from images nothing is known.
        read = _rows_where(pc.and_(pc.equal(status, "ok"), pc.is_valid(table[STATS[0]])))
        stats.append(np.stack([table[name].to_numpy()[read] for name in STATS], axis=1))
        pictures.append(listed + read)
        damaged.append(listed + _rows_where(pc.or_(pc.equal(status, "damaged"), pc.is_valid(table["damage"]))))
        without_range.append(listed + _rows_where(pc.equal(status, "no-range")))
        listed += len(table)
    warnings: list[DatasetWarning] = []
    of_picture = np.concatenate(pictures)
    for odd in odd_looks(np.concatenate(stats)) if len(of_picture) else ():
        example = read_entries(run, dataset, of_picture[odd.rows[:1]])[0].uri
        sentence = odd.describe(dataset, example)
        warnings.append(_warning(odd.look, len(odd.rows), odd.pictures, example, sentence))
    fate = "kept and marked" if run.record.config.embed.keep_damaged else "left out"
    left_out: tuple[tuple[Literal["damaged", "no-range"], list[NDArray[np.int64]], str], ...] = (
        ("damaged", damaged, f"are damaged inside and {fate}"),
        (
            "no-range",
            without_range,
            "have values of a kind that was not in the sample, and are left out: give a value range by hand",
        ),
    )
    for what, parts, words in left_out:
        rows = np.concatenate(parts)
        if len(rows):
            example = read_entries(run, dataset, rows[:1])[0].uri
            sentence = f"{len(rows):,} of {listed:,} images of {dataset} {words}, such as {example}"
            warnings.append(_warning(what, len(rows), listed, example, sentence))
    return warnings


def _rows_where(are_so: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.flatnonzero(are_so.to_numpy()).astype(np.int64)


def _warning(what: WarningKind, images: int, of: int, example: str, sentence: str) -> DatasetWarning:
    return {"what": what, "images": images, "share": images / of, "example": example, "sentence": sentence}
