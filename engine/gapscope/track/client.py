"""The program that talks to an MLflow tracker, in a process of its own; it imports nothing but MLflow's client.

It reads a request as JSON from stdin and writes a line of JSON per step to stdout: what it did, the name of each file
that it has sent, the MLflow run at the end, or an error. `gapscope.track.process` starts it.
"""

import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

_BATCH, _TEXTS = 500, 100
"""Numbers, and parameters or tags, in one request; MLflow takes 1,000 and 100."""

_UPLOAD_SECONDS = "60"
"""How long the tracker may keep silent over one file, which it may have to pass on to a storage."""

_REFUSED = (401, 403)
_HTTP_STATUS = re.compile(r"error code (\d{3})|too many (\d{3}) error responses")

_ADDRESSES = {
    "got unsupported URI": (
        "MLflow's client takes no such address; give that of a server, http:// or https://, or for a database install "
        "the whole of MLflow: pip install mlflow"
    ),
    "MLFLOW_ALLOW_FILE_STORE": "MLflow takes folders only where MLFLOW_ALLOW_FILE_STORE=true is set",
}
"""What MLflow's own messages mean, whose sentences are long."""


def main() -> None:
    """Carry out one request."""
    # MLflow prints lines for people; what this program says itself must stay apart from them.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    request = json.load(sys.stdin)
    try:
        import mlflow
        from mlflow.tracking import MlflowClient
    except Exception as error:  # noqa: BLE001 - A package that is broken, or does not fit another, raises anything.
        say(error=f"MLflow's client cannot be imported: {type(error).__name__}: {error}")
        return
    say(step="imported", version=mlflow.__version__)
    try:
        say(**_track(MlflowClient(tracking_uri=request["uri"]), request, say))
    except Exception as error:  # noqa: BLE001 - Storages raise errors of their own kinds.
        say(**_refusal(error))


def _track(client: Any, request: dict[str, Any], say: Callable[..., None]) -> dict[str, Any]:
    experiment = _experiment_id(client, request["experiment"])
    say(step="reached")
    identity, ours = request["identity"], re.compile(request["ours"])
    earlier = list(
        client.search_runs(
            [experiment],
            filter_string=f"tags.`{identity}` = '{request['tags'][identity]}'",
            max_results=100,
            order_by=["attributes.start_time DESC"],
        )
    )
    say(step="searched")
    kept = next((each for each in earlier if not _stale(client, each, request, ours)), None)
    say(step="chosen")
    if kept is None:
        tags = (_added_tags(earlier[0]) if earlier else {}) | request["tags"]
        kept = client.create_run(experiment, start_time=request["start"], tags=tags, run_name=request["name"])
    else:
        client.update_run(kept.info.run_id, name=request["name"])
    run_id = kept.info.run_id
    say(step="begun")
    try:
        _log(client, kept, request, say)
        client.set_terminated(run_id, "FINISHED", end_time=request["end"])
    except Exception:
        if not earlier:
            with suppress(Exception):
                client.set_terminated(run_id, "FAILED")
        raise
    replaced = [each.info.run_id for each in earlier if each.info.run_id != run_id]
    for each in replaced:
        client.delete_run(each)
        say(step="replaced")
    return {"run_id": run_id, "experiment_id": experiment, "replaced": len(replaced)}


def _experiment_id(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            # Another process may have made it just now.
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise ValueError(f"the experiment {name!r} is deleted: restore it in MLflow, or name another `experiment`")
    return str(experiment.experiment_id)


def _stale(client: Any, run: Any, request: dict[str, Any], ours: re.Pattern[str]) -> bool:
    """Return whether an MLflow run holds anything of ours that is no longer true and that MLflow lets nobody remove.

    MLflow keeps the values of parameters and the names of numbers for good, and files cannot be removed everywhere.
    """
    wanted = request["parameters"]
    if any(wanted.get(name, value) != value for name, value in run.data.params.items()):
        return True
    files = {file["name"] for file in request["files"]}
    names = [*run.data.params, *run.data.metrics, *_logged_files(client, run.info.run_id, request["folders"])]
    known = {*wanted, *request["numbers"], *files}
    return any(ours.match(name) and name not in known for name in names)


def _logged_files(client: Any, run_id: str, folders: list[str]) -> Iterator[str]:
    for folder in ["", *folders]:
        for each in client.list_artifacts(run_id, folder or None):
            if not each.is_dir:
                yield each.path


def _added_tags(run: Any) -> dict[str, str]:
    return {name: value for name, value in run.data.tags.items() if not name.startswith(("gapscope.", "mlflow."))}


def _log(client: Any, run: Any, request: dict[str, Any], say: Callable[..., None]) -> None:
    from mlflow.entities import Metric, Param, RunTag

    run_id, now = run.info.run_id, int(1000 * time.time())
    texts = [Param(name, value) for name, value in request["parameters"].items() if name not in run.data.params]
    for at in range(0, len(texts), _TEXTS):
        client.log_batch(run_id, params=texts[at : at + _TEXTS])
        say(step="parameters")
    tags = [RunTag(name, value) for name, value in request["tags"].items() if run.data.tags.get(name) != value]
    for at in range(0, len(tags), _TEXTS):
        client.log_batch(run_id, tags=tags[at : at + _TEXTS])
        say(step="tags")
    # A number that has not changed would get a second point in MLflow's history.
    numbers = [
        Metric(name, value, now, 0) for name, value in request["numbers"].items() if run.data.metrics.get(name) != value
    ]
    for at in range(0, len(numbers), _BATCH):
        client.log_batch(run_id, metrics=numbers[at : at + _BATCH])
        say(step="numbers")
    say(step="sending")
    before = os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = _UPLOAD_SECONDS
    for file in request["files"]:
        client.log_artifact(run_id, file["path"], file["folder"] or None)
        say(file=file["name"])
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = before


def _chain(error: Any) -> Iterator[Any]:
    """Return an error and those behind it."""
    seen, at = list[Any](), error
    while at is not None and at not in seen:
        seen.append(at)
        yield at
        reason = getattr(at, "reason", None)
        at = at.__cause__ or at.__context__ or (reason if isinstance(reason, BaseException) else None)


def _refusal(error: BaseException) -> dict[str, Any]:
    """Return what is wrong in words, whether the tracker could not be reached, and the HTTP status of its answer."""
    for each in _chain(error):
        match = _HTTP_STATUS.search(str(each))
        if match:
            return {"error": str(error), "status": int(match[1] or match[2])}
        # A tracker that says in JSON why it refuses.
        if type(each).__name__ == "RestException" and (status := each.get_http_status_code()) in _REFUSED:
            return {"error": str(error), "status": status}
        if isinstance(each, socket.gaierror):
            return {"error": "the name of its host is not known", "unreachable": True}
        if isinstance(each, TimeoutError) or "Timeout" in type(each).__name__:
            return {"error": "it does not answer in time", "unreachable": True}
        if isinstance(each, ConnectionError) and each.strerror:
            return {"error": each.strerror, "unreachable": True}
    text = str(error) or type(error).__name__
    return {"error": next((words for sign, words in _ADDRESSES.items() if sign in text), text)}


if __name__ == "__main__":
    main()
