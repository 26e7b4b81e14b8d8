"""Reads and decodes single images of a run again, once it is embedded."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapscope.device import Device
from gapscope.errors import UserError, one_line
from gapscope.settings import Preprocess
from gapscope.sources import Entry
from gapscope.sources.rejects import Rejected
from gapscope.store.index import read_entries
from gapscope.store.run_store import RunStore

_READERS = 8

Pixels = NDArray[np.uint8]
"""(size, size, 3), sRGB."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """The squares of pixels that the network saw of some rows.

    Attributes:
        pixels: by row, those that could be decoded.
        reasons: by row, why an image is out of reach by now.
    """

    pixels: Mapping[int, Pixels]
    reasons: Mapping[int, str]


def decode_rows(
    run: RunStore, dataset: str, rows: NDArray[np.int64], device: Device, preprocess: Preprocess
) -> Decoded:
    """Read and decode images again.

    Args:
        run: the run.
        dataset: the dataset's name.
        rows: of embedded images.
        device: decodes.
        preprocess: size and fit of the square.
    """
    preprocess = run.record.with_ranges(preprocess, dataset)
    try:
        source = run.open_source(dataset)
    except (UserError, OSError) as error:
        return Decoded({}, dict.fromkeys(rows.tolist(), f"{dataset} is out of reach: {one_line(error)}"))

    def decode(entry: Entry) -> Pixels | str:
        try:
            return device.decode(source.read(entry), preprocess, entry.box).pixels
        except (Rejected, UserError, OSError) as error:
            return one_line(error)

    with ThreadPoolExecutor(_READERS) as pool:
        decoded = list(zip(rows.tolist(), pool.map(decode, read_entries(run, dataset, rows)), strict=True))
    return Decoded(
        {row: pixels for row, pixels in decoded if not isinstance(pixels, str)},
        {row: reason for row, reason in decoded if isinstance(reason, str)},
    )
