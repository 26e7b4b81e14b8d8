"""The summary that ends a comparison: words for people, or the run as a JSON document."""

from typing import TYPE_CHECKING

from gapscope.progress import plain_line
from gapscope_cli.output import output, print_document, say

if TYPE_CHECKING:
    from gapscope.run import Run
    from gapscope.store.datasets import Pair
    from gapscope.store.metrics import PairMatrix, PairMetrics
    from gapscope_cli.documents import Gate


_N_RANKED = 3
_N_KINDS = 12
_NAME_WIDTH = 40


def show_run(run: "Run", *, gate: "Gate | None" = None, tracked: str | None = None) -> None:
    """Print a finished run, in words or as a document.

    Args:
        run: the run.
        gate: what its rules came to; None for no rules.
        tracked: address of the tracker's run; None for none.
    """
    if output().is_for_people:
        print_summary(run)
    if output().as_json:
        from gapscope_cli.run_document import run_document

        print_document(run_document(run, gate, tracked))


def print_summary(run: "Run") -> None:
    """Print the kinds, then per ordered pair the outliers by level, warnings, and the report page's path."""
    from gapscope.compare.headline import describe_duplicates, describe_repeats
    from gapscope.store.datasets import all_pairs
    from gapscope.store.metrics import warning_sentences

    _print_kinds(run)
    metrics = run.metrics
    by_level = metrics["levels"]
    for pair in run.pairs:
        say(f"\n{pair.query} {run.record.row_unit(pair.query)}s that {pair.reference} lacks:")
        _print_levels(run, pair)
    if len(run.datasets) > 2:
        for level in run.levels:
            _print_matrix(level, by_level[level]["matrix"])
    _print_classes(run)
    _print_causes(run)
    say()
    for pair in run.pairs:
        say(metrics["headlines"][pair.name])
        if (message := metrics["limits"][pair.name]["message"]) is not None:
            say(f"{message}; here is the ranking: {_ranking(run, pair)}")
    for name, repeats in metrics["duplicates"]["repeats"].items():
        if (sentence := describe_repeats(run.record, name, repeats)) is not None:
            say(sentence)
    for pair in all_pairs(run.datasets):
        counts = metrics["duplicates"]["pairs"].get(pair.name)
        if counts is not None and (sentence := describe_duplicates(run.record, pair, counts)) is not None:
            say(sentence)
    for sentence in warning_sentences(metrics):
        say(f"warning: {plain_line(sentence)}")
    max_outliers = run.record.config.compare.max_outliers
    capped = "" if max_outliers is None else f" (the {max_outliers:,} surest of each list)"
    say(f"\nkinds      {run.path / 'gaps.csv'}")
    if any(own["class_rule"] != "none" for own in metrics["datasets"].values()):
        say(f"classes    {run.path / 'classes.csv'}")
    say(f"manifests  {run.path / 'manifests'}{capped}\nreport     {run.report}")


def _print_kinds(run: "Run") -> None:
    """Print the kinds, the worst first, or what it means that there are none."""
    from gapscope.compare.registry import format_share
    from gapscope.kinds.sentences import levels_of, name_of, none_sentences, sureness

    gaps = run.gaps_record
    say()
    for look in gaps["looks"]:
        say(look["sentence"])
    if not gaps["kinds"]:
        sentences = none_sentences(run.metrics)
        for pair in run.pairs:
            say(f"{gaps['sentences'][pair.name]}. {sentences[pair.name]}")
        return
    rows = []
    for gap in gaps["kinds"][:_N_KINDS]:
        size = f"{gap['images']:,} {gap['query']} {run.record.row_unit(gap['query'])}s"
        if gap["images"] != gap["groups"]:
            size += f", {gap['groups']:,} {run.record.group_unit(gap['query'])}s"
        share = f"{size} ({format_share(gap['share'])})"
        mirror = f", other side of {gap['mirror']}" if gap["mirror"] else ""
        sure = f"{sureness(gap)}{mirror}"
        rows.append(
            [gap["id"], gap["title"], _short(plain_line(name_of(gap))), share, levels_of(gap, run.levels), sure]
        )
    _print_columns(rows)
    if (more := len(gaps["kinds"]) - _N_KINDS) > 0:
        say(f"  and {more:,} more in {run.path / 'gaps.csv'}")


