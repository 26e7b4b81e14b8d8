"""compared/: what a comparison has finished, a reading of a level at a time, until all of it is.

A file counts for as long as nothing changes that it was computed from: its key, a hash of all that, is kept in it.
"""

import json
from collections.abc import Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gapscope.settings import Reading
from gapscope.store.location import Location, remove_tree
from gapscope.store.run_store import RunStore
from gapscope.store.shuffle import read_arrays, write_arrays

NAME = "compared"
_HEADER = "header"
_DAMAGED = (BadZipFile, EOFError, KeyError, ValueError)


def _path(run: RunStore, level: str, reading: Reading) -> Location:
    return run.path / NAME / f"{level}.{reading}.npz"


def write_compared(
    run: RunStore, level: str, reading: Reading, key: str, numbers: Any, arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Keep what is finished of a level and reading.

    Args:
        run: the run.
        level: the level's name.
        reading: as it is, or style aside.
        key: what it was computed from.
        numbers: what JSON can hold.
        arrays: named.
    """
    header = json.dumps({"key": key, "numbers": numbers}).encode()
    write_arrays(_path(run, level, reading), **{_HEADER: np.frombuffer(header, np.uint8)}, **arrays)


def read_compared(run: RunStore, level: str, reading: Reading, key: str) -> tuple[Any, dict[str, NDArray[Any]]] | None:
    """Return the numbers and arrays of a level and reading; None where they are not there, or of something else."""
    try:
        arrays = read_arrays(_path(run, level, reading))
        header = json.loads(arrays.pop(_HEADER).tobytes())
    except FileNotFoundError:
        return None
    except _DAMAGED:
        # It is computed again.
        return None
    return (header["numbers"], arrays) if header["key"] == key else None


def remove_compared(run: RunStore) -> None:
    """Remove all of it: the comparison is finished, or what it is of has changed."""
    remove_tree(run.path / NAME)
