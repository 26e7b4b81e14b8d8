"""What a comparison has finished, a reading of a level at a time, so that a stopped run continues from there."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.across_levels import AcrossLevels
from gapscope.device import Device
from gapscope.errors import DamageError
from gapscope.kinds.nominations import LevelList, Nominations, OfGroups
from gapscope.settings import CompareSettings, Reading
from gapscope.store.arrays import chunk_checksums
from gapscope.store.compared import open_compared, write_compared
from gapscope.store.datasets import Graph, Pair, all_pairs
from gapscope.store.groups import ImageGroups
from gapscope.store.index import index_path
from gapscope.store.layouts import CLUSTERS, LAYOUT
from gapscope.store.manifests import manifest_path
from gapscope.store.neighbors import neighbor_arrays
from gapscope.store.run_store import RunStore
from gapscope.store.scores import scores_path

_FORMAT = 1
"""Of what is kept; another one is computed again."""
_FOOTER_BYTES = 2**16


@dataclass(frozen=True, kw_only=True)
class ComparedReading:
    """What one reading of a level says of every ordered pair.

    Attributes:
        level: the level's name.
        reading: as it is, or style aside.
        numbers: of the pairs, by name, as metrics.json has them; as it is, of the clusters as well.
        lists: what is listed.
        p: only as it is: (m,) p-values of all groups.
        first: only as it is, of pairs with clones: (m,) numbers of the groups' first clones.
    """

    level: str
    reading: Reading
    numbers: dict[str, Any]
    lists: dict[Pair, LevelList]
    p: dict[Pair, NDArray[np.float64]] = field(default_factory=dict)
    first: dict[Pair, NDArray[np.int64]] = field(default_factory=dict)

    def tell(self, nominations: Mapping[Pair, Nominations], across_levels: Mapping[Pair, AcrossLevels]) -> None:
        """Add what is listed to what other levels and readings list."""
        for pair, own in self.lists.items():
            nominations[pair].add(own)
            if self.reading == "as-is":
                across_levels[pair].add(self.level, self.p[pair], own.listed, self.first.get(pair))

    def write(self, run: RunStore, key: str) -> None:
        """Keep this in the run, until the comparison is finished."""
        arrays: dict[str, NDArray[Any]] = {}
        for pair, own in self.lists.items():
            of_list = {"listed": own.listed, "p": own.p, **own.of_groups()._asdict()}
            if own.first is not own.listed:
                of_list["first"] = own.first
            arrays |= {_name(pair, name): values for name, values in of_list.items()}
        for name, of_pairs in (("all_p", self.p), ("all_first", self.first)):
            arrays |= {_name(pair, name): own for pair, own in of_pairs.items()}
        lists = {
            pair.name: {
                "basis": own.basis,
                "tests": own.tests,
                "k_local": own.k_local,
                "clones": own.first is not own.listed,
            }
            for pair, own in self.lists.items()
        }
        header = {"key": key, "numbers": self.numbers, "lists": lists}
        write_compared(run, self.level, self.reading, header, arrays)

    @staticmethod
    def is_kept(run: RunStore, level: str, reading: Reading, key: str) -> bool:
        """Return whether a level and reading are kept, computed from what the key says, and their tables are there."""
        try:
            with open_compared(run, level, reading) as (header, _):
                fits = bool(header["key"] == key)
        except (FileNotFoundError, DamageError):
            return False
        return fits and _has_tables(run, level, reading)

    @classmethod
    def read(cls, run: RunStore, level: str, reading: Reading) -> "ComparedReading":
        """Return what is kept; what is said of every group is read when it is asked for.

        Raises:
            FileNotFoundError: nothing is kept of this level and reading.
            DamageError: the file is damaged.
        """

        def of_groups(pair: Pair) -> OfGroups:
            with open_compared(run, level, reading) as (_, arrays):
                return OfGroups(*(arrays[_name(pair, name)] for name in OfGroups._fields))

        with open_compared(run, level, reading) as (header, arrays):
            compared = cls(level=level, reading=reading, numbers=header["numbers"], lists={})
            for pair in run.pairs:
                own, listed = header["lists"][pair.name], arrays[_name(pair, "listed")]
                compared.lists[pair] = LevelList(
                    level=level,
                    reading=reading,
                    basis=own["basis"],
                    listed=listed,
                    p=arrays[_name(pair, "p")],
                    first=arrays[_name(pair, "first")] if own["clones"] else listed,
                    tests=own["tests"],
                    k_local=own["k_local"],
                    of_groups=partial(of_groups, pair),
                )
                if reading == "as-is":
                    compared.p[pair] = arrays[_name(pair, "all_p")]
                    if own["clones"]:
                        compared.first[pair] = arrays[_name(pair, "all_first")]
        return compared


def _name(pair: Pair, array: str) -> str:
    return f"{pair.name}/{array}"


def _has_tables(run: RunStore, level: str, reading: Reading) -> bool:
    if not run.record.config.compare.reads(reading):
        return True
    paths = (path(run.path, level, pair, reading) for pair in run.pairs for path in (manifest_path, scores_path))
    return all(path.exists() for path in paths)


def comparison_key(run: RunStore, settings: CompareSettings, groups: Mapping[str, ImageGroups], device: Device) -> str:
    """Return a hash of all that a comparison is computed from: settings, groups, neighbors, maps and indexes.

    It reads the checksums of the arrays' chunks, and the end of each index, where Parquet describes its columns.
    """
    digest = hashlib.sha256()
    told = (_FORMAT, version("gapscope"), settings, run.record.config, run.levels, run.record.style_scaler, device.name)
    digest.update(repr(told).encode())
    for name, own in groups.items():
        for values in (own.rows, own.group, own.representative):
            digest.update(np.ascontiguousarray(values).data)
        for buffer in [] if own.names is None else own.names.buffers():
            digest.update(b"" if buffer is None else buffer)
        digest.update(_end_of_index(run, name))
    for level in run.levels:
        for path in _arrays_of(run, level):
            digest.update(path.encode() + chunk_checksums(run, path))
    return digest.hexdigest()


def _arrays_of(run: RunStore, level: str) -> list[str]:
    every_pair = all_pairs(list(run.record.datasets))
    graphs: list[tuple[Pair, Graph]] = [(pair, "images") for pair in every_pair]
    graphs += [(pair, "groups") for pair in every_pair if pair.name in run.record.grouped_pairs]
    graphs += [(pair, "style-aside") for pair in run.record.style_aside_pairs]
    neighbors = [path for pair, graph in graphs for path in neighbor_arrays(level, pair, graph)]
    return [f"{LAYOUT}/{level}", f"{CLUSTERS}/{level}", *neighbors]


def _end_of_index(run: RunStore, dataset: str) -> bytes:
    path = index_path(run.path, dataset)
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _FOOTER_BYTES))
        return str(size).encode() + file.read()
