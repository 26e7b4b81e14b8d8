"""shuffle/: embeddings on their way to the parts of embedding space, and neighbors on their way back to their rows.

It is scratch space of a search that is under way. A file holds records one segment after the other, and a second one
beside it, which is written last, says where the segments begin.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapscope.store.ahead import map_ahead
from gapscope.store.atomic import replacing
from gapscope.store.location import Location, file_system, is_remote

NAME = "shuffle"
_READERS = 8

Records = NDArray[np.void]


class Segment(NamedTuple):
    """Consecutive records of a file."""

    path: Location
    start: int
    stop: int


def write_segments(path: Location, pieces: Iterable[Records], starts: NDArray[np.int64]) -> None:
    """Write pieces of records (n,), of which segment i is `starts[i]` to `starts[i + 1]`; whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        for records in pieces:
            file.write(records.view(np.uint8).data)
    write_arrays(_starts_path(path), starts=starts)


def segment_starts(path: Location) -> NDArray[np.int64]:
    """Return where the segments of a file begin, and the number of its records as the last.

    Raises:
        FileNotFoundError: the file is not there, whole.
    """
    return read_arrays(_starts_path(path))["starts"]


def has_segments(path: Location, dtype: np.dtype[Any]) -> bool:
    """Return whether a file of such records is there, whole."""
    try:
        size = int(segment_starts(path)[-1]) * dtype.itemsize
        return bool(path.stat().st_size == size)
    except FileNotFoundError:
        return False


def read_segments(segments: Iterable[Segment], dtype: np.dtype[Any]) -> Iterator[Records]:
    """Yield the records of each segment that has any, in order; some of the next are read meanwhile.

    Raises:
        FileNotFoundError: a file is not there.
    """
    filled = (segment for segment in segments if segment.start < segment.stop)
    yield from map_ahead(lambda segment: _read_segment(segment, dtype), filled, _READERS)


def _read_segment(segment: Segment, dtype: np.dtype[Any]) -> Records:
    start, stop = segment.start * dtype.itemsize, segment.stop * dtype.itemsize
    if is_remote(segment.path):
        data = file_system(segment.path).cat_file(str(segment.path), start=start, end=stop)
        return np.frombuffer(data, dtype)
    return np.fromfile(segment.path, dtype, count=segment.stop - segment.start, offset=start)


def write_arrays(path: Location, **arrays: NDArray[Any]) -> None:
    """Write named arrays to a file, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_arrays(path: Location) -> dict[str, NDArray[Any]]:
    """Return what `write_arrays` wrote.

    Raises:
        FileNotFoundError: the file is not there.
    """
    with path.open("rb") as file, np.load(file) as arrays:
        return dict(arrays)


def _starts_path(path: Location) -> Location:
    starts: Location | Path = path.with_name(f"{path.name}.starts.npz")
    return starts
