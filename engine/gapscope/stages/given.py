"""Takes over what a Python program gives as a dataset: the run keeps images that are in no file, and lists of paths."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from os import PathLike, fspath
from typing import Any

import numpy as np
import pyarrow as pa

from gapscope.errors import OptionError, RunError, SourceError, describe_error, one_line
from gapscope.progress import Progress
from gapscope.settings import check_dataset_name
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.given.items import Given, Item, Items, items_of
from gapscope.sources.kept_images import with_article
from gapscope.sources.lists.columns import known_by_name, looks_like_path
from gapscope.sources.notes import ListingNotes
from gapscope.sources.parquet.file import kinds_of
from gapscope.sources.rejects import Rejected
from gapscope.sources.source import Source
from gapscope.sources.vectors.dataset import VectorDataset, images_of
from gapscope.store.given import (
    Kept,
    image_digest,
    keep_images,
    keep_list,
    kept_location,
    open_images,
    open_in_run,
    read_kept,
    remove_given,
    write_kept,
)
from gapscope.store.run_store import RunStore
from gapscope.urls import absolute

_PEEKED = 16
_ENCODED_AHEAD = 64


class GivenImages:
    """Images that a Python program gives one by one, before the run has kept them.

    Args:
        dataset: the dataset's name.
        items: gives them.
    """

    objects = False
    folder = None

    def __init__(self, dataset: str, items: Items) -> None:
        self.location = kept_location(check_dataset_name(dataset), paths=False)
        self.what = items.what
        self._dataset, self._items = dataset, items
        stream = items.read(dataset)
        self._peeked: list[Given] = []
        try:
            for given in islice(stream, _PEEKED):
                self._peeked.append(given)
        except SourceError as error:
            if not self._peeked:
                raise
            # Those that came before are kept first.
            stream = _raising(error)
        # What cannot be read twice is not asked for the first ones again.
        self._stream = None if items.again else chain(self._peeked, stream)
        self.columns: Mapping[str, Kind] = _columns(self._peeked)

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"of {with_article(self.what)} in Python"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the first entries, by which it is known that there are some."""
        del notes
        yield from (Entry(given.name) for given in self._peeked)

    def read(self, entry: Entry) -> bytes:
        """Raise `Rejected`: the run has not kept the images yet."""
        raise Rejected("missing", f"{entry.uri} is not kept yet")

    def keep(self, run: RunStore, progress: Progress, *, update: bool) -> Source:
        """Write the images that the run has not kept yet into it.

        Raises:
            RunError: the run has kept other images than these, and `update` is not set.
            SourceError: what gives the images cannot go on.
        """
        kept = read_kept(run.path, self._dataset)
        if kept is not None and update:
            remove_given(run.path, self._dataset)
            kept = None
        if kept is None:
            kept = Kept(what=self.what, columns=dict(self.columns))
            write_kept(run.path, self._dataset, kept)
        if kept.count:
            self._check_same(run, kept)
        if kept.complete:
            progress.note(f"{self._dataset}: its {kept.count:,} images are kept in the run, and not read again")
        else:
            if kept.count:
                progress.note(f"{self._dataset}: {kept.count:,} images are kept from before")
            given = self._from(kept.count)
            with progress.task(f"keeping {self._dataset}", self._items.count or 0, "image") as task:
                task.advance(kept.count)

                def counted(items: Iterable[Item]) -> Iterator[Item]:
                    for item in items:
                        task.advance(1, rejected=item.data is None)
                        yield item

                keep_images(run.path, self._dataset, kept, counted(_encoded(given)))
        return open_in_run(run.path, self._dataset, self.location)

    def _from(self, first: int) -> Iterator[Given]:
        if self._stream is not None:
            return islice(self._stream, first, None)
        return self._items.read(self._dataset, first)

    def _check_same(self, run: RunStore, kept: Kept) -> None:
        """Check that the first images are those that the run has kept, and that there are as many if that is known."""
        source = open_images(run.path, self._dataset, self.location, kept)
        different = self._items.count is not None and (
            self._items.count < kept.count or (kept.complete and self._items.count != kept.count)
        )
        for entry, given in zip(source.entries(), self._peeked, strict=False):
            data = given.encoded().data or b""
            different = different or (entry.uri.partition("#")[0], entry.mtime_ns) != (
                given.name.partition("#")[0],
                image_digest(data),
            )
        if different:
            raise RunError(
                f"dataset {self._dataset}: the {self.what} gives other images than this run has kept; add "
                "`update=True` to take them over, or use another `out`"
            )


def _raising(error: SourceError) -> Iterator[Given]:
    raise error
    yield


