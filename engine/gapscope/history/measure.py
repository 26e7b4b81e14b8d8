"""Measures a version beside the first one: numbers by the first one's scaler, and its kinds."""

from gapscope.compare.interval import Interval
from gapscope.diff.comparable import alike_style_aside, describe_style_aside_left_out
from gapscope.diff.numbers import AS_IS, NUMBERS, STYLE_ASIDE, as_is_intervals, style_aside_intervals
from gapscope.history.versions import Measured, VersionKind, VersionNumber
from gapscope.run import Run
from gapscope.store.datasets import Pair


def measure_version(run: Run, first: Run) -> Measured:
    """Measure a version as `gapscope.diff.diff_runs` does, with the first one as the earlier run.

    Args:
        run: the version.
        first: the first version, which it can be compared with.
    """
    pairs = [pair for pair in first.pairs if pair in run.pairs]
    numbers: list[VersionNumber] = []
    for level in (level for level in first.levels if level in run.levels):
        as_is = as_is_intervals(run, level, pairs, first)
        for pair in pairs:
            numbers += _numbers(level, pair, AS_IS, as_is[pair])
            if alike_style_aside(first, run, level, pair):
                numbers += _numbers(level, pair, STYLE_ASIDE, style_aside_intervals(run, level, pair))
    return Measured(
        created=run.record.created,
        images={name: run.record.datasets[name].read or 0 for name in run.datasets},
        pairs=pairs,
        numbers=numbers,
        kinds=_kinds(run, pairs),
        notes=[
            *_other_datasets(run, first),
            *_other_settings(run, first),
            *describe_style_aside_left_out(first, run),
        ],
    )


def _numbers(level: str, pair: Pair, reading: str, intervals: dict[str, Interval]) -> list[VersionNumber]:
    return [
        VersionNumber(
            level=level,
            query=pair.query,
            reference=pair.reference,
            reading=reading,
            number=number.name,
            value=intervals[number.name][0],
            low=intervals[number.name][1],
            high=intervals[number.name][2],
        )
        for number in NUMBERS
        if number.name in intervals
    ]


def _kinds(run: Run, pairs: list[Pair]) -> list[VersionKind]:
    return [
        VersionKind(
            id=gap["id"],
            query=gap["query"],
            reference=gap["reference"],
            name=gap["name"],
            name_source=gap["name_source"],
            sort=gap["sort"],
            groups=gap["groups"],
            of_groups=run.record.group_count(gap["query"]),
            row=gap["pictures"][0]["row"] if gap["pictures"] else None,
        )
        for gap in run.gaps_record["kinds"]
        if (gap["query"], gap["reference"]) in pairs
    ]


def _other_datasets(run: Run, first: Run) -> list[str]:
    only = [name for name in run.datasets if name not in first.datasets]
    missing = [name for name in first.datasets if name not in run.datasets]
    return [
        *([f"{', '.join(only)} is left out, which the first version does not have"] if only else []),
        *([f"{', '.join(missing)} is missing, which the first version has"] if missing else []),
    ]


def _other_settings(run: Run, first: Run) -> list[str]:
    """Return by what the kinds of a version were found otherwise."""
    own, others = run.record.config.compare, first.record.config.compare
    return [
        f"kinds were found with {name} {getattr(own, name)}, those of the first version with {getattr(others, name)}"
        for name in ("fdr", "readings", "k")
        if getattr(own, name) != getattr(others, name)
    ]
