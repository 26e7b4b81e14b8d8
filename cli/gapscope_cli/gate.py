"""`gapscope gate`: does a run keep to rules?"""

from pathlib import Path
from typing import Annotated

import typer

from gapscope_cli.documents import GateDocument
from gapscope_cli.errors import reported_errors
from gapscope_cli.gating import Earlier, MarkdownFile, Pictures, PicturesUrl, gate_document, leave_by_gate, print_gate
from gapscope_cli.output import print_document


def gate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or URL of a finished run.", show_default=False)],
    rules: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RULE...]",
            help="What the run has to keep to, such as 'real-vs-synthetic P5 style-aside share < 5%', 'any new kind', "
            "'diff RUN_BEFORE: nothing wider' or 'class:car gap < 20%'.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="FILE", help="TOML file with a list `rules`.", show_default=False),
    ] = None,
    earlier: Earlier = None,
    markdown: MarkdownFile = None,
    pictures: Pictures = None,
    pictures_url: PicturesUrl = None,
) -> None:
    """Say whether a run keeps to rules, by the 95% intervals of its numbers.

    The exit code is 0 where all rules hold, 1 where one does not, and 3 where that cannot be told: there are too few
    images, or an interval has the limit inside. docs/gates.md has the rules.

    Example: gapscope gate run 'P5 share < 5%' 'diff run-before: nothing wider'
    """
    with reported_errors(reading=run):
        import gapscope
        from gapscope.gate import read_rules

        texts = [*(rules or ()), *map(str, file or ())]
        if not texts:
            raise gapscope.OptionError("give a rule, such as 'P5 share < 5%', or a file of them with `rules`")
        opened = gapscope.open_run(run)
        result = gapscope.gate(opened, read_rules(texts, earlier=earlier))
        if markdown is not None:
            from gapscope.gate import gate_markdown
            from gapscope.pages.markdown import PictureFolder, append_markdown

            folder = PictureFolder.beside(markdown, pictures, pictures_url)
            append_markdown(markdown, gate_markdown(opened, result, folder))
    print_gate(result)
    print_document(
        GateDocument(run=run, gate=gate_document(result), markdown=None if markdown is None else str(markdown))
    )
    leave_by_gate(result)
