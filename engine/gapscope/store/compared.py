"""compared/: what a comparison has finished, a reading of a level at a time, until all of it is."""

import json
from collections.abc import Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import DamageError
from gapscope.settings import Reading
from gapscope.store.location import Location, remove_tree
from gapscope.store.run_store import RunStore
from gapscope.store.shuffle import write_arrays

NAME = "compared"
_HEADER = "header"
_DAMAGED = (BadZipFile, EOFError, KeyError, ValueError)


def _path(run: RunStore, level: str, reading: Reading) -> Location:
    return run.path / NAME / f"{level}.{reading}.npz"


def write_compared(
    run: RunStore, level: str, reading: Reading, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Keep what is finished of a level and reading.

    Args:
        run: the run.
        level: the level's name.
        reading: as it is, or style aside.
        header: what JSON can hold.
        arrays: named.
    """
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    write_arrays(_path(run, level, reading), **{_HEADER: text}, **arrays)


def read_compared_header(run: RunStore, level: str, reading: Reading) -> dict[str, Any] | None:
    """Return the header of a level and reading; None where there is none, or it is damaged."""
    try:
        header: dict[str, Any] = json.loads(_read(run, level, reading, _HEADER).tobytes())
    except (FileNotFoundError, *_DAMAGED):
        return None
    return header


def read_compared_array(run: RunStore, level: str, reading: Reading, name: str) -> NDArray[Any]:
    """Return one of the arrays of a level and reading.

    Raises:
        DamageError: the file is damaged, or gone.
    """
    try:
        return _read(run, level, reading, name)
    except (FileNotFoundError, *_DAMAGED) as error:
        path = _path(run, level, reading)
        raise DamageError(f"{path} is damaged: remove it, and give the same command again") from error


def _read(run: RunStore, level: str, reading: Reading, name: str) -> NDArray[Any]:
    with _path(run, level, reading).open("rb") as file, np.load(file) as arrays:
        values: NDArray[Any] = arrays[name]
    return values


def remove_compared(run: RunStore) -> None:
    """Remove all of it: the comparison is finished."""
    remove_tree(run.path / NAME)
