"""Embeddings that many runs share, keyed by all that they depend on: CACHE/KEY/ holds those of one dataset.

image_stats.parquet  what became of every row
LEVEL.zarr           (rows, channels) float16
levels.json          the names of the levels that are whole; written last
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec

from gapscope.settings import EmbedSettings
from gapscope.store.atomic import replacing, write_json
from gapscope.store.image_stats import ImageStats
from gapscope.store.index import GROUP_ROWS, IMAGE_STATS, row_groups
from gapscope.store.location import Location, readable, zarr_store
from gapscope.store.pyramid import open_embeddings
from gapscope.store.run_store import RunStore
from gapscope.store.tables import open_table, table_writer

_FORMAT = 4
_CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Cached:
    """One dataset's embeddings in a cache, which may be missing or incomplete.

    Attributes:
        folder: CACHE/KEY.
    """

    folder: Location

    def holds(self, levels: Iterable[str]) -> bool:
        """Return whether the cache holds all rows of these levels."""
        return set(levels) <= set(self._levels())

    def _levels(self) -> list[str]:
        try:
            levels: list[str] = json.loads((self.folder / "levels.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return levels

    def image_stats(self, start: int, stop: int) -> list[ImageStats]:
        """Return what became of rows `start` to `stop` (exclusive), which lie in one row group."""
        group, offset = divmod(start, GROUP_ROWS)
        with readable(self.folder / "image_stats.parquet", whole=False) as source, open_table(source) as file:
            return cast("list[ImageStats]", file.read_row_group(group).slice(offset, stop - start).to_pylist())

    def embeddings(self, level: str, start: int, stop: int) -> NDArray[np.float16]:
        """Return rows `start` to `stop` (exclusive): (rows, channels), NaN where an image was rejected."""
        array = zarr.open_array(zarr_store(self.folder / f"{level}.zarr"), mode="r", zarr_format=3)
        return np.asarray(array[start:stop])

    def fill(self, run: RunStore, dataset: str, levels: Sequence[str]) -> None:
        """Add the embeddings of a run that has embedded every row of the dataset; other levels in the cache stay."""
        existing = self._levels()
        with replacing(self.folder / "image_stats.parquet") as path, table_writer(path, IMAGE_STATS) as writer:
            for table in row_groups(run, dataset):
                writer.write_table(table.select(IMAGE_STATS.names))
        for level in levels:
            if level not in existing:
                self._fill_level(open_embeddings(run, dataset, level), level)
        write_json(self.folder / "levels.json", sorted({*existing, *levels}))

    def _fill_level(self, embeddings: "zarr.Array[Any]", level: str) -> None:
        rows, channels = embeddings.shape
        array = zarr.create_array(
            zarr_store(self.folder / f"{level}.zarr"),
            shape=(rows, channels),
            dtype="float16",
            chunks=(_CHUNK_ROWS, channels),
            shards=(GROUP_ROWS, channels),
            compressors=[Crc32cCodec()],
            fill_value=float("nan"),
            overwrite=True,
        )
        for start in range(0, rows, GROUP_ROWS):
            array[start : start + GROUP_ROWS] = embeddings[start : start + GROUP_ROWS]


def find_cached(cache: Location, run: RunStore, dataset: str, settings: EmbedSettings, device: str) -> Cached:
    """Return a dataset, as the run has listed it, in a cache."""
    frame = asdict(run.record.with_ranges(settings.preprocess, dataset))
    for value_range in frame["value_ranges"] or ():
        # Why it is black or white changes no pixel.
        del value_range["basis"]
    key = {
        "format": _FORMAT,
        # How an image is decoded and shrunk, and what a level is, may change between versions.
        "gapscope": version("gapscope"),
        "device": device,
        "model": settings.model,
        "weights": settings.weights_sha256,
        "frame": frame,
        "pool": settings.pool,
        "precision": settings.precision,
        "speedups": settings.speedups,
        "rows": _digest(run, dataset),
    }
    return Cached(cache / hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest())


_FILE_COLUMNS = ("uri", "bytes", "mtime_ns", "offset", "box", "outline")


def _digest(run: RunStore, dataset: str) -> str:
    """Return the SHA-256 of the columns of a dataset's index that identify its images' files."""
    digest = hashlib.sha256()
    for table in row_groups(run, dataset, [*_FILE_COLUMNS, "status"]):
        columns = table.to_pydict()
        removed = [status == "removed" for status in columns["status"]]
        for row in zip(*(columns[name] for name in _FILE_COLUMNS), removed, strict=True):
            digest.update(repr(row).encode(errors="surrogatepass"))
    return digest.hexdigest()
