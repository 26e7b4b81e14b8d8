"""history.json: what was measured of versions, so that the next history measures only new ones."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import msgspec

from gapscope.errors import DamageError
from gapscope.history.versions import Measured
from gapscope.run import Run
from gapscope.store.atomic import write_json
from gapscope.store.gaps import NAME as GAPS
from gapscope.store.location import Location
from gapscope.store.metrics import NAME as METRICS
from gapscope.store.run_record import NAME as RECORD

NAME = "history.json"

_FORMAT = 1


def run_key(run: Run) -> str:
    """Return a digest of a run that is another one after `gapscope update`.

    Raises:
        DamageError: a file of the run is missing.
    """
    digest = hashlib.sha256()
    for name in (RECORD, METRICS, GAPS):
        try:
            digest.update(hashlib.sha256((run.path / name).read_bytes()).digest())
        except FileNotFoundError:
            raise DamageError(f"{run.path / name} is missing; see `gapscope verify {run.path}`") from None
    return digest.hexdigest()


def read_kept(file: Location, first: str) -> dict[str, Measured]:
    """Return what was measured beside a first version, by the keys of versions.

    There is nothing in a file that is missing, damaged, of another format or another release of gapscope, or beside
    another first version: all of it is measured again.

    Args:
        file: history.json.
        first: the key of the first version.
    """
    try:
        content = msgspec.json.decode(file.read_bytes())
        if [content[name] for name in ("format", "gapscope", "first")] != [_FORMAT, version("gapscope"), first]:
            return {}
        return msgspec.convert({own.pop("key"): own for own in content["versions"]}, dict[str, Measured])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def write_kept(file: Location, first: str, versions: Mapping[str, tuple[str, Measured]]) -> None:
    """Write what was measured beside a first version: by the key of each version, its name and what was measured."""
    content: dict[str, Any] = {
        "format": _FORMAT,
        "gapscope": version("gapscope"),
        "first": first,
        "versions": [
            {"key": key, "name": name, **msgspec.to_builtins(measured)} for key, (name, measured) in versions.items()
        ],
    }
    write_json(file, content)
