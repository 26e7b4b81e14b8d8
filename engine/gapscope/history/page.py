"""The page of a history: what happened, each number over the versions, and the kinds as a timeline."""

from collections.abc import Sequence

import pandas as pd

from gapscope.compare.registry import METRICS, format_interval
from gapscope.diff.headline import READING_WORDS, kinds_sentence, levels_sentences
from gapscope.diff.numbers import NUMBERS
from gapscope.history.history import History, NumberKey
from gapscope.history.timeline import timeline
from gapscope.pages.blocks import (
    Column,
    dataset_class,
    interval_cell,
    notes,
    pair_tags,
    table,
    verdict_words,
)
from gapscope.pages.charts import Scale, sparkline
from gapscope.pages.document import document
from gapscope.pages.markup import Html, element, joined
from gapscope.store.datasets import Pair


def history_page(history: History) -> str:
    """Return the page as one HTML text, which holds the pictures too.

    Example:
        >>> import gapscope
        >>> from gapscope.history import read_history
        >>> history = read_history([gapscope.open_run("runs/monday"), gapscope.open_run("runs/tuesday")])
        >>> "From monday to tuesday" in history_page(history)
        True
    """
    names = [version.name for version in history.versions]
    datasets = history.first.run.datasets
    title = f"History of {', '.join(datasets)}"
    body = [
        element("h1", title),
        *_lead(history, names),
        notes(history.notes),
        *(_pair_section(history, pair, names) for pair in history.pairs),
        *timeline(history),
        _versions(history),
    ]
    return document(title, [part for part in body if part])


def _lead(history: History, names: Sequence[str]) -> list[Html]:
    """Return what happened from the first version to the last one, and from the one before."""
    last = len(names) - 1
    if not last:
        return [element("p", f"One version, {names[0]}: there is nothing to compare it with yet.", class_="lead")]
    return [
        element(
            "p",
            joined([f"From {names[before]} to ", f"{names[last]}: "]),
            joined(
                [kinds_sentence(history.kind_changes(before, last)), *levels_sentences(history.changes(before, last))],
                " ",
            ),
            class_="lead",
        )
        for before in dict.fromkeys((0, last - 1))
    ]


def _pair_section(history: History, pair: Pair, names: Sequence[str]) -> Html:
    datasets = history.first.run.datasets
    keys = [key for key in history.keys if key[1:3] == pair]
    last = len(names) - 1
    changes = [_verdicts(history.changes(before, last)) for before in dict.fromkeys((0, max(0, last - 1)))]
    # A number has one scale at all levels and in both readings, so that charts can be held against each other.
    scales = {
        number.name: Scale.of(
            interval
            for own in history.numbers
            for key, interval in own.items()
            if key[1:3] == pair and key[4] == number.name
        )
        for number in NUMBERS
    }
    said = " and ".join(
        f"{number.label} from {number.format_value(scales[number.name].low)} to "
        f"{number.format_value(scales[number.name].high)}"
        for number in NUMBERS
        if any(key[4] == number.name for key in keys)
    )
    tables = [
        _numbers_table(history, [key for key in keys if key[3] == reading], reading, names, scales, changes)
        for reading in READING_WORDS
        if any(key[3] == reading for key in keys)
    ]
    caption = (
        f"A point is a version, from left to right; the band is its 95% interval. Charts of one number have one scale: "
        f"{said}."
    )
    return element(
        "section",
        element("h2", "Numbers: ", pair_tags(*pair, datasets)),
        element("p", caption if keys else "No version has numbers with an interval.", class_="caption"),
        element("div", *tables, class_="sides"),
        class_=dataset_class(datasets.index(pair.query)),
    )


def _verdicts(changes: pd.DataFrame) -> dict[NumberKey, str]:
    columns = ["level", "query", "reference", "reading", "number"]
    return {tuple(row[name] for name in columns): row["verdict"] for row in changes.to_dict("records")}


def _numbers_table(
    history: History,
    keys: Sequence[NumberKey],
    reading: str,
    names: Sequence[str],
    scales: dict[str, Scale],
    changes: Sequence[dict[NumberKey, str]],
) -> Html:
    rows, last = [], len(names) - 1
    for key in keys:
        metric = METRICS[key[4]]
        intervals = [own.get(key) for own in history.numbers]
        titles = [
            f"{name}: {format_interval(metric, own) if own else 'no number'}"
            for name, own in zip(names, intervals, strict=True)
        ]
        label = f"{metric.label} at {key[0]}, {READING_WORDS[reading]}: {titles[0]}; {titles[-1]}"
        rows.append(
            [
                joined([key[0], element("br"), element("span", metric.label, class_="small")]),
                sparkline(intervals, titles, scales[key[4]], label),
                # The last version first, which a phone shows beside the chart.
                *(interval_cell(metric, intervals[version], lines=2) for version in dict.fromkeys((last, 0))),
                *(verdict_words(own.get(key, "not compared")) for own in changes if last),
            ]
        )
    since = [names[before] for before in dict.fromkeys((0, last - 1))] if last else []
    columns = [
        Column(head="level and number", class_="key"),
        Column(head="over versions"),
        *(Column(head=names[version], class_="number") for version in dict.fromkeys((last, 0))),
        *(Column(head=f"since {name}", class_="words") for name in since),
    ]
    return table(READING_WORDS[reading].capitalize(), columns, rows)


def _versions(history: History) -> Html:
    datasets = [*dict.fromkeys(name for version in history.versions for name in version.measured.images)]
    rows = []
    # The newest first, as a log.
    for version in reversed(history.versions):
        own = version.measured
        kinds = {pair: sum(kind.pair == pair for kind in own.kinds) for pair in own.pairs}
        rows.append(
            [
                element("bdi", version.name),
                own.created[:16].replace("T", " "),
                *(f"{own.images[name]:,}" if name in own.images else "none" for name in datasets),
                *(f"{kinds[pair]:,}" if pair in kinds else "not compared" for pair in history.pairs),
            ]
        )
    columns = [
        Column(head="version", class_="once"),
        Column(head="begun (UTC)", class_="once"),
        *(Column(head=f"images of {name}", class_="number") for name in datasets),
        *(Column(head=f"kinds of {pair.query} against {pair.reference}", class_="number") for pair in history.pairs),
    ]
    return element("section", element("h2", "Versions"), table("Versions, the newest first", columns, rows))
