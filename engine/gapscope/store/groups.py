"""groups/NAME.parquet: which images of a dataset belong together and count as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.errors import DamageError
from gapscope.store.atomic import replacing
from gapscope.store.datasets import Pair
from gapscope.store.index import rows_read
from gapscope.store.location import Location, readable
from gapscope.store.run_store import RunStore
from gapscope.store.tables import read_whole, write_whole

NAME = "groups"
_SCHEMA = pa.schema([("row", pa.int64()), ("group", pa.large_string())])


@dataclass(frozen=True, eq=False)
class ImageGroups:
    """The embedded images of a dataset, and the groups that they form.

    Each group has a representative: one of its images, drawn at random. It stands for the group wherever images look
    for neighbors, so that a group of a thousand frames is no nearer to them than a group of one.

    Attributes:
        rows: (n,) int64 rows of the embedded images, ascending.
        group: (n,) int64 number of each image's group. Groups are numbered in the order of their representatives.
        representative: (m,) int64 positions in `rows` of the groups' representatives, ascending.
        names: (m,) texts, the names of the groups, which are the same for the same group in another dataset; None where
            each image is a group of its own that no other dataset has.
    """

    rows: NDArray[np.int64]
    group: NDArray[np.int64]
    representative: NDArray[np.int64]
    names: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.representative)

    @classmethod
    def singles(cls, rows: NDArray[np.int64]) -> "ImageGroups":
        """Return groups of one image each."""
        # Where no row was rejected, rows are positions, and take the room of one array.
        all_read = not len(rows) or rows[-1] == len(rows) - 1
        positions = rows if all_read else np.arange(len(rows), dtype=np.int64)
        return cls(rows, positions, positions)

    @classmethod
    def of_values(cls, rows: NDArray[np.int64], values: "pa.Array | Sequence[str]") -> "ImageGroups":
        """Return the groups of images that share a value.

        Args:
            rows: (n,) rows of the embedded images, ascending.
            values: (n,) text per image.
        """
        encoded = pa.array(values, pa.large_string()).dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        # Of each group the image with the smallest random number.
        order = np.lexsort((np.random.default_rng(0).random(len(rows)), codes))
        first = order[np.unique(codes[order], return_index=True)[1]].astype(np.int64)
        by_position = np.argsort(first)
        number = np.argsort(by_position)
        names = encoded.dictionary.take(pa.array(by_position))
        return cls(rows, number[codes].astype(np.int64), first[by_position], names)

    @property
    def counts_images(self) -> bool:
        """Whether every image is a group of its own."""
        return len(self) == len(self.rows)

    @property
    def representative_rows(self) -> NDArray[np.int64]:
        """(m,) rows of the representatives."""
        return self.rows if self.counts_images else self.rows[self.representative]

    def of_representatives(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return (m,) the values of the groups' representatives, from those (n,) of all images; not always a copy."""
        return values if self.counts_images else values[self.representative]

    def of_images(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return (n,) the values of the images' groups, from those (m,) of all groups; not always a copy."""
        return values if self.counts_images else values[self.group]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(m,) number of images of each group."""
        if self.counts_images:
            return np.broadcast_to(np.int64(1), len(self))
        return np.bincount(self.group, minlength=len(self))

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """(n,) positions of all images, group by group, and by row within a group."""
        return np.argsort(self.group, kind="stable")

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(m,) where each group begins in `order`."""
        return np.cumsum(self.lengths) - self.lengths

    def images_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions of all images of some groups, by ascending number, in ascending order.

        Example:
            >>> groups = ImageGroups.of_values(np.arange(4), ["a", "b", "a", "a"])
            >>> sorted(len(groups.images_of(np.array([number]))) for number in range(2))
            [1, 3]
        """
        if self.counts_images:
            return np.asarray(self.representative[numbers], np.int64)
        return np.sort(self.order[ranges(self.starts[numbers], self.lengths[numbers])])

    def find_in(self, other: "ImageGroups") -> NDArray[np.int64]:
        """Return (m,) the number that each group has in another dataset; -1 where that one does not have it."""
        if self.names is None or other.names is None:
            return np.full(len(self), -1, np.int64)
        numbers = pc.index_in(self.names, value_set=other.names)
        return np.asarray(pc.fill_null(numbers, -1).to_numpy(zero_copy_only=False), np.int64)

    def take(self, numbers: NDArray[np.int64]) -> "ImageGroups":
        """Return these groups alone, by ascending number, with all of their images."""
        kept = np.flatnonzero(np.isin(self.group, numbers))
        return ImageGroups(
            rows=self.rows[kept],
            group=np.searchsorted(numbers, self.group[kept]),
            representative=np.searchsorted(kept, self.representative[numbers]),
            names=None if self.names is None else self.names.take(pa.array(numbers)),
        )

    def name(self, number: int, uris: pa.ChunkedArray | None) -> str:
        """Return a group's name; the uri of its image, from those of all rows, where it has none."""
        if self.names is not None:
            return str(self.names[number])
        return "" if uris is None else str(uris[int(self.representative_rows[number])])


def ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return consecutive numbers from each start on, as many as its length, one range after the other.

    Example:
        >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
        [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    return np.asarray(np.arange(int(lengths.sum())) + np.repeat(starts - (ends - lengths), lengths), np.int64)


def groups_path(run: Location, dataset: str) -> Location:
    """Path of the table of a dataset's groups."""
    return run / NAME / f"{dataset}.parquet"


def write_groups(run: RunStore, dataset: str, values: "pa.Array | NDArray[np.object_] | Sequence[str | None]") -> None:
    """Write the group of every listed row: text, null where the image was rejected."""
    groups = values if isinstance(values, pa.Array) else pa.array(values, pa.large_string())
    groups = groups.cast(pa.large_string())
    table = pa.table({"row": np.arange(len(groups)), "group": groups}, schema=_SCHEMA)
    with replacing(groups_path(run.path, dataset)) as path:
        write_whole(path, table)


def read_listed_groups(run: RunStore, dataset: str) -> pa.Array | None:
    """Return what `write_groups` wrote; None where the run has no such table."""
    try:
        with readable(groups_path(run.path, dataset)) as file:
            return read_whole(file)["group"].combine_chunks()
    except FileNotFoundError:
        return None


def remove_groups(run: RunStore, dataset: str) -> None:
    """Remove the table of a dataset's groups, so that each of its images counts."""
    groups_path(run.path, dataset).unlink(missing_ok=True)


def forget_groups(run: RunStore, dataset: str) -> None:
    """Remove the table of a dataset's groups, and what run.json says of them: they have to be found again."""
    remove_groups(run, dataset)
    run.record.datasets[dataset].groups = None
    run.write_record()


def read_groups(run: RunStore, dataset: str) -> ImageGroups:
    """Return the groups of a dataset's embedded images; groups of one where the run has no table of them.

    Raises:
        DamageError: run.json counts groups, and the table is gone or does not fit it.
    """
    rows, path = rows_read(run, dataset), groups_path(run.path, dataset)
    record = run.record.datasets[dataset]
    try:
        with readable(path) as file:
            table = read_whole(file)
    except FileNotFoundError:
        if run.record.has_groups(dataset):
            raise DamageError(f"{path} is missing; see `gapscope verify {run.path}`") from None
        return ImageGroups.singles(rows)
    wrong = _wrong(table, rows, record.listed)
    if not wrong:
        groups = ImageGroups.of_values(rows, table["group"].combine_chunks().take(pa.array(rows)))
        if record.groups is None or record.groups.count == len(groups):
            return groups
        wrong = f"holds {len(groups):,} groups and run.json {record.groups.count:,}"
    raise DamageError(f"{path} {wrong}: it is damaged; see `gapscope verify {run.path}`")


def _wrong(table: pa.Table, rows: NDArray[np.int64], listed: int) -> str:
    """Return what is wrong with a table of groups, which may be a stranger's; nothing if all is well."""
    if not table.schema.equals(_SCHEMA):
        return "has other columns than a table of groups"
    if len(table) != listed:
        return f"has {len(table):,} rows and not {listed:,}"
    return "names no group for some images" if table["group"].take(pa.array(rows)).null_count else ""


def read_all_groups(run: RunStore) -> dict[str, ImageGroups]:
    """Return the groups of every dataset."""
    return {name: read_groups(run, name) for name in run.record.datasets}


def needs_group_search(groups: Mapping[str, ImageGroups], pair: Pair) -> bool:
    """Return whether the nearest images of a pair are not the nearest groups already."""
    query, reference = groups[pair.query], groups[pair.reference]
    if not reference.counts_images:
        return True
    return pair.query != pair.reference and bool((query.find_in(reference) >= 0).any())


def group_identities(query: ImageGroups, reference: ImageGroups, *, same: bool) -> NDArray[np.int64]:
    """Return the number (n,) that each query image's group has in the reference; -1 where it has none there.

    Args:
        query: the groups of the images that look for neighbors.
        reference: the groups that are their neighbors.
        same: whether both are the groups of one dataset.
    """
    return query.group if same else query.find_in(reference)[query.group]
