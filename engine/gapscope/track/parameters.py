"""What a tracker keeps of a run as text: the parameters that define it, and the tags by which it is found again."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gapscope.errors import OptionError
from gapscope.run import Run

MAX_VALUE = 500
"""Longest value of a parameter that every MLflow server takes; newer ones take 6,000 characters."""

MAX_TAG = 5000
"""Likewise of a tag."""

MAX_KEY = 250
IDENTITY = "gapscope.id"
"""The tag by which the MLflow run of a run is found again."""

PER_DATASET = ("dataset", "group", "classes", "value_range", "vectors")
"""First parts of the names of parameters that go with a dataset, before a dot and the dataset's name."""

_RESERVED = "gapscope."
_KEY = re.compile(r"[\w./\- ]+")


def run_parameters(run: Run) -> dict[str, str]:
    """Return what defines a run, by the names that the options have; no value is longer than `MAX_VALUE`.

    Sources stand under `dataset.NAME`, and so do rules of groups and classes under `group.NAME` and `classes.NAME`.
    What is not set is left out.

    Example:
        >>> import gapscope
        >>> parameters = run_parameters(gapscope.open_run("runs/monday"))
        >>> parameters["model"], parameters["levels"], parameters["size"], parameters["fdr"]
        ('bundled', 'P3,P5', '64', '0.1')
    """
    config: dict[str, Any] = msgspec.to_builtins(run.record.config)
    parameters: dict[str, Any] = {"datasets": list(run.datasets)}
    parameters |= {f"dataset.{name}": source for name, source in config.pop("datasets").items()}
    for rule in PER_DATASET[1:]:
        parameters |= {f"{rule}.{name}": value for name, value in config.pop(rule).items()}
    for settings in ("embed", "neighbors", "layout", "compare"):
        parameters |= config.pop(settings)
    # What was chosen says more than what was asked for.
    model = run.record.model
    chosen = {"levels": list(run.levels), "precision": model.precision, "speedups": model.speedups}
    parameters |= config | {name: value for name, value in chosen.items() if value is not None}
    texts = {name: _text(value) for name, value in parameters.items()}
    return {
        name: text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…" for name, text in texts.items() if text
    }


def run_tags(run: Run, given: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a run: what it is, what it says in words, and what the user adds.

    Raises:
        OptionError: MLflow takes no tag with such a name or so long a value, or the name begins with `gapscope.`.
    """
    for name, value in given.items():
        if not _KEY.fullmatch(name) or len(name) > MAX_KEY:
            raise OptionError(f"tag {name!r}: name it with 1 to {MAX_KEY} letters, digits, spaces, and any of _ - . /")
        if name.startswith(_RESERVED):
            raise OptionError(f"tag {name!r}: names that begin with {_RESERVED} are gapscope's own")
        if len(value) > MAX_TAG:
            raise OptionError(
                f"tag {name!r}: its value has {len(value):,} characters, of {MAX_TAG:,} that MLflow takes"
            )
    own = {
        IDENTITY: run_identity(run),
        "gapscope.run": str(run.path),
        "gapscope.version": run.record.versions.get("gapscope", ""),
        "gapscope.device": run.record.device,
        "mlflow.source.name": "gapscope",
        "mlflow.note.content": _description(run),
    }
    return {name: _unicode(value)[:MAX_TAG] for name, value in {**own, **given}.items() if value}


def run_identity(run: Run) -> str:
    """Return a text that stays the same while a run is updated and differs between runs."""
    begun = json.dumps([str(run.path), run.record.created])
    return hashlib.sha256(begun.encode()).hexdigest()[:32]


def _description(run: Run) -> str:
    sentences = run.gaps_record["sentences"]
    lines = [sentences.get(pair.name, "") for pair in run.pairs] + [
        run.metrics["headlines"][pair.name] for pair in run.pairs
    ]
    return "\n".join(f"- {line}" for line in lines if line)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return _unicode(json.dumps(value, ensure_ascii=False))
    return _unicode(str(value))


def _unicode(text: str) -> str:
    """Return a text without what is no Unicode, as a path may hold it."""
    return text.encode("utf-8", "replace").decode()
