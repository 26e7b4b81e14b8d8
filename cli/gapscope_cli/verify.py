"""`gapscope verify`."""

from typing import TYPE_CHECKING, Annotated

import typer

from gapscope_cli.documents import VerifyCheck, VerifyDocument, VerifyFault
from gapscope_cli.errors import replace_arguments, reported_errors
from gapscope_cli.output import output, print_document, print_error, say
from gapscope_cli.progress import shown_progress

if TYPE_CHECKING:
    from gapscope.verify import Check, Verified


def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or URL of a run, finished or not.")],
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Take out of the run what is broken; the same compare command then makes that again."
        ),
    ] = False,
) -> None:
    """Look at every array, flag, count and checksum of a run.

    The exit code is 0 where all is well or is repaired, and 1 where something is broken.
    """
    with reported_errors(reading=run), shown_progress() as progress:
        import gapscope

        result = gapscope.verify(run, repair=repair, progress=progress)
    for check in result.checks:
        say(_line(check))
    for fault in result.faults:
        if output().log_format == "text":
            typer.echo(f"broken: {replace_arguments(str(fault))}", err=True)
        else:
            print_error(f"broken: {replace_arguments(str(fault))}")
    say(f"\n{_summary(result)}")
    print_document(_document(run, result))
    if not (result.sound or result.repaired):
        raise typer.Exit(1)


def _document(run: str, result: "Verified") -> VerifyDocument:
    return VerifyDocument(
        run=run,
        sound=result.sound,
        finished=result.finished,
        repaired=result.repaired,
        checks=[
            VerifyCheck(what=check.what, count=check.count, unit=check.unit, waiting=check.waiting)
            for check in result.checks
        ],
        faults=[
            VerifyFault(path=fault.path, problem=fault.problem, remedy=replace_arguments(fault.remedy))
            for fault in result.faults
        ],
    )


def _line(check: "Check") -> str:
    sign = f"{len(check.faults):,} broken" if check.faults else "ok" if check.count or not check.waiting else "-"
    seen = f"{check.count:,} {check.unit}{'' if check.count == 1 else 's'}"
    return f"{sign:<10} {check.what:<36} {seen}{f'; {check.waiting}' if check.waiting else ''}"


def _summary(result: "Verified") -> str:
    count = len(result.faults)
    if result.repaired:
        return (
            f"{result.path}: {count:,} broken, and taken out of the run. Give the same `gapscope compare` command "
            "again: it makes what is missing, and no more"
        )
    if not result.sound:
        return f"{result.path}: {count:,} broken; `gapscope verify {result.path} --repair` takes that out of the run"
    if not result.finished:
        return f"{result.path}: nothing is broken; the same `gapscope compare` command goes on with what is missing"
    return f"{result.path}: all is there, and whole"
