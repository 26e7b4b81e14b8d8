"""Reads and decodes single images of a run again, once it is embedded: to name kinds, and to show where they differ."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from gapscope.device import Device
from gapscope.errors import UserError
from gapscope.settings import Preprocess
from gapscope.sources import Entry, Source
from gapscope.sources.rejects import Rejected
from gapscope.store.index import read_entries
from gapscope.store.run_store import RunStore

_READERS = 8

Pixels = NDArray[np.uint8]
"""(size, size, 3), sRGB."""


def decode_rows(
    run: RunStore, dataset: str, rows: Sequence[int], device: Device, preprocess: Preprocess
) -> Iterator[tuple[int, Pixels | str]]:
    """Yield each row with the square of pixels that the network saw, or the reason why it is out of reach.

    Args:
        run: the run.
        dataset: the dataset's name.
        rows: of embedded images, in any order.
        device: decodes.
        preprocess: size and fit of the square.
    """
    try:
        source = run.open_source(dataset)
    except (UserError, OSError) as error:
        yield from ((row, f"{dataset} is out of reach: {error}") for row in rows)
        return
    order = np.sort(np.asarray(rows, np.int64))
    entries = dict(zip(order.tolist(), read_entries(run, dataset, order), strict=True)) if len(order) else {}

    def decode(row: int) -> Pixels | str:
        return _decode(source, entries[row], device, preprocess)

    with ThreadPoolExecutor(_READERS) as pool:
        yield from zip(rows, pool.map(decode, rows), strict=True)


def _decode(source: Source, entry: Entry, device: Device, preprocess: Preprocess) -> Pixels | str:
    try:
        return device.decode(source.read(entry), preprocess, entry.box).pixels
    except (Rejected, UserError, OSError) as error:
        return str(error)
