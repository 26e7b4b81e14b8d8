"""What a kind is called: the value of the user's own columns and folders that it has far more of than other images."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import norm

from gapscope.sources.archives.folders import folders_of, paths_in_archives
from gapscope.sources.archives.members import MEMBER_SEPARATOR
from gapscope.store.arrays import positions_of
from gapscope.store.groups import ImageGroups, ranges
from gapscope.store.index import PREFIX, SourceMetadata

_MAX_VALUES = 100_000
_MAX_DEPTH = 6
_MIN_SHARE = 0.5
_PRIOR = 10.0
_ALPHA = 0.05


@dataclass(frozen=True)
class Name:
    """What a kind is called, and where that is from: `folder`, `category`, or `column` and the column's name."""

    text: str
    source: str


@dataclass(frozen=True)
class Labels:
    """The labels that a dataset's groups have in one respect.

    Attributes:
        source: where they are from, as in `Name`.
        values: the labels.
        group: (e,) number of a group, ascending.
        value: (e,) number of a label that it has.
    """

    source: str
    values: Sequence[str]
    group: NDArray[np.int64]
    value: NDArray[np.integer]

    @classmethod
    def of(cls, source: str, values: Sequence[str], codes: NDArray[np.int32]) -> "Labels | None":
        """Return the labels of groups that have one each, by number, -1 for none; None where they cannot name a kind.

        Example:
            >>> Labels.of("folder", ["cat", "dog"], np.array([0, 1, -1], np.int32)).group.tolist()
            [0, 1]
        """
        if not 1 < len(values) <= _MAX_VALUES:
            return None
        group = np.flatnonzero(codes >= 0)
        return cls(source, values, group, codes[group])

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many groups have each label."""
        return np.bincount(self.value, minlength=len(self.values))

    def of_kind(self, members: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many of a kind's groups have each label."""
        # A dataset may have ten million groups, and a kind a hundred.
        starts, stops = (np.searchsorted(self.group, members, side) for side in ("left", "right"))
        inside = ranges(starts, stops - starts)
        return np.bincount(self.value[inside], minlength=len(self.values))


def read_labels(
    metadata: SourceMetadata, groups: ImageGroups, annotations: pa.Table | None, *, objects: bool
) -> list[Labels]:
    """Return every respect in which a dataset's groups have labels: columns of text, folders, COCO categories.

    Args:
        metadata: uri and the source's columns of the dataset's images.
        groups: of the dataset; a group has the labels of its representative.
        annotations: of the dataset, as `read_annotations` returns them; None if it has none.
        objects: whether the images are annotated objects.
    """
    rows = groups.representative_rows
    found = []
    for name in metadata.names:
        if _is_number(metadata.schema.field(name).type):
            continue
        encoded = metadata.codes(name, rows, _MAX_VALUES)
        if encoded is not None:
            codes, values = encoded
            found.append(Labels.of(_source_of(name, is_object=objects and annotations is not None), values, codes))
    found += _folders(metadata, rows)
    if annotations is not None and not objects:
        found.append(_categories(groups, annotations))
    return [labels for labels in found if labels is not None]


def _source_of(column: str, *, is_object: bool) -> str:
    name = column.removeprefix(PREFIX)
    # What an object is annotated as is no column of the user's.
    return name if is_object and name == "category" else f"column {name}"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _folders(metadata: SourceMetadata, rows: NDArray[np.int64]) -> Iterator[Labels | None]:
    """Yield the folder of each image below the folder that holds all of them: the uppermost, the two uppermost, ...

    In archives, the folders inside an archive come first: the shard that an image lies in says nothing about it.
    """

    def encoded(paths_of: Callable[[pa.Array], pa.Array]) -> tuple[NDArray[np.int32], list[str]] | None:
        return metadata.codes("uri", rows, _MAX_VALUES, lambda uris: pc.fill_null(folders_of(paths_of(uris)), ""))

    if any(MEMBER_SEPARATOR in uri for uri in metadata.uris(rows[:1])):
        yield from _by_depth(encoded(paths_in_archives))
    yield from _by_depth(encoded(lambda uris: uris))


