"""compared/: what a comparison has finished, a reading of a level at a time, until all of it is finished."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
        arrays: by name.
    """
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    write_arrays(_path(run, level, reading), **{_HEADER: text}, **arrays)


@contextmanager
def open_compared(
    run: RunStore, level: str, reading: Reading
) -> Iterator[tuple[dict[str, Any], Mapping[str, NDArray[Any]]]]:
    """Yield the header of a level and reading, and its arrays by name, each of which is read when it is asked for.

    Raises:
        FileNotFoundError: nothing is kept of this level and reading.
        DamageError: the file is damaged.
    """
    path = _path(run, level, reading)
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            yield json.loads(arrays[_HEADER].tobytes()), arrays
    except (BadZipFile, EOFError, KeyError, ValueError) as error:
        raise DamageError(f"{path} is damaged: remove it, and give the same command again") from error


def remove_compared(run: RunStore) -> None:
    """Remove all that is kept: the comparison is finished, or has to begin anew."""
    remove_tree(run.path / NAME)
