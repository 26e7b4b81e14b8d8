"""thumbnails/NAME/: small pictures, made while an image is decoded for the network anyway; a file per block."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gapscope.store.atomic import replacing
from gapscope.store.location import Location, readable
from gapscope.store.run_store import RunStore
from gapscope.store.tables import read_whole, write_whole

SIDE = 160
"""Longest side of a thumbnail in pixels."""

MAX_KEPT = 60_000
"""Thumbnails kept per dataset, about: more than a report draws by chance, and some 300 MB at most."""

_SCHEMA = pa.schema([("row", pa.int64()), ("jpeg", pa.binary())])
_N_HASHES = float(2**64)


def uri_hashes(dataset: str, uris: NDArray[np.object_]) -> NDArray[np.uint64]:
    """Return a hash per uri, by which images are chosen at random: the same in every run, whatever the order."""
    key = hashlib.blake2b(dataset.encode(), digest_size=8).hexdigest()
    return np.asarray(pd.util.hash_array(uris, hash_key=key, categorize=False), np.uint64)


def share_kept(listed: int) -> float:
    """Return the share of a dataset's images whose thumbnails are kept."""
    return min(1.0, MAX_KEPT / max(listed, 1))


def is_kept(dataset: str, uris: Sequence[str], share: float) -> NDArray[np.bool_]:
    """Return whether each image's thumbnail is kept: of those with the smallest hashes, which reports draw first."""
    if share >= 1.0 or not uris:
        return np.full(len(uris), share > 0.0)
    return uri_hashes(dataset, np.array(uris, dtype=object)) < share * _N_HASHES


def write_thumbnails(run: RunStore, dataset: str, block: int, thumbnails: Mapping[int, bytes]) -> None:
    """Write a block's thumbnails, row to JPEG, in place of older ones."""
    path = thumbnails_path(run.path, dataset, block)
    if not thumbnails:
        path.unlink(missing_ok=True)
        return
    rows = sorted(thumbnails)
    table = pa.table({"row": rows, "jpeg": [thumbnails[row] for row in rows]}, schema=_SCHEMA)
    with replacing(path) as temporary:
        write_whole(temporary, table, compression="none")


def read_block_thumbnails(run: RunStore, dataset: str, block: int) -> dict[int, bytes]:
    """Return a block's thumbnails, row to JPEG; nothing where there are none."""
    path = thumbnails_path(run.path, dataset, block)
    try:
        with readable(path) as file:
            table = read_whole(file)
    except FileNotFoundError:
        return {}
    return dict(zip(table["row"].to_pylist(), table["jpeg"].to_pylist(), strict=True))


def read_thumbnails(run: RunStore, dataset: str, rows: NDArray[np.int64]) -> dict[int, bytes]:
    """Return the thumbnails of some rows, row to JPEG; those that were not kept are left out."""
    thumbnails: dict[int, bytes] = {}
    blocks = rows // max(run.record.block_rows, 1)
    for block in np.unique(blocks).tolist():
        of_block = read_block_thumbnails(run, dataset, block)
        thumbnails |= {row: of_block[row] for row in rows[blocks == block].tolist() if row in of_block}
    return thumbnails


def thumbnails_path(run: Location, dataset: str, block: int) -> Location:
    """Path of a block's thumbnails; there is no file where none are kept."""
    return run / "thumbnails" / dataset / f"{block:08d}.parquet"
