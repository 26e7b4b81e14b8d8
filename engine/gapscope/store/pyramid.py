"""pyramid.zarr: the embeddings of every dataset and level, one shard per block, and a flag per finished block."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec

from gapscope.store.atomic import flush
from gapscope.store.location import zarr_store

_CHUNK_ROWS = 1024


def _path(run: Path) -> Path:
    return run / "pyramid.zarr"


def create_pyramid(run: Path, dataset: str, rows: int, block_rows: int, channels: Mapping[str, int]) -> None:
    """Make the empty arrays of a dataset where they are not there yet, and of the right length where they are.

    Args:
        run: the run's folder.
        dataset: the dataset's name.
        rows: rows listed.
        block_rows: rows per shard, a power of two.
        channels: level name to embedding length.
    """
    group = zarr.open_group(zarr_store(_path(run)), mode="a", zarr_format=3).require_group(dataset)
    blocks = -(-rows // block_rows)
    for name, array in group.arrays():
        array.resize((blocks if name == "done" else rows, *array.shape[1:]))
    for level, length in channels.items():
        if level not in group:
            group.create_array(
                level,
                shape=(rows, length),
                dtype="float16",
                chunks=(min(block_rows, _CHUNK_ROWS), length),
                shards=(block_rows, length),
                # Embeddings are close to noise: compressing them costs time and saves next to nothing.
                compressors=[Crc32cCodec()],
                fill_value=float("nan"),
            )
    # Made last, so that where it exists the others do.
    if "done" not in group:
        group.create_array(
            "done", shape=(blocks,), dtype="uint8", chunks=(1,), compressors=[Crc32cCodec()], fill_value=0
        )


def pending_blocks(run: Path, dataset: str) -> list[int]:
    """Return the numbers of the dataset's blocks that are not finished, in order."""
    return np.flatnonzero(block_flags(run, dataset) == 0).tolist()


def block_flags(run: Path, dataset: str) -> NDArray[np.uint8]:
    """Return a flag per block of the dataset, 1 where it is finished."""
    return np.asarray(_array(run, dataset, "done", "r")[:])


def write_embeddings(run: Path, dataset: str, start: int, embeddings: Mapping[str, NDArray[np.float16]]) -> None:
    """Write the embeddings of one block, whose first row is `start`: level to (rows, channels)."""
    for level, values in embeddings.items():
        array = _array(run, dataset, level, "r+")
        array[start : start + len(values)] = values
        flush(shard_path(run, dataset, level, start // _block_rows(array)))


def shard_path(run: Path, dataset: str, level: str, block: int) -> Path:
    """Path of the file that holds a block's embeddings at a level; there is none where all are NaN."""
    return _path(run) / dataset / level / "c" / str(block) / "0"


def _block_rows(array: "zarr.Array[Any]") -> int:
    shape: tuple[int, ...] = array.shards or array.chunks
    return shape[0]


def read_embeddings(run: Path, dataset: str, level: str, start: int, stop: int) -> NDArray[np.float16]:
    """Return rows `start` to `stop` (exclusive) of a dataset and level: (rows, channels), NaN where nothing is yet."""
    return np.asarray(open_embeddings(run, dataset, level)[start:stop])


def mark_done(run: Path, dataset: str, block: int) -> None:
    """Say that everything about a block is on disk."""
    _array(run, dataset, "done", "r+")[block] = 1


def mark_pending(run: Path, dataset: str, blocks: Sequence[int]) -> None:
    """Say that blocks have to be worked on again."""
    try:
        flags = _array(run, dataset, "done", "r+")
    except FileNotFoundError:
        return
    for block in blocks:
        flags[block] = 0


def open_embeddings(run: Path, dataset: str, level: str) -> zarr.Array[Any]:
    """Return the (rows, channels) float16 array of a dataset and level; NaN where an image was rejected."""
    return _array(run, dataset, level, "r")


def _array(run: Path, dataset: str, name: str, mode: Literal["r", "r+"]) -> zarr.Array[Any]:
    return zarr.open_array(zarr_store(_path(run)), path=f"{dataset}/{name}", mode=mode, zarr_format=3)
