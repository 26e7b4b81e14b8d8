"""run.json: what defines a run, written first, and what a later command must agree with."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gapscope.errors import DamageError, OptionError, RunError, one_line
from gapscope.settings import check_dataset_name
from gapscope.store.atomic import sweep, write_json
from gapscope.store.links import check_no_escaping_links
from gapscope.store.location import make_folder, reason_of
from gapscope.store.lock import NAME as LOCK

FORMAT = 4
"""Version of the run's layout on disk."""

NAME = "run.json"

_LEVEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_MOST_ROWS = 2**40
_MOST_BLOCK_ROWS = 2**20


@dataclass(kw_only=True)
class RunRecord:
    """The content of run.json.

    Attributes:
        config: what defines the run; the same command makes the same config. JSON values only.
        model: the network: name, weights file and its SHA-256, levels with stride and channels, preprocessing.
        versions: gapscope and the libraries that numbers depend on.
        device: what the run was last computed on, such as `cpu`.
        created: time of the first command, ISO 8601.
        datasets: per dataset: rows listed, digest of the listing, and once embedded, rows read and rejected.
        block_rows: rows per block, 0 until the datasets are listed.
        times: per piece of work that the last command on the run did: seconds, and how many units were done.
        scaler: per level, `mean` and `std` per dimension over all datasets; empty until embedded.
    """

    config: dict[str, Any]
    model: dict[str, Any]
    versions: dict[str, str]
    device: str = ""
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    block_rows: int = 0
    scaler: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    times: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, run: Path) -> None:
        """Write run.json into folder `run`."""
        write_json(run / NAME, {"format": FORMAT, **vars(self)})


def read_run_record(run: Path) -> RunRecord:
    """Read run.json.

    Raises:
        RunError: the folder is no run, its run.json is damaged, another version of gapscope wrote it, or something in
            the folder leads out of it.
    """
    path = run / NAME
    check_no_escaping_links(run)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        written_as = content.pop("format")
        if written_as != FORMAT:
            raise RunError(_of_another_version(path, written_as, content))
        return _checked(RunRecord(**content))
    except FileNotFoundError:
        raise RunError(f"{run} is not a gapscope run: it holds no {NAME}") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {reason_of(error)}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OptionError) as error:
        raise DamageError(f"{path} is damaged ({one_line(error)}): use another `out`, or remove the folder") from error


def _of_another_version(path: Path, written_as: Any, content: dict[str, Any]) -> str:
    theirs, ours = dict(content.get("versions") or {}).get("gapscope", "another version"), version("gapscope")
    newer = isinstance(written_as, int) and written_as > FORMAT
    way_out = (
        f"update to {theirs} or newer, or use another `out`"
        if newer
        else f"look at it with {theirs}, or compare again into another `out`"
    )
    return (
        f"{path} has format {written_as}, of gapscope {theirs}; this is gapscope {ours}, which reads format {FORMAT}: "
        f"{way_out}"
    )


def _checked(record: RunRecord) -> RunRecord:
    """See that what names files, and what memory is taken by, is of the kind that gapscope writes.

    Names of datasets and levels become parts of paths, and a run may come from somebody else.
    """
    for name in ("config", "model", "versions", "datasets", "scaler", "times"):
        if not isinstance(getattr(record, name), dict):
            raise TypeError(f"`{name}` is no object")
    names = record.config.get("datasets", {})
    for name, location in names.items():
        if not isinstance(location, str):
            raise TypeError(f"the source of dataset {name} is no text")
        check_dataset_name(name)
    for level in record.config.get("embed", {}).get("levels", []):
        if not isinstance(level, str) or not _LEVEL.fullmatch(level):
            raise ValueError(f"{level!r} is no level's name")
    if record.config.get("compare", {}).get("reference") not in (None, *names):
        raise ValueError("the reference is none of the datasets")
    for name, facts in record.datasets.items():
        check_dataset_name(name)
        if not _is_count(facts.get("listed", 0), _MOST_ROWS):
            raise ValueError(f"the number of images of dataset {name} is none")
    if not _is_count(record.block_rows, _MOST_BLOCK_ROWS):
        raise ValueError("`block_rows` is no number of rows")
    return record


def _is_count(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def open_or_create(run: Path, record: RunRecord) -> RunRecord:
    """Make folder `run` a run described by `record`, or open it if it is that run already.

    Raises:
        RunError: the folder holds something else, or a run that was made with another config.
    """
    if (run / NAME).exists():
        there = read_run_record(run)
        check_same(run, there, record)
        sweep(run)
        return there
    check_empty(run)
    try:
        make_folder(run)
        record.write(run)
    except (OSError, NotImplementedError) as error:
        raise RunError(f"{run} cannot be written: {reason_of(error)}") from error
    return record


def check_empty(run: Path) -> None:
    """See that folder `run`, unless it is a run, can become one.

    Raises:
        RunError: it holds something else, cannot be read, or is a run with something in it that leads out of it.
    """
    check_no_escaping_links(run)
    try:
        if (run / NAME).exists():
            return
        others = [path for path in run.iterdir() if not _of_a_beginning(path)] if run.is_dir() else []
        if others or (run.exists() and not run.is_dir()):
            raise RunError(f"{run} is not a gapscope run and not empty: give a new or empty folder as `out`")
    except (OSError, NotImplementedError) as error:
        raise RunError(f"{run} cannot be read: {reason_of(error)}") from error


def _of_a_beginning(path: Path) -> bool:
    # A first command that was killed may have left no more than its lock and half-written files.
    return path.name == LOCK or any(path.match(f".{name}.*.partial") for name in (NAME, LOCK))


def check_same(run: Path, there: RunRecord, here: RunRecord) -> None:
    """Hold the configs of two records of folder `run` against each other.

    Raises:
        RunError: they differ; says in what.
    """
    if differences := _differences(there.config, here.config):
        names = set(there.config.get("datasets", {})) ^ set(here.config.get("datasets", {}))
        others = [one for one in differences if not one.startswith(tuple(f"datasets.{name} " for name in names))]
        more = ", or `update=True` to add and drop datasets" if names and not others else ""
        raise RunError(f"{run} holds a different run: {'; '.join(differences)}. Use another `out`{more}")


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    old, new = dict(_flat(there)), dict(_flat(here))
    names = list(old) + [name for name in new if name not in old]
    return [
        f"{name} was {_shown(old.get(name))}, now {_shown(new.get(name))}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _flat(config: dict[str, Any]) -> list[tuple[str, Any]]:
    flat = []
    for name, value in config.items():
        if isinstance(value, dict):
            flat += [(f"{name}.{inner}", deeper) for inner, deeper in _flat(value)]
        else:
            flat.append((name, value))
    return flat


def _shown(value: Any) -> str:
    if value is None:
        return "not there"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
