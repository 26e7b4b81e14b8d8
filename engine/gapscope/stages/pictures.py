"""Reads and decodes single images of a run again, once it is embedded."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from gapscope.device import Device
from gapscope.errors import UserError
from gapscope.settings import Preprocess
from gapscope.sources import Entry
from gapscope.sources.rejects import Rejected
from gapscope.store.index import read_entries
from gapscope.store.run_store import RunStore

_READERS = 8

Pixels = NDArray[np.uint8]
"""(size, size, 3), sRGB."""


def decode_rows(
    run: RunStore, dataset: str, rows: NDArray[np.int64], device: Device, preprocess: Preprocess
) -> list[Pixels]:
    """Return the squares of pixels that the network saw of some rows; those that are out of reach by now are left out.

    Args:
        run: the run.
        dataset: the dataset's name.
        rows: of embedded images.
        device: decodes.
        preprocess: size and fit of the square.
    """
    try:
        source = run.open_source(dataset)
    except (UserError, OSError):
        return []

    def decode(entry: Entry) -> Pixels | None:
        try:
            return device.decode(source.read(entry), preprocess, entry.box).pixels
        except (Rejected, UserError, OSError):
            return None

    with ThreadPoolExecutor(_READERS) as pool:
        return [pixels for pixels in pool.map(decode, read_entries(run, dataset, rows)) if pixels is not None]
