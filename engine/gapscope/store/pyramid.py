"""pyramid.zarr: the embeddings of every dataset and level, one shard per block, and a flag per finished block."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec

from gapscope.store.atomic import flush
from gapscope.store.location import Location, zarr_store
from gapscope.store.run_store import RunStore

NAME = "pyramid.zarr"

_CHUNK_ROWS = 1024


def create_pyramid(
    run: RunStore, dataset: str, channels: Mapping[str, int], dtypes: Mapping[str, "np.dtype[Any]"] | None = None
) -> None:
    """Create the arrays of a dataset where they are missing, and give existing ones the length of the listing.

    Args:
        run: the run; its record says how many rows the dataset and a block have.
        dataset: the dataset's name.
        channels: the embedding's length per level.
        dtypes: per level whose embeddings are kept in another type than float16.
    """
    rows, block_rows, blocks = run.record.datasets[dataset].listed, run.record.block_rows, run.record.blocks(dataset)
    group = zarr.open_group(zarr_store(run.path / NAME), mode="a", zarr_format=3).require_group(dataset)
    for name, array in group.arrays():
        array.resize((blocks if name == "done" else rows, *array.shape[1:]))
    for level, length in channels.items():
        if level not in group:
            group.create_array(
                level,
                shape=(rows, length),
                dtype=(dtypes or {}).get(level, np.dtype(np.float16)),
                chunks=(min(block_rows, _CHUNK_ROWS), length),
                shards=(block_rows, length),
                # Embeddings are close to noise: compressing them costs time and saves next to nothing.
                compressors=[Crc32cCodec()],
                fill_value=float("nan"),
            )
    # Created last, so that where it exists the others do.
    if "done" not in group:
        group.create_array(
            "done", shape=(blocks,), dtype="uint8", chunks=(1,), compressors=[Crc32cCodec()], fill_value=0
        )
    run.close(f"{NAME}/{dataset}")


def pending_blocks(run: RunStore, dataset: str) -> list[int]:
    """Return the numbers of the dataset's blocks that are not finished, in order."""
    return np.flatnonzero(block_flags(run, dataset) == 0).tolist()


def block_flags(run: RunStore, dataset: str) -> NDArray[np.uint8]:
    """Return (blocks,) flags, 1 for a block that is finished."""
    return np.asarray(run.array(f"{NAME}/{dataset}/done")[:])


def write_embeddings(run: RunStore, dataset: str, start: int, embeddings: Mapping[str, NDArray[Any]]) -> None:
    """Write the embeddings of one block, whose first row is `start`, as one shard each: level to (rows, channels)."""
    for level, values in embeddings.items():
        array = run.array(f"{NAME}/{dataset}/{level}", "w")
        array[start : start + len(values)] = values
        flush(shard_path(run.path, dataset, level, start // _block_rows(array)))


def shard_path(run: Location, dataset: str, level: str, block: int) -> Location:
    """Return the path of the file that holds a block's embeddings at a level; there is none where all are NaN."""
    return run / NAME / dataset / level / "c" / str(block) / "0"


def _block_rows(array: "zarr.Array[Any]") -> int:
    shape: tuple[int, ...] = array.shards or array.chunks
    return shape[0]


def read_embeddings(run: RunStore, dataset: str, level: str, start: int, stop: int) -> NDArray[Any]:
    """Return rows `start` to `stop` (exclusive) of a dataset and level: (rows, channels), NaN where nothing is yet."""
    return np.asarray(open_embeddings(run, dataset, level)[start:stop])


def mark_done(run: RunStore, dataset: str, block: int) -> None:
    """Record that everything about a block is on disk."""
    run.array(f"{NAME}/{dataset}/done", "r+")[block] = 1


def mark_pending(run: RunStore, dataset: str, blocks: Sequence[int]) -> None:
    """Record that blocks have to be embedded again."""
    try:
        flags = run.array(f"{NAME}/{dataset}/done", "r+")
    except FileNotFoundError:
        return
    for block in blocks:
        flags[block] = 0


def mark_all_pending(run: RunStore, dataset: str) -> None:
    """Record that all blocks of a dataset have to be embedded again."""
    try:
        blocks = len(block_flags(run, dataset))
    except FileNotFoundError:
        return
    mark_pending(run, dataset, range(blocks))


def open_embeddings(run: RunStore, dataset: str, level: str) -> zarr.Array[Any]:
    """Return the (rows, channels) array of a dataset and level; NaN where an image was rejected.

    It is of float16, or as they were where vectors were brought.
    """
    return run.array(f"{NAME}/{dataset}/{level}")
