"""Results of a run on an MLflow tracker, for teams that compare dataset versions there."""

import os
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gapscope.errors import OptionError
from gapscope.progress import Progress, Silent
from gapscope.run import Run
from gapscope.store.metrics import NAME as METRICS
from gapscope.track.artifacts import FOLDERS, KINDS, PAGE, TOP_FILES, Artifact, collect_artifacts
from gapscope.track.numbers import describe_left_out_classes, run_numbers
from gapscope.track.parameters import IDENTITY, PER_DATASET, run_parameters, run_tags
from gapscope.track.process import call_client, check_installed, check_uri, public_uri
from gapscope.verify.diagnose import diagnose_damage

__all__ = ["TrackedRun", "track_run"]

_NO_TAGS: Mapping[str, str] = MappingProxyType({})
_OURS = "|".join(
    (
        rf"(?:{'|'.join(PER_DATASET)})\.",
        r"[^/]+-vs-[^/]+/",
        "datasets/",
        *(f"{folder}/" for folder in FOLDERS),
        *(f"{re.escape(name)}$" for name in (PAGE, *TOP_FILES)),
    )
)
"""The names of parameters, numbers and files that only gapscope gives, and that may be there in one run and not in
another."""


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """A run as a tracker has it.

    Attributes:
        url: where people look at it; for a tracker that has no pages, its address and the run's id.
        run_id: MLflow's id of it.
        replaced: how many earlier MLflow runs of the same run it has taken the place of.
        left_out: names of the files that were too large.
    """

    url: str
    run_id: str
    replaced: int
    left_out: tuple[str, ...]


def track_run(
    run: Run,
    uri: str | None = None,
    *,
    experiment: str = "gapscope",
    name: str | None = None,
    tags: Mapping[str, str] = _NO_TAGS,
    max_mb: float = 100,
    progress: Progress | None = None,
) -> TrackedRun:
    """Put the parameters, numbers and files of a run on an MLflow tracker; `docs/tracking.md` lists them.

    A run is tracked once per experiment: tracked again, it keeps its MLflow run and gets what has changed. Where that
    run holds something that is no longer true and that MLflow lets nobody remove, such as a dataset that an update
    dropped, a new MLflow run takes its place, and the earlier one goes to MLflow's deleted runs. Tags that people
    added go with it.

    Args:
        run: a finished run.
        uri: the tracker's address; what MLFLOW_TRACKING_URI says by default. User and password in it are in no message
            and no file.
        experiment: the MLflow experiment, which is made if it is not there.
        name: of the MLflow run; the name of the run's folder by default.
        tags: more tags of the MLflow run.
        max_mb: files larger than this, in millions of bytes, are left out, with a note.
        progress: what shows long work.

    Raises:
        OptionError: no tracker is named, MLflow's client is not installed, or a tag is none that MLflow takes.
        TrackerError: the tracker cannot be reached within about 30 seconds, or refuses.
        DamageError: the run's files are not whole.

    Example:
        >>> import gapscope
        >>> run = gapscope.open_run("runs/monday")
        >>> tracked = track_run(run, "http://127.0.0.1:5000", tags={"version": "2"})  # doctest: +SKIP
        >>> tracked.url  # doctest: +SKIP
        'http://127.0.0.1:5000/#/experiments/1/runs/0a1b2c'
    """
    shown = progress or Silent()
    address = uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    if not address:
        raise OptionError("no tracker is named: give its address, or set MLFLOW_TRACKING_URI")
    if not experiment.strip():
        raise OptionError("must not be empty", argument="experiment", value=experiment)
    check_uri(address)
    check_installed()
    with tempfile.TemporaryDirectory(prefix="gapscope-") as scratch:
        with diagnose_damage(run.path):
            artifacts, left_out = collect_artifacts(run, Path(scratch), max_mb)
            request = _request(run, experiment, name, tags, artifacts)
            notes = [describe_left_out_classes(run), *(f"{each} is larger than {max_mb:g} MB" for each in left_out)]
        for note in filter(None, notes):
            shown.note(f"tracking: {note}")
        with shown.task("track", total=len(artifacts), unit="file") as task:
            answer = call_client(address, request, lambda _: task.advance(1))
    return TrackedRun(
        url=_url(public_uri(address), answer),
        run_id=answer["run_id"],
        replaced=answer["replaced"],
        left_out=tuple(left_out),
    )


def _request(
    run: Run, experiment: str, name: str | None, tags: Mapping[str, str], artifacts: list[Artifact]
) -> dict[str, Any]:
    start = int(1000 * datetime.fromisoformat(run.record.created).timestamp())
    table = f'[{{"path": "{KINDS}", "type": "table"}}]'
    return {
        "experiment": experiment,
        "name": name or run.path.name,
        "identity": IDENTITY,
        "ours": _OURS,
        "folders": FOLDERS,
        "start": start,
        "end": max(start, _finished(run)),
        "parameters": run_parameters(run),
        "numbers": run_numbers(run),
        # By this tag MLflow's pages know which files are tables.
        "tags": {"mlflow.loggedArtifacts": table, **run_tags(run, tags)},
        "files": [{"path": str(each.path), "folder": each.folder, "name": each.name} for each in artifacts],
    }


def _finished(run: Run) -> int:
    """Return when the run's numbers were written, in milliseconds; now where the storage does not say."""
    written = getattr((run.path / METRICS).stat(), "st_mtime", 0) or time.time()
    return int(1000 * written)


def _url(address: str, answer: Mapping[str, Any]) -> str:
    if address.startswith(("http://", "https://")):
        return f"{address.rstrip('/')}/#/experiments/{answer['experiment_id']}/runs/{answer['run_id']}"
    return f"{address}, run {answer['run_id']}"
