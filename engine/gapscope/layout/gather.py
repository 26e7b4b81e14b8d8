"""Images of several datasets as one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import zarr
from numpy.typing import NDArray

from gapscope.neighbors.unit_rows import UnitRows, raw_tile

_TILE_ROWS = 8192


def gathered(views: Sequence[UnitRows], positions: NDArray[np.int64] | None = None) -> UnitRows:
    """Return images of all views, one view after the other, in memory, as they are stored.

    Args:
        views: of the same level of one run.
        positions: ascending positions among all views' images; all of them by default.
    """
    sizes = [len(view) for view in views]
    chosen = np.arange(sum(sizes)) if positions is None else positions
    channels = views[0].channels
    dtype = views[0].embeddings.dtype
    held = zarr.create_array(
        {}, shape=(len(chosen), channels), dtype=dtype, chunks=(_TILE_ROWS, channels), compressors=None
    )
    first, filled = 0, 0
    for view, size in zip(views, sizes, strict=True):
        here = view.rows[chosen[(chosen >= first) & (chosen < first + size)] - first]
        for start in range(0, len(here), _TILE_ROWS):
            rows = here[start : start + _TILE_ROWS]
            held[filled : filled + len(rows)] = raw_tile(view.embeddings, rows).astype(dtype)
            filled += len(rows)
        first += size
    return replace(views[0], embeddings=held, rows=np.arange(len(chosen)))


def given(view: UnitRows, embeddings: NDArray[np.float16]) -> UnitRows:
    """Return embeddings (n, channels) that are in no dataset, measured as `view` measures its own."""
    held = zarr.create_array({}, data=embeddings, chunks=(_TILE_ROWS, view.channels), compressors=None)
    return replace(view, embeddings=held, rows=np.arange(len(embeddings)))