class GivenPaths:
    """Paths that a Python program gives, perhaps in a table.

    Args:
        dataset: the dataset's name.
        table: with the absolute paths as its column `path`.
    """

    objects = False
    folder = None

    def __init__(self, dataset: str, table: pa.Table) -> None:
        self.location = kept_location(check_dataset_name(dataset), paths=True)
        self._dataset, self._table = dataset, table
        self.columns: Mapping[str, Kind] = {
            name: kind for name, kind in kinds_of(table.schema).items() if name != "path"
        }

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return "of a list in Python"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the first entry, by which it is known that there is one."""
        del notes
        yield from (Entry(str(path)) for path in self._table["path"][:1])

    def read(self, entry: Entry) -> bytes:
        """Raise `Rejected`: the run has not kept the list yet."""
        raise Rejected("missing", f"{entry.uri} is not listed yet")

    def keep(self, run: RunStore, progress: Progress, *, update: bool) -> Source:
        """Write the list into the run.

        Raises:
            RunError: the run has another list, and `update` is not set.
        """
        del progress
        keep_list(run.path, self._dataset, self._table, update=update)
        return open_in_run(run.path, self._dataset, self.location)


def open_given(dataset: str, given: Any) -> Source:
    """Return what a Python program gave as a dataset, other than a location or vectors.

    Raises:
        OptionError: it is nothing that holds images.
        SourceError: it raises an error.
    """
    if hasattr(given, "to_pandas") and hasattr(given, "columns") and not type(given).__module__.startswith("datasets."):
        given = given.to_pandas()
    if hasattr(given, "iloc") and hasattr(given, "columns"):
        return GivenPaths(dataset, _table_of(dataset, given))
    if getattr(given, "ndim", None) == 1 and hasattr(given, "tolist"):
        given = given.tolist()
    if isinstance(given, Iterator):
        given = _paths_or_pictures(dataset, given)
    if isinstance(given, list | tuple) and given and isinstance(given[0], str | PathLike):
        return GivenPaths(dataset, pa.table({"path": _absolute(dataset, given)}))
    if isinstance(given, list | tuple) and not given:
        raise SourceError(f"dataset {dataset}: there are no images in what was given")
    return GivenImages(dataset, items_of(dataset, given))


def _paths_or_pictures(dataset: str, given: Iterator[Any]) -> Any:
    """Return what an iterator of paths, such as that of `Path.glob`, yields as a list; another iterator stays one."""
    try:
        first = next(given)
    except StopIteration:
        return []
    # Somebody else's code may raise whatever it likes.
    except Exception as error:
        raise SourceError(f"dataset {dataset}: the generator raised {describe_error(error)}") from error
    whole = chain([first], given)
    return list(whole) if isinstance(first, str | PathLike) else whole


def _table_of(dataset: str, frame: Any) -> pa.Table:
    """Return a pandas table as a list of paths."""
    frame = frame.rename(columns=str)
    names = known_by_name(list(frame.columns)) or [
        name
        for name in frame.columns
        if len(frame) and all(looks_like_path(value) for value in frame[name].head(8).tolist())
    ]
    if not names or (names[0] != "path" and "path" in frame.columns):
        vectors = [name for name in frame.columns if len(frame) and _is_vector(frame[name].iloc[0])]
        way_out = f"; vectors are given as {{{vectors[0]!r}: np.stack(table[{vectors[0]!r}])}}" if vectors else ""
        raise OptionError(
            f"dataset {dataset}: no column of the table holds paths; there are {', '.join(frame.columns)}: call one "
            f"path{way_out}"
        )
    paths = _absolute(dataset, frame[names[0]].tolist())
    others = [name for name in frame.columns if name != names[0]]
    try:
        table = pa.Table.from_pandas(frame[others], preserve_index=False)
    # Columns of Python objects, such as pictures.
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise OptionError(f"dataset {dataset}: the table has a column of mixed values ({one_line(error)})") from error
    kept = [name for name in others if name in kinds_of(table.schema)]
    return table.select(kept).add_column(0, "path", pa.array(paths, pa.string())).replace_schema_metadata(None)


def _is_vector(cell: Any) -> bool:
    return isinstance(cell, list | tuple | np.ndarray) and len(cell) > 0 and isinstance(cell[0], float | np.floating)


def _absolute(dataset: str, paths: Iterable[Any]) -> list[str]:
    texts = []
    for path in paths:
        if not isinstance(path, str | PathLike):
            raise OptionError(f"dataset {dataset}: {path!r} among the paths is none")
        text = os.fsdecode(fspath(path))
        texts.append(absolute(text) if text else text)
    return texts


def keep_given(run: RunStore, sources: Mapping[str, Source], progress: Progress, *, update: bool) -> dict[str, Source]:
    """Return the datasets as any process can read them: what a program gave is written into the run first.

    Args:
        run: the run.
        sources: the datasets.
        progress: shows the work.
        update: whether other images than before are taken over.

    Raises:
        RunError: other images are given than before, and `update` is not set.
        SourceError: what gives the images cannot go on.
    """
    kept = dict(sources)
    for name, source in sources.items():
        images = images_of(source)
        if isinstance(images, GivenImages | GivenPaths):
            own = images.keep(run, progress, update=update)
            kept[name] = VectorDataset(own, source.vectors) if isinstance(source, VectorDataset) else own
    return kept


def _columns(peeked: Iterable[Given]) -> dict[str, Kind]:
    columns: dict[str, Kind] = {}
    for given in peeked:
        for name, value in given.values.items():
            kind: Kind = "text" if isinstance(value, str) else "number"
            columns[name] = kind if columns.get(name, kind) == kind else "text"
    return columns


def _encoded(given: Iterator[Given]) -> Iterator[Item]:
    """Yield images as the bytes of files; threads encode a bounded number ahead."""
    ahead: deque[Future[Item]] = deque()
    stopped: SourceError | None = None
    with ThreadPoolExecutor() as pool:
        try:
            for each in given:
                ahead.append(pool.submit(each.encoded))
                if len(ahead) > _ENCODED_AHEAD:
                    yield ahead.popleft().result()
        except SourceError as error:
            stopped = error
        while ahead:
            yield ahead.popleft().result()
    if stopped is not None:
        raise stopped
