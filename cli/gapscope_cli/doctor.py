"""`gapscope doctor`: what works on this machine."""

from typing import Annotated

import typer

from gapscope.errors import OptionError
from gapscope.progress import Progress, Silent, plain_line
from gapscope.progress_bars import JsonLines
from gapscope_cli.documents import DoctorDocument, DoctorFinding
from gapscope_cli.errors import replace_arguments, reported_errors
from gapscope_cli.output import output, print_document, say

_LABELS = {True: "ok", False: "FAILS", None: "-"}
_WAIT_SECONDS = 60.0
_INTERRUPTED = 130


def doctor(
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE", help="Check this cluster too: a scheduler's address or its file.", show_default=False
        ),
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Give the cluster this long to start: its scheduler, and its workers until no other joins; 0 looks "
            "once.",
            show_default=f"{_WAIT_SECONDS:g}",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Wait until the cluster has this many workers.", show_default=False),
    ] = None,
) -> None:
    """Print what works on this machine: GPUs, driver, cuML, decoders, weights, and a cluster.

    The exit code is 1 if a part fails that a run would need.
    """
    findings: list[DoctorFinding] = []
    with reported_errors():
        _check_cluster_given(cluster, wait=wait, workers=workers)
        from gapscope.cluster import check_cluster
        from gapscope.doctor import examine

        seconds = _WAIT_SECONDS if wait is None else wait
        if cluster is not None:
            check_cluster(cluster, starting=seconds > 0)
        try:
            for finding in examine(cluster, seconds, workers, _notes()):
                message = replace_arguments(finding.message)
                say(f"{_LABELS[finding.works]:<6} {finding.name:<17} {message}")
                findings.append(DoctorFinding(name=finding.name, works=finding.works, message=message))
        except KeyboardInterrupt as error:
            # There is nothing that another command could go on from.
            raise typer.Exit(_INTERRUPTED) from error
    failed = any(finding.works is False for finding in findings)
    print_document(DoctorDocument(works=not failed, findings=findings))
    if failed:
        raise typer.Exit(1)


def _notes() -> Progress:
    if output().is_quiet:
        return Silent()
    return JsonLines(replace_arguments) if output().log_format == "json" else _PlainNotes()


class _PlainNotes(Silent):
    """Shows notes on stderr: bars would catch what goes to stdout."""

    def note(self, message: str) -> None:
        """Print one line."""
        typer.echo(plain_line(message), err=True)


def _check_cluster_given(cluster: str | None, **options: float | None) -> None:
    for name, value in options.items():
        if cluster is None and value is not None:
            raise OptionError(
                "there is no cluster to wait for; name one with `cluster`", argument=name, value=f"{value:g}"
            )
