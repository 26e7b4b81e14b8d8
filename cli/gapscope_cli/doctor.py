"""`gapscope doctor`: what works on this machine."""

from typing import Annotated

import typer

from gapscope_cli.errors import replace_arguments, reported_errors

_LABELS = {True: "ok", False: "FAILS", None: "-"}


def doctor(
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE", help="Check this cluster too: a scheduler's address or its file.", show_default=False
        ),
    ] = None,
) -> None:
    """Print what works on this machine: GPUs, driver, cuML, decoders, weights, and a cluster.

    The exit code is 1 if a part fails that a run would need.
    """
    failed = False
    with reported_errors():
        from gapscope.cluster import check_cluster
        from gapscope.doctor import examine

        for finding in examine(None if cluster is None else check_cluster(cluster)):
            typer.echo(f"{_LABELS[finding.works]:<6} {finding.name:<17} {replace_arguments(finding.message)}")
            failed = failed or finding.works is False
    if failed:
        raise typer.Exit(1)
