"""`gapscope diff`: has the gap closed from one run to the next?"""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gapscope.progress import plain_line
from gapscope_cli.errors import reported_errors
from gapscope_cli.gating import (
    FailIf,
    MarkdownFile,
    Pictures,
    PicturesUrl,
    gate_document,
    leave_by_gate,
    print_gate,
    read_fail_if,
)
from gapscope_cli.output import output, print_document, say

if TYPE_CHECKING:
    from gapscope.diff import Versions

_WIDTH = len("style-aside")


def diff(
    before: Annotated[str, typer.Argument(metavar="RUN1", help="The earlier run.", show_default=False)],
    after: Annotated[str, typer.Argument(metavar="RUN2", help="The later run.", show_default=False)],
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all numbers to this CSV file too.", show_default=False)
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write both versions side by side, with pictures, as one HTML file.",
            show_default=False,
        ),
    ] = None,
    markdown: MarkdownFile = None,
    pictures: Pictures = None,
    pictures_url: PicturesUrl = None,
    fail_if: FailIf = None,
) -> None:
    """Say whether the gap between datasets closed from one run to another, beyond the error bars.

    First come the kinds of image that are closed, smaller, larger or new, then the classes whose gap changed, then the
    numbers level by level. Both runs must embed alike and name their datasets alike. As they are, both are measured by
    the scaler of RUN1. Where nothing changed, one diff in twenty says at most that any number did.

    Example: gapscope diff run-v1 run-v2
    """
    with reported_errors(reading=f"{before} or {after}"):
        rules = read_fail_if(fail_if, earlier=before)
        import gapscope
        from gapscope.diff import Versions

        versions = Versions(gapscope.open_run(before), gapscope.open_run(after))
        # First, since it looks at the names in rules before anything is computed.
        result = None if rules is None else gapscope.gate(versions.after, rules, earlier=versions)
        if csv is not None:
            versions.numbers.to_csv(csv, index=False)
        if page is not None:
            from gapscope.diff.page import write_diff_page

            write_diff_page(page.expanduser().absolute(), versions)
        if markdown is not None:
            from gapscope.diff.markdown import diff_markdown
            from gapscope.pages.markdown import PictureFolder, append_markdown

            folder = PictureFolder.beside(markdown, pictures, pictures_url)
            append_markdown(markdown, diff_markdown(versions, folder))
        # What is printed is computed while damage is still told in one line.
        lines = _lines(versions)
        document = None
        if output().as_json:
            from gapscope_cli.diff_document import diff_document

            document = diff_document(
                versions,
                page=None if page is None else str(page),
                markdown=None if markdown is None else str(markdown),
                gate=None if result is None else gate_document(result),
            )
    for line in lines:
        say(line)
    if page is not None:
        say(f"\n{page}")
    if result is not None:
        say()
        print_gate(result)
    if document is not None:
        print_document(document)
    leave_by_gate(result)


def _lines(versions: "Versions") -> list[str]:
    from gapscope.diff import describe_classes, describe_kinds, describe_left_out, level_verdicts

    lines = [plain_line(line) for line in (*describe_kinds(versions.kinds), *describe_classes(versions.classes))]
    if (left_out := describe_left_out(versions.before, versions.after)) is not None:
        lines.append(left_out)
    keys = ["level", "query", "reference", "reading"]
    changes = versions.numbers
    numbers = dict(iter(changes.groupby(keys, sort=False)))
    for (query, reference), verdicts in level_verdicts(changes).groupby(["query", "reference"], sort=False):
        lines.append(f"\n{query} images against {reference}:")
        for level, reading, verdict in verdicts[["level", "reading", "verdict"]].itertuples(index=False):
            rows = numbers[level, query, reference, reading].to_dict("records")
            described = "   ".join(_describe(row) for row in rows)
            lines.append(f"  {level}  {reading:<{_WIDTH}}  {verdict:<10} {described}")
    return lines


def _describe(row: Mapping[Hashable, Any]) -> str:
    from gapscope.compare.registry import METRICS, format_interval
    from gapscope.diff.numbers import interval_at

    metric = METRICS[row["number"]]
    before, after = (format_interval(metric, interval_at(row, when)) for when in ("before", "after"))
    return f"{metric.label} {before} -> {after} ({row['verdict']})"
