"""The page of a diff: two versions side by side, in one HTML file without script or network."""

import math
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Literal

import pandas as pd

from gapscope.compare.registry import METRICS, format_interval, format_share
from gapscope.diff.classes import SAME
from gapscope.diff.comparable import describe_left_out, describe_style_aside_left_out
from gapscope.diff.headline import READING_WORDS, kinds_sentence, levels_sentences
from gapscope.diff.kind_cards import KindCards
from gapscope.diff.kinds import AS_BEFORE
from gapscope.diff.numbers import NUMBERS, interval_at, level_verdicts
from gapscope.diff.versions import Versions
from gapscope.pages.blocks import (
    Column,
    dataset_class,
    interval_cell,
    notes,
    pair_tags,
    table,
    verdict_words,
)
from gapscope.pages.charts import Scale, dumbbell
from gapscope.pages.document import document
from gapscope.pages.markup import Html, element, joined
from gapscope.run import Run
from gapscope.store.atomic import write_text
from gapscope.store.location import Location, unique_names

_BOTH: tuple[Literal["before", "after"], ...] = ("before", "after")


def write_diff_page(file: Location, versions: Versions) -> None:
    """Write what two runs differ in as one HTML file, which holds the pictures too.

    Args:
        file: to write.
        versions: both runs.

    Example:
        >>> import gapscope
        >>> from pathlib import Path
        >>> versions = Versions(gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday"))
        >>> write_diff_page(Path("diff.html"), versions)
        >>> Path("diff.html").read_text(encoding="utf-8")[:15]
        '<!doctype html>'
    """
    before, after, kinds, changes = versions.before, versions.after, versions.kinds, versions.numbers
    first, second = unique_names([before.path, after.path])
    names = first, second
    title = f"{names[0]} to {names[1]}"
    left_out = describe_left_out(before, after)
    body = [
        element("h1", element("bdi", names[0]), element("span", " to ", class_="quiet"), element("bdi", names[1])),
        element("p", kinds_sentence(kinds), class_="lead"),
        *(element("p", sentence, class_="lead") for sentence in levels_sentences(changes)),
        _versions(before, after, names),
        notes([*([left_out] if left_out else []), *describe_style_aside_left_out(before, after)]),
        _kinds(KindCards(before, after, names, kinds), kinds),
        *_numbers(before, names, changes),
        _classes(names, versions.classes),
    ]
    write_text(file, document(title, [part for part in body if part]))


def _versions(before: Run, after: Run, names: tuple[str, str]) -> Html:
    said = [
        joined(
            [
                element("bdi", name),
                f", begun {run.record.created[:10]}: ",
                ", ".join(
                    f"{own} {run.record.datasets[own].read or 0:,} {run.record.row_unit(own)}s" for own in run.datasets
                ),
            ]
        )
        for run, name in zip((before, after), names, strict=True)
    ]
    return element("p", joined(said, " · "), class_="caption")


def _kinds(cards: KindCards, kinds: pd.DataFrame) -> Html | None:
    if kinds.empty:
        return None
    changed = [cards.card(row) for row in kinds[kinds["verdict"] != AS_BEFORE].to_dict("records")]
    same = [cards.card(row) for row in kinds[kinds["verdict"] == AS_BEFORE].to_dict("records")]
    folded = element("details", element("summary", f"As before: {len(same):,}"), element("div", *same, class_="cards"))
    return element(
        "section",
        element("h2", "Kinds of image"),
        element(
            "p",
            "What one dataset has and the other lacks, has too few of or shows differently, in both versions: the "
            "worst news first. Shares are of all that the dataset has.",
            class_="caption",
        ),
        element("div", *changed, class_="cards") if changed else None,
        folded if same else None,
    )


