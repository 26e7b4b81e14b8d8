"""`gapscope history`: how the gap went over many versions."""

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from gapscope.progress import plain_line
from gapscope_cli.documents import HistoryDocument, HistoryKind, HistoryNumber, HistoryVersion
from gapscope_cli.errors import reported_errors
from gapscope_cli.output import print_document, say
from gapscope_cli.progress import shown_progress

if TYPE_CHECKING:
    from gapscope.history import History


def history(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Runs, the oldest first, or folders or bucket URLs whose direct subfolders are runs.",
            show_default=False,
        ),
    ],
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where the page and the tables go.", show_default=False)],
    skip_unlike: Annotated[
        bool, typer.Option("--skip-unlike", help="Leave out runs that cannot be compared with the first one.")
    ] = False,
) -> None:
    """Show how the gap went over many versions: numbers with their intervals, and the kinds that came and went.

    Runs in a folder are taken in the order in which they were begun. With the same FOLDER again, only versions that are
    new or have changed are measured.

    Example: gapscope history runs --out history
    """
    with reported_errors(reading=", ".join(runs)):
        from gapscope.history.find_runs import find_runs
        from gapscope.history.kept import NAME
        from gapscope.history.read import read_history
        from gapscope.history.write import check_out, describe_history, write_history
        from gapscope.store.location import resolve_location

        folder = resolve_location(out)
        check_out(folder)
        with shown_progress() as progress:
            opened = find_runs(runs, skip_unlike=skip_unlike, progress=progress)
            read = read_history(opened, kept=folder / NAME, skip_unlike=skip_unlike, progress=progress)
            written = write_history(read, folder)
    for line in describe_history(read):
        say(plain_line(line))
    say()
    for note in read.notes:
        say(plain_line(note))
    for path in written:
        say(str(path))
    print_document(_document(read, [str(path) for path in written]))


def _document(read: "History", files: list[str]) -> HistoryDocument:
    numbers = read.numbers_table()[list(HistoryNumber.__struct_fields__)]
    kinds = read.kinds_table()[list(HistoryKind.__struct_fields__)]
    return HistoryDocument(
        files=files,
        versions=[
            HistoryVersion(
                name=version.name,
                run=str(version.run.path),
                created=version.measured.created,
                images=dict(version.measured.images),
                kinds={
                    pair.name: sum(kind.pair == pair for kind in version.measured.kinds)
                    for pair in version.measured.pairs
                },
            )
            for version in read.versions
        ],
        numbers=msgspec.convert(numbers.to_dict("records"), list[HistoryNumber]),
        kinds=msgspec.convert(kinds.to_dict("records"), list[HistoryKind]),
        notes=list(read.notes),
    )
