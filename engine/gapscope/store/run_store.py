"""A run's folder, opened once per process and handed on."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import zarr
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore, WrapperStore

from gapscope.sources import Source, open_source
from gapscope.sources.relocated import Relocations, relocated
from gapscope.sources.vectors.dataset import IN_MEMORY, NumberedRows
from gapscope.store.datasets import Pair
from gapscope.store.given import IN_RUN, open_in_run
from gapscope.store.location import Location, zarr_store
from gapscope.store.run_record import RunRecord, read_run_record

Arrays = dict[tuple[str, str], zarr.Array[Any]]
Mode = Literal["r", "r+", "w"]

_KEPT_SESSIONS = 4
_sessions: "OrderedDict[str, Arrays]" = OrderedDict()
_lock = threading.Lock()


def _arrays_of(session: str) -> Arrays:
    with _lock:
        arrays = _sessions.setdefault(session, {})
        _sessions.move_to_end(session)
        while len(_sessions) > _KEPT_SESSIONS:
            _sessions.popitem(last=False)
    return arrays


class _WholeShards(WrapperStore[Store]):
    """A Zarr store whose chunks look missing: Zarr reads every shard before it writes one, even if it replaces all."""

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return metadata, and nothing of chunks."""
        return None if "/c/" in key else await super().get(key, prototype, byte_range)


def _store(path: Location) -> Store:
    store = zarr_store(path)
    return LocalStore(store) if isinstance(store, Path) else store


@dataclass(frozen=True, eq=False)
class RunStore:
    """A run on disk: where it lies, its run.json, and its arrays, each opened once per process.

    Opening an array asks an object store for its metadata again; a block would spend more requests on that than on its
    data. What is opened stays open for the session of one command, since the next command may have given arrays another
    shape. It can be pickled: in every process that it is sent to, the copies of one session share what is open.

    Attributes:
        path: the run's folder, or its URL.
        record: the content of its run.json.
        session: names the command that opened it.
        relocations: where files are on this machine that the run knows elsewhere.
    """

    path: Location
    record: RunRecord
    session: str = field(default_factory=lambda: uuid4().hex)
    relocations: Relocations = field(default_factory=Relocations)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets' names, in the order in which they were given."""
        return tuple(self.record.config.datasets)

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels' names, fine to coarse."""
        return self.record.levels

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every ordered pair of datasets that is compared."""
        return self.record.pairs

    def open_source(self, dataset: str) -> Source:
        """Return the source of a dataset's images.

        Raises:
            SourceError: there is nothing there any more.
        """
        config = self.record.config
        if (location := config.datasets[dataset]) == IN_MEMORY:
            return NumberedRows(dataset, self.record.datasets[dataset].listed, location)
        if location.startswith(IN_RUN):
            return relocated(open_in_run(self.path, dataset, location), self.relocations)
        source = open_source(
            dataset,
            self.relocations.to_here(location),
            objects=config.objects,
            mask=config.mask,
            min_side=config.min_side,
        )
        return relocated(source, self.relocations)

    def write_record(self) -> None:
        """Write run.json."""
        self.record.write(self.path)

    def array(self, path: str, mode: Mode = "r") -> zarr.Array[Any]:
        """Return an array of the run.

        Args:
            path: relative to the run, such as `pyramid.zarr/real/P3`.
            mode: `r` to read it, `r+` to write to it as well, `w` to write whole shards and read none.

        Raises:
            FileNotFoundError: there is no such array.
        """
        arrays = _arrays_of(self.session)
        if (path, mode) not in arrays:
            arrays[path, mode] = self.open_array(path, mode)
        return arrays[path, mode]

    def open_array(self, path: str, mode: Mode = "r") -> zarr.Array[Any]:
        """Return an array as it is on disk now, with its present attributes; see `array`."""
        store, _, member = path.partition("/")
        # A chunk of nothing but the fill value is written too, so that a chunk that is lost is missed. What is missing
        # of the embeddings is told by their flags and by the index.
        config: Any = {"write_empty_chunks": store != "pyramid.zarr"}
        if mode == "w":
            return zarr.open_array(_WholeShards(_store(self.path / store)), path=member, mode="r+", zarr_format=3)
        # Zarr 3.1 passes over a config that an existing array is opened with.
        array = zarr.open_array(zarr_store(self.path / store), path=member, mode=mode, zarr_format=3)
        return array.with_config(config)

    def close(self, prefix: str = "") -> None:
        """Forget what is open below `prefix`: it was removed, resized or made anew."""
        arrays = _arrays_of(self.session)
        for key in [key for key in arrays if key[0].startswith(prefix)]:
            arrays.pop(key, None)


def open_store(run: Location, relocations: Relocations | None = None) -> RunStore:
    """Open a run, finished or not.

    Args:
        run: its folder or URL.
        relocations: where files are on this machine that the run knows elsewhere.

    Raises:
        RunError: the folder is no run, or one of another version of gapscope.
        DamageError: its run.json is damaged.
    """
    return RunStore(run, read_run_record(run), relocations=relocations or Relocations())
