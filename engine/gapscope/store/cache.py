"""Embeddings that many runs share, keyed by all that they depend on: CACHE/KEY/ holds those of one dataset.

facts.parquet     what became of every row
LEVEL.zarr        (rows, channels) float16
levels.json       the levels that are whole; written last
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec

from gapscope.settings import EmbedSettings
from gapscope.store.atomic import replacing, write_json
from gapscope.store.index import FACTS, GROUP_ROWS, groups_of
from gapscope.store.location import readable, zarr_store
from gapscope.store.pyramid import open_embeddings
from gapscope.store.tables import open_table, table_writer

_FORMAT = 1
_CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Cached:
    """One dataset's place in a cache.

    Attributes:
        folder: CACHE/KEY, be there anything or not.
    """

    folder: Path

    def holds(self, levels: Iterable[str]) -> bool:
        """Tell whether all rows are there at these levels."""
        return set(levels) <= set(self._levels())

    def _levels(self) -> list[str]:
        try:
            levels: list[str] = json.loads((self.folder / "levels.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return levels

    def facts(self, start: int, stop: int) -> list[dict[str, Any]]:
        """Return what became of rows `start` to `stop` (exclusive), which lie in one row group."""
        group, offset = divmod(start, GROUP_ROWS)
        with readable(self.folder / "facts.parquet") as source, open_table(source) as file:
            rows: list[dict[str, Any]] = file.read_row_group(group).slice(offset, stop - start).to_pylist()
        return rows

    def embeddings(self, level: str, start: int, stop: int) -> NDArray[np.float16]:
        """Return rows `start` to `stop` (exclusive): (rows, channels), NaN where an image was rejected."""
        array = zarr.open_array(zarr_store(self.folder / f"{level}.zarr"), mode="r", zarr_format=3)
        return np.asarray(array[start:stop])

    def fill(self, run: Path, dataset: str, levels: Sequence[str]) -> None:
        """Keep what a run that has embedded every row of the dataset holds, beside other levels that are there."""
        there = self._levels()
        with replacing(self.folder / "facts.parquet") as path, table_writer(path, FACTS) as writer:
            for table in groups_of(run, dataset):
                writer.write_table(table.select(FACTS.names))
        for level in levels:
            if level not in there:
                self._fill_level(open_embeddings(run, dataset, level), level)
        write_json(self.folder / "levels.json", sorted({*there, *levels}))

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


def find_cached(cache: Path, run: Path, dataset: str, settings: EmbedSettings, device: str) -> Cached:
    """Return the place of a dataset, as the run has listed it, in a cache."""
    depends = {
        "format": _FORMAT,
        # How an image is decoded and shrunk, and what a level is, may change between versions.
        "gapscope": version("gapscope"),
        "device": device,
        "model": settings.model,
        "weights": settings.weights_sha256,
        "frame": asdict(settings.preprocess),
        "pool": settings.pool,
        "precision": settings.precision,
        "speedups": settings.speedups,
        "rows": _digest(run, dataset),
    }
    return Cached(cache / hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest())


_OF_ROW = ("uri", "bytes", "mtime_ns", "offset", "box")


def _digest(run: Path, dataset: str) -> str:
    """Return the SHA-256 of what a dataset's index says of its images' files, row by row."""
    digest = hashlib.sha256()
    for table in groups_of(run, dataset, [*_OF_ROW, "status"]):
        columns = table.to_pydict()
        gone = [status == "removed" for status in columns["status"]]
        for row in zip(*(columns[name] for name in _OF_ROW), gone, strict=True):
            digest.update(repr(row).encode(errors="surrogatepass"))
    return digest.hexdigest()
