"""Whether a run's arrays and tables are as large as its run.json says: a few bytes can claim to be terabytes."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import zarr

from gapscope.errors import DamageError, one_line
from gapscope.store.datasets import all_pairs
from gapscope.store.groups import groups_path
from gapscope.store.index import index_path
from gapscope.store.location import Location, readable
from gapscope.store.run_store import RunStore

_MAX_CHUNK_BYTES = 2**30
_MAX_COLUMNS = 65536


def check_shapes(run: RunStore) -> None:
    """Compare the sizes that arrays and tables claim with run.json, without reading any of them.

    What is missing is passed over: whoever needs it reports it.

    Raises:
        DamageError: something has another shape or type than a run's, or its chunks are too large to be one's.
    """
    listed = {name: run.record.datasets[name].listed for name in run.datasets}
    for name, rows in listed.items():
        _check_table(run.path, index_path(run.path, name), rows)
        _check_table(run.path, groups_path(run.path, name), rows)
    for path, kind, shape in _arrays(run.levels, listed):
        check_array(run, path, kind, shape)


def _arrays(levels: tuple[str, ...], listed: dict[str, int]) -> Iterator[tuple[str, str, tuple[int | None, ...]]]:
    """Yield path, kind of number and shape of every array; None is any length."""
    everything = sum(listed.values())
    for level in levels:
        yield f"layout.zarr/{level}", "f", (everything, 3)
        yield f"clusters.zarr/{level}", "i", (everything,)
        for name, rows in listed.items():
            yield f"pyramid.zarr/{name}/{level}", "f", (rows, None)
            yield f"previous_layout.zarr/{level}/{name}", "f", (None, 3)
        for pair in all_pairs(list(listed)):
            path = f"neighbors.zarr/{level}/{pair.name}"
            for prefix in ("", "group_", "style_aside_"):
                yield f"{path}/{prefix}distances", "f", (listed[pair.query], None)
                yield f"{path}/{prefix}indices", "i", (listed[pair.query], None)


def _check_table(run: Location, path: Location, rows: int) -> None:
    try:
        with readable(path, whole=False) as source, pq.ParquetFile(source) as file:
            claimed = int(file.metadata.num_rows)
    except FileNotFoundError:
        return
    except Exception as error:
        raise DamageError(f"{path} cannot be read ({one_line(error)}): it is damaged; {_see(run)}") from error
    # Every row has a uri of its own, which takes a byte at least; of groups there may be a few.
    if claimed != rows or (rows > path.stat().st_size and path.parent.name == "index"):
        raise DamageError(f"{path} claims {claimed:,} rows, and run.json {rows:,}: it is damaged; {_see(run)}")


def check_array(run: RunStore, path: str, kind: str, shape: tuple[int | None, ...]) -> None:
    """Compare the shape and type that an array claims with what they should be, without reading it.

    Args:
        run: the run.
        path: of the array, relative to it, such as layout.zarr/P3.
        kind: NumPy's letter for the kind of its numbers.
        shape: None for any length.

    Raises:
        DamageError: it has another shape or type, or its chunks are too large.
    """
    try:
        array = run.open_array(path)
    except FileNotFoundError:
        return
    # Zarr says nearly anything of metadata that is not as it should be.
    except Exception as error:
        raise DamageError(
            f"{run.path}/{path} cannot be read ({one_line(error)}): it is damaged; {_see(run.path)}"
        ) from error
    if (wrong := _wrong(array, kind, shape)) is not None:
        raise DamageError(f"{run.path}/{path} is no array of a run, {wrong}: it is damaged; {_see(run.path)}")


def _see(run: Location) -> str:
    return f"see `gapscope verify {run}`"


def _wrong(array: "zarr.Array[Any]", kind: str, shape: tuple[int | None, ...]) -> str | None:
    dtype = np.dtype(array.dtype)
    if dtype.kind != kind:
        return f"it is of {dtype}"
    if len(array.shape) != len(shape) or any(
        length != wanted if wanted is not None else length > _MAX_COLUMNS and axis > 0
        for axis, (length, wanted) in enumerate(zip(array.shape, shape, strict=False))
    ):
        return f"its shape is {array.shape}"
    if math.prod(array.shards or array.chunks) * dtype.itemsize > _MAX_CHUNK_BYTES:
        return f"its chunks are {array.shards or array.chunks}"
    return None