def _print_classes(run: "Run") -> None:
    """Print, per ordered pair, what a linear probe reaches, and the classes with the largest gaps."""
    from gapscope.compare.classes.table import worst_classes
    from gapscope.compare.registry import format_share

    lines = []
    for pair in run.pairs:
        probe = run.metrics["probes"].get(pair.name)
        if probe is not None:
            lines.append(f"a linear probe, no full training, on classes of {pair.query}: {probe['sentence']}")
        if (worst := worst_classes(run.store, pair)) is not None:
            level, rows = worst
            shown = ", ".join(f"{plain_line(name)} {format_share(gap)}" for name, gap in rows)
            lines.append(f"largest gaps of classes of {pair.query}, at {level}: {shown}")
    _print_paragraph(lines)


def _print_causes(run: "Run") -> None:
    """Print, per ordered pair, which columns the gap goes with, and which values of the reference's are wanted."""
    lines = []
    for pair in run.pairs:
        causes = [row for row in run.metrics["causes"].get(pair.name, []) if row["named"]][:_N_RANKED]
        if causes:
            shown = ", ".join(f"{plain_line(row['column'])} (at {row['level']})" for row in causes)
            lines.append(f"columns of {pair.query} that its gap goes with: {shown}")
        wanted = [row for row in run.metrics["wanted"].get(pair.name, []) if row["named"] and row["sentence"]]
        lines += [
            f"what {pair.query} wants of {pair.reference}: {plain_line(row['sentence'])}" for row in wanted[:_N_RANKED]
        ]
    _print_paragraph(lines)


def _print_paragraph(lines: "list[str]") -> None:
    """Print lines behind an empty one; nothing for none."""
    if lines:
        say()
    for line in lines:
        say(line)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 3]}..."


def _print_columns(rows: "list[list[str]]") -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _ranking(run: "Run", pair: "Pair") -> str:
    """Return the first of the ranking at the level where it is surest."""
    rankings = {level: run.metrics["levels"][level]["pairs"][pair.name]["ranking"] for level in run.levels}
    level = min(run.levels, key=lambda name: (rankings[name][0]["p"], run.levels.index(name)))
    first = [f"{_end_of(entry['group'])} (p {entry['p']:.2g})" for entry in rankings[level][:_N_RANKED]]
    more = ", ..." if len(rankings[level]) > _N_RANKED else ""
    return f"at {level} {', '.join(first)}{more}"


def _end_of(group: str) -> str:
    """Return the last two parts of a group's name, which often is a path."""
    return "/".join(group.split("/")[-2:])


def _print_levels(run: "Run", pair: "Pair") -> None:
    """Print a line per level in columns, the most telling level first."""
    from gapscope.compare.headline import is_beyond_noise
    from gapscope.compare.registry import METRICS, format_share

    unlike = METRICS["share_outside"]
    rows = [["", "listed as it is", unlike.label, "as a whole", "style aside"]]
    for level in run.metrics["level_rankings"][pair.name]:
        numbers = run.metrics["levels"][level]["pairs"][pair.name]
        ends = (numbers["share_outside"], numbers["share_outside_low"], numbers["share_outside_high"])
        value, low, high = map(unlike.format_value, ends)
        noise = {True: "beyond noise", False: "within noise", None: ""}[is_beyond_noise(numbers)]
        listed = f"{format_share(numbers['outlier_share'])} ({_counts(run, numbers)})"
        cells = [level, listed, f"{value} [{low}, {high}]", noise]
        style_aside = run.metrics["levels"][level]["style_aside"].get(pair.name)
        if style_aside is not None:
            share = f"{format_share(style_aside['outlier_share'])} ({style_aside['outliers']:,})"
            cells.append({"calibrated": share, "suggested": f"{share}, suggested"}.get(style_aside["basis"], "no list"))
        rows.append(cells)
    if len(rows[-1]) < len(rows[0]):
        rows[0].pop()
    _print_columns(rows)


def _counts(run: "Run", pair: "PairMetrics") -> str:
    images = f"{pair['outliers']:,} of {pair['images']:,}"
    if pair["groups"] == pair["images"]:
        return images
    row, unit = run.record.row_unit(pair["query"]), run.record.group_unit(pair["query"])
    return f"{images} {row}s, {pair['outlier_groups']:,} of {pair['groups']:,} {unit}s"


def _print_matrix(level: str, matrix: "PairMatrix") -> None:
    from gapscope.compare.registry import format_share

    names = matrix["datasets"]
    width = max(8, *map(len, names))
    say(f"\n{level}, share of the row's images that the column lacks:")
    say(f"  {'':<{width}}" + "".join(f"  {name:>{width}}" for name in names))
    for name, row in zip(names, matrix["outlier_share"], strict=True):
        cells = "".join(f"  {'' if share is None else format_share(share):>{width}}" for share in row)
        say(f"  {name:<{width}}{cells}")