def _by_depth(encoded: tuple[NDArray[np.int32], list[str]] | None) -> Iterator[Labels | None]:
    """Yield the uppermost folders, the two uppermost, ..., of the paths of folders, from where these differ."""
    if encoded is None or len(encoded[1]) < 2:
        return
    codes, folders = encoded
    paths = [path.split("/") for path in folders]
    shared = 0
    while all(len(path) > shared and path[shared] == paths[0][shared] for path in paths):
        shared += 1
    for depth in range(1, _MAX_DEPTH + 1):
        number: dict[str, int] = {}
        cut = ["/".join(path[shared : shared + depth]) for path in paths]
        of_folder = np.array([number.setdefault(text, len(number)) if text else -1 for text in cut], np.int32)
        yield Labels.of("folder", list(number), of_folder[codes])
        if all(len(path) <= shared + depth for path in paths):
            return


def _categories(groups: ImageGroups, annotations: pa.Table) -> Labels | None:
    """Return the categories that are annotated in the groups' representatives; crowds count."""
    named = annotations.filter(pc.and_(pc.is_valid(annotations["category"]), pc.is_valid(annotations["row"])))
    encoded = named["category"].combine_chunks().cast(pa.large_string()).dictionary_encode()
    names = sorted(encoded.dictionary.to_pylist())
    if not 1 < len(names) <= _MAX_VALUES:
        return None
    number = np.array([names.index(name) for name in encoded.dictionary.to_pylist()], np.int64)
    rows, row = groups.representative_rows, named["row"].to_numpy()
    group = positions_of(rows, row)
    own = rows[group] == row
    keys = np.unique(group[own] * len(names) + number[encoded.indices.to_numpy()[own]])
    return Labels("category", names, keys // len(names), keys % len(names))


def name_kind(labels: Sequence[Labels], members: NDArray[np.int64], groups: int) -> Name | None:
    """Return the label that a kind over-represents most; None where none is beyond noise, or half of the kind lacks it.

    By the log-odds ratio of the label in the kind and among the other groups, with a Dirichlet prior of the label's
    share in the dataset: Monroe, Colaresi and Quinn 2008, "Fightin' words". In standard errors it must exceed what one
    of as many labels would reach by chance in 5% of kinds. A column or folder comes before a category.

    Args:
        labels: of the dataset.
        members: numbers of the kind's groups, ascending.
        groups: number of groups of the dataset.

    Example:
        >>> folder = Labels.of("folder", ["cat", "brick"], np.repeat([0, 1], [5, 95]).astype(np.int32))
        >>> name_kind([folder], np.arange(5), 100)
        Name(text='cat', source='folder')
    """
    own: list[tuple[float, Name]] = []
    categories: list[tuple[float, Name]] = []
    for respect in labels:
        inside = respect.of_kind(members)
        # What every group has says nothing.
        likely = np.flatnonzero((inside >= _MIN_SHARE * len(members)) & (respect.counts < groups))
        if not len(likely):
            continue
        odds, error = _log_odds(inside[likely], respect.counts[likely], len(members), groups)
        beyond = odds > error * norm.isf(_ALPHA / np.count_nonzero(respect.counts))
        if beyond.any():
            best = int(np.argmax(np.where(beyond, odds, -np.inf)))
            name = Name(respect.values[likely[best]], respect.source)
            (categories if respect.source == "category" else own).append((float(odds[best]), name))
    candidates = own or categories
    return max(candidates, key=lambda scored: scored[0])[1] if candidates else None


def _log_odds(
    inside: NDArray[np.int64], counts: NDArray[np.int64], members: int, groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the log-odds ratios of labels in a kind against elsewhere, and their standard errors."""
    prior = _PRIOR * counts / groups
    other = counts - inside
    kind_odds = (inside + prior) / (members + _PRIOR - inside - prior)
    other_odds = (other + prior) / (groups - members + _PRIOR - other - prior)
    return np.log(kind_odds / other_odds), np.sqrt(1 / (inside + prior) + 1 / (other + prior))