def _numbers(before: Run, names: tuple[str, str], changes: pd.DataFrame) -> Iterator[Html]:
    """Yield a section per ordered pair: a table per reading and number, with a row per level."""
    verdicts = level_verdicts(changes)
    for query, reference in dict.fromkeys(zip(changes["query"], changes["reference"], strict=True)):
        own = changes[(changes["query"] == query) & (changes["reference"] == reference)]
        together = verdicts[(verdicts["query"] == query) & (verdicts["reference"] == reference)]
        scales = {
            number: Scale.of(interval_at(row, when) for row in rows.to_dict("records") for when in _BOTH)
            for number, rows in own.groupby("number")
        }
        tables = [
            _number_table(rows.to_dict("records"), number.name, reading, names, scales[number.name])
            for number in NUMBERS
            for reading in READING_WORDS
            if len(rows := own[(own["reading"] == reading) & (own["number"] == number.name)])
        ]
        yield element(
            "section",
            element("h2", "Numbers: ", pair_tags(query, reference, before.datasets)),
            *(_together(reading, together) for reading in READING_WORDS),
            element(
                "p",
                "Lines are 95% intervals; the ring is the earlier version, the dot below it the later one. Charts of "
                "one number have one scale.",
                class_="caption",
            ),
            element("div", *tables, class_="sides"),
            class_=dataset_class(before.datasets.index(query)),
        )


def _together(reading: str, verdicts: pd.DataFrame) -> Html | None:
    own = verdicts[verdicts["reading"] == reading]
    if own.empty:
        return None
    said = [
        joined([f"{level} ", verdict_words(verdict)])
        for level, verdict in own[["level", "verdict"]].itertuples(index=False)
    ]
    return element("p", f"{READING_WORDS[reading].capitalize()}: ", joined(said, ", "))


def _number_table(
    rows: list[dict[Hashable, Any]], name: str, reading: str, names: tuple[str, str], scale: Scale
) -> Html:
    metric = METRICS[name]
    cells = []
    for row in rows:
        before, after = (interval_at(row, when) for when in _BOTH)
        said = [f"{which}: {format_interval(metric, own)}" for which, own in zip(names, (before, after), strict=True)]
        label = f"{metric.label} at {row['level']}: {said[0]}; {said[1]}; {row['verdict']}"
        chart = dumbbell(before, after, scale, (said[0], said[1]), label)
        cells.append(
            [
                row["level"],
                verdict_words(row["verdict"]),
                chart,
                interval_cell(metric, before),
                interval_cell(metric, after),
            ]
        )
    ends = f"{metric.format_value(scale.low)} to {metric.format_value(scale.high)}"
    columns = [
        Column(head="level"),
        Column(head="verdict", class_="words"),
        Column(head=ends),
        Column(head=names[0], class_="number"),
        Column(head=names[1], class_="number"),
    ]
    label = metric.label[0].upper() + metric.label[1:]
    return table(f"{label}, {READING_WORDS[reading]}", columns, cells)


def _classes(names: tuple[str, str], classes: pd.DataFrame) -> Html | None:
    """Return the classes that changed, each at every level where it did."""
    changed = classes[classes["verdict"] != SAME]
    if changed.empty:
        return None
    rows = [
        [
            element("bdi", str(row["class"])),
            f"{row['query']} against {row['reference']}",
            f"{row['level']}, {READING_WORDS[row['reading']]}",
            *(_gap_cell(row, when) for when in ("before", "after")),
            f"{row['reference_images_before']:,} to {row['reference_images_after']:,}",
            verdict_words(row["verdict"]),
        ]
        for row in changed.to_dict("records")
    ]
    columns = [
        Column(head="class"),
        Column(head="pair"),
        Column(head="level, reading"),
        Column(head=f"gap in {names[0]}", class_="number"),
        Column(head=f"gap in {names[1]}", class_="number"),
        Column(head="images in reference", class_="number"),
        Column(head="verdict", class_="words"),
    ]
    return element(
        "section",
        element("h2", "Classes that changed"),
        table("How much of the reference is missing among the nearest of each class", columns, rows),
    )


def _gap_cell(row: Mapping[Hashable, Any], when: str) -> Html:
    gap, low, high = (row[f"{end}_{when}"] for end in ("gap", "gap_low", "gap_high"))
    # An end is missing where there are too few images to tell.
    ends = "" if math.isnan(low) or math.isnan(high) else f" [{format_share(low)}, {format_share(high)}]"
    return joined([format_share(gap), element("span", ends, class_="interval")])
