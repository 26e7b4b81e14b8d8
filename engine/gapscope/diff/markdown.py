"""A diff as Markdown: what happened in sentences, the kinds that changed with pictures, and the numbers folded."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import pandas as pd

from gapscope.compare.registry import METRICS, format_interval
from gapscope.diff.classes import describe_classes
from gapscope.diff.headline import kinds_sentence, levels_sentences
from gapscope.diff.kinds import AS_BEFORE, CLOSED, shown_name
from gapscope.diff.numbers import SAME, interval_at, level_verdicts
from gapscope.diff.versions import Versions
from gapscope.pages.markdown import PictureFolder, escape, folded, md_table
from gapscope.run import Run

_MOST_PICTURES = 8


def diff_markdown(versions: Versions, pictures: PictureFolder) -> list[str]:
    """Return what two runs differ in as lines of Markdown, and write the pictures of kinds that changed.

    Args:
        versions: both runs.
        pictures: where pictures go.
    """
    before, after, kinds, changes = versions.before, versions.after, versions.kinds, versions.numbers
    sentences = " ".join([kinds_sentence(kinds), *levels_sentences(changes)])
    title = f"## gapscope: {escape(before.path.name)} to {escape(after.path.name)}"
    changed = [kind for kind in kinds.to_dict("records") if kind["verdict"] != AS_BEFORE]
    lines = [title, "", escape(sentences), "", *_kinds(before, after, changed, pictures)]
    if told := describe_classes(versions.classes):
        lines += ["", *folded("Classes", [f"- {escape(line)}" for line in told])]
    return [*lines, "", *folded("Numbers", _numbers(changes))]


def _kinds(before: Run, after: Run, changed: list[dict[Hashable, Any]], pictures: PictureFolder) -> Iterator[str]:
    if not changed:
        return
    head = ["", "kind", "of", "share before", "share after"]
    yield from md_table(
        head,
        (
            [
                f"**{kind['verdict']}**",
                escape(f"{shown_name(kind['name'], kind['name_source'])} ({_ids(kind)})"),
                escape(f"{kind['query']} against {kind['reference']}"),
                _share(kind, "before"),
                _share(kind, "after"),
            ]
            for kind in changed
        ),
    )
    for kind in changed[:_MOST_PICTURES]:
        run, when = (before, "before") if kind["verdict"] == CLOSED else (after, "after")
        gap = next(own for own in run.gaps_record["kinds"] if own["id"] == kind[when])
        if (picture := pictures.picture(run, gap, f"{when}-{gap['id']}")) is not None:
            words = f"was {gap['title'].lower()}" if kind["verdict"] == CLOSED else gap["advice"]
            yield from ("", f"**{kind['verdict']}**: {escape(words)}", "", picture)


def _ids(kind: Mapping[Hashable, Any]) -> str:
    return " to ".join(kind[when] for when in ("before", "after") if kind[when])


def _share(kind: Mapping[Hashable, Any], when: str) -> str:
    return f"{kind[f'share_{when}']:.1%} ({kind[f'groups_{when}']:,})" if kind[when] else "none"


def _numbers(changes: pd.DataFrame) -> list[str]:
    keys = ["level", "query", "reference", "reading"]
    of = {key: part.to_dict("records") for key, part in changes.groupby(keys, sort=False)}
    rows = []
    for row in level_verdicts(changes).to_dict("records"):
        verdict = row["verdict"] if row["verdict"] == SAME else f"**{row['verdict']}**"
        place = escape(f"{row['query']} against {row['reference']}")
        numbers = "<br>".join(_number(each) for each in of[tuple(row[key] for key in keys)])
        rows.append([verdict, place, row["level"], row["reading"], numbers])
    return md_table(["", "pair", "level", "reading", "before to after"], rows)


def _number(row: Mapping[Hashable, Any]) -> str:
    metric = METRICS[row["number"]]
    before, after = (format_interval(metric, interval_at(row, when)) for when in ("before", "after"))
    return f"{metric.label} {before} to {after}, {row['verdict']}"
