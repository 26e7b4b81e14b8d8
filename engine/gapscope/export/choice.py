"""Which images an export holds: those of the maps, a manifest, a kind, or a selection; all, or a diverse few."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import OptionError
from gapscope.export.diverse import pick_diverse
from gapscope.progress import Progress
from gapscope.report.lists import OutlierList, read_outlier_lists
from gapscope.report.points import PointIndex, read_point_index, rows_of_uris
from gapscope.report.selection import PlottedPoints, plotted_points, select_images
from gapscope.sources import Entry
from gapscope.store.datasets import Pair
from gapscope.store.gaps import read_gaps, read_members
from gapscope.store.index import read_entries
from gapscope.store.location import Location
from gapscope.store.manifests import ALL, read_duplicates, read_groups_manifest, read_manifest, table_name
from gapscope.store.run_store import RunStore

_SHOWN_NAMES = 6
_DUPLICATES = "duplicates"
_GROUPS = ".groups"
_UNRANKED = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class ImageChoice:
    """Which images of a run are exported; without any of `list`, `kind` and `selection`, those of the maps.

    Attributes:
        list: name of a list in RUN/manifests, such as `P5.real-vs-synthetic.style-aside`.
        kind: id of a kind, such as `K1`.
        selection: a list or CSV that the page has saved, or any file with a uri per line or a column `uri`.
        pick: how many of them, as unlike each other as possible; None for all.

    Example:
        >>> ImageChoice(kind="K1", pick=50).is_of_maps
        False
    """

    list: str | None = None
    kind: str | None = None
    selection: Path | None = None
    pick: int | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("list", "kind", "selection") if getattr(self, name) is not None]
        if len(given) > 1:
            raise OptionError(f"give one of {' and '.join(given)}, not both")
        if self.pick is not None and self.pick < 1:
            raise OptionError("must be 1 or more", argument="pick", value=self.pick)

    @property
    def is_of_maps(self) -> bool:
        """Whether no list, kind or selection is chosen."""
        return self.list is None and self.kind is None and self.selection is None


class Standing(NamedTuple):
    """What a list says of an image.

    Attributes:
        list: its name.
        level: its level.
        reading: its reading.
        reference: the dataset that the image does not look like.
        rank: from 1.
        q: q-value.
        score: how far the image is from the reference.
    """

    list: str
    level: str
    reading: str
    reference: str
    rank: int
    q: float
    score: float


@dataclass(frozen=True, eq=False, kw_only=True)
class ChosenImages:
    """The n images that an export holds, the most important first; objects, in a run of objects.

    Attributes:
        points: where they are on the maps.
        entries: what their sources list.
        standing: what the chosen list says of each, or of the kind's lists or all lists the one where it ranks best;
            None for an image that no such list holds.
        kind: id of each one's kind; empty for none.
        what: what was chosen, in words.
        home: where the export will lie; its files have other paths while they are written.
    """

    points: PlottedPoints
    entries: Sequence[Entry]
    standing: Sequence[Standing | None]
    kind: Sequence[str]
    what: str
    home: Location

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def run(self) -> RunStore:
        """The run that they are of."""
        return self.points.run

    @cached_property
    def dataset(self) -> list[str]:
        """Name of each one's dataset."""
        return [self.run.datasets[number] for number in self.points.dataset.tolist()]

    @cached_property
    def row(self) -> list[int]:
        """Row of each in its dataset's index."""
        return [int(row) for row in self.points.row.tolist()]

    def outlier_references(self, level: str) -> Iterator[str]:
        """Yield, per image, the names of the datasets that it is an outlier against at a level, or nothing."""
        names: dict[int, list[str]] = {}
        for outliers in self.points.outlier_lists:
            if outliers.level == level:
                for image in outliers.image.tolist():
                    names.setdefault(image, []).append(self.run.datasets[outliers.reference])
        for image in self.points.image.tolist():
            yield ", ".join(names.get(image, []))


def choose_images(
    run: RunStore, choice: ImageChoice, max_images: int, home: Location, progress: Progress
) -> ChosenImages:
    """Find the images of a choice.

    Args:
        run: the run.
        choice: which images.
        max_images: how many an export takes; of a longer list the first, which is told.
        home: where the export will lie.
        progress: takes notes.

    Raises:
        OptionError: the run has no such list or kind, or not one of the selection's images.
    """
    index = read_point_index(run)
    lists = read_outlier_lists(run, index)
    if choice.is_of_maps:
        selection = select_images(index, lists, max_drawn=max_images, max_neighbors=0)
        found, own, level, what = selection.image[selection.drawn], lists, run.levels[-1], "images of the maps"
    else:
        found, own, level, what = _find(run, index, lists, choice, progress)
    if not len(found):
        raise OptionError(f"{what} has no images, so that there is nothing to export")
    if choice.pick is not None:
        found = pick_diverse(run, index, found, level, choice.pick, progress)
        what = f"{len(found):,} diverse of {what}"
    if len(found) > max_images:
        progress.note(f"{what}: the first {max_images:,} of {len(found):,} images are exported")
        found = found[:max_images]
    points = plotted_points(run, index, lists, found)
    entries = np.empty(len(found), dtype=object)
    for number, name in enumerate(run.datasets):
        chosen = points.dataset == number
        entries[chosen] = read_entries(run, name, points.row[chosen])
    standing = _standing(run, own)
    kinds = _kinds(run)
    keys = zip((run.datasets[number] for number in points.dataset.tolist()), points.row.tolist(), strict=True)
    return ChosenImages(
        points=points,
        entries=list(entries),
        standing=[standing.get(image) for image in found.tolist()],
        kind=[kinds.get(key, "") for key in keys],
        what=what,
        home=home,
    )


def _find(
    run: RunStore, index: PointIndex, lists: list[OutlierList], choice: ImageChoice, progress: Progress
) -> tuple[NDArray[np.int64], list[OutlierList], str, str]:
    """Return positions, the lists that say how they stand, the level at which they differ, and words for them."""
    if choice.list is not None:
        return _of_list(run, index, lists, choice.list)
    if choice.kind is not None:
        return _of_kind(run, index, lists, choice.kind)
    assert choice.selection is not None
    found = _of_selection(run, index, choice.selection, progress)
    return found, lists, run.levels[-1], f"selection {choice.selection.name}"


def _of_list(
    run: RunStore, index: PointIndex, lists: list[OutlierList], name: str
) -> tuple[NDArray[np.int64], list[OutlierList], str, str]:
    across = {table_name(ALL, pair, "as-is"): pair for pair in run.pairs}
    if name in across:
        pair = across[name]
        table = read_manifest(run.path, ALL, pair, ["row", "within_fdr"]).to_pandas()
        rows = table["row"][table["within_fdr"].astype(bool)].to_numpy(np.int64)
        found = index.find(run.datasets.index(pair.query), rows)
        return found[found >= 0], _lists_of(run, lists, pair), run.levels[-1], f"list {name}"
    if name == _DUPLICATES:
        return _duplicates(run, index), lists, run.levels[-1], f"list {name}"
    by_name = {_list_name(run, own): own for own in lists}
    of_groups = by_name.get(name.removesuffix(_GROUPS)) if name.endswith(_GROUPS) else None
    if of_groups is not None and run.record.has_groups(run.datasets[of_groups.query]):
        return _representatives(run, index, of_groups), [of_groups], of_groups.level, f"list {name}"
    if name not in by_name:
        names = [*across, *by_name, _DUPLICATES]
        more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        known = f"{', '.join(names[:_SHOWN_NAMES])}{more}, as the files in {run.path / 'manifests'} are called"
        raise OptionError(f"this run has no such list; it has {known}", argument="list", value=name)
    own = by_name[name]
    return own.image, [own], own.level, f"list {name}"


def _duplicates(run: RunStore, index: PointIndex) -> NDArray[np.int64]:
    """Return the images of pairs of copies, both sides, each once."""
    table = read_duplicates(run.path).to_pandas()
    found = np.full((len(table), 2), -1, np.int64)
    for side, (dataset, row) in enumerate((("dataset", "row"), ("copy_dataset", "copy_row"))):
        for number, name in enumerate(run.datasets):
            own = (table[dataset] == name).to_numpy()
            found[own, side] = index.find(number, table[row].to_numpy(np.int64)[own])
    return np.array(list(dict.fromkeys(found[found >= 0].tolist())), np.int64)


def _representatives(run: RunStore, index: PointIndex, own: OutlierList) -> NDArray[np.int64]:
    """Return an image of every group that is listed, best ranked first."""
    pair = Pair(run.datasets[own.query], run.datasets[own.reference])
    table = read_groups_manifest(run.path, own.level, pair, own.reading).to_pandas()
    found = index.find(own.query, table["row"][table["listed"].astype(bool)].to_numpy(np.int64))
    return found[found >= 0]


def _list_name(run: RunStore, own: OutlierList) -> str:
    return table_name(own.level, Pair(run.datasets[own.query], run.datasets[own.reference]), own.reading)


def _lists_of(run: RunStore, lists: list[OutlierList], pair: Pair) -> list[OutlierList]:
    return [own for own in lists if (run.datasets[own.query], run.datasets[own.reference]) == pair]


def _of_kind(
    run: RunStore, index: PointIndex, lists: list[OutlierList], kind: str
) -> tuple[NDArray[np.int64], list[OutlierList], str, str]:
    gaps = {gap["id"]: gap for gap in read_gaps(run)["kinds"]}
    if kind not in gaps:
        known = f"it has {', '.join(gaps)}" if gaps else "it has none"
        raise OptionError(f"this run has no such kind; {known}", argument="kind", value=kind)
    gap = gaps[kind]
    table = read_members(run).to_pandas()
    rows = table["row"][table["kind"] == kind].to_numpy(np.int64)
    found = index.find(run.datasets.index(gap["query"]), rows)
    found = found[found >= 0]
    own = _lists_of(run, lists, Pair(gap["query"], gap["reference"]))
    best = np.full(len(index), _UNRANKED)
    for outliers in own:
        np.minimum.at(best, outliers.image, outliers.rank)
    named = f" ({gap['name']})" if gap["name"] else ""
    return found[np.argsort(best[found], kind="stable")], own, gap["level"], f"kind {kind}{named}"


def _of_selection(run: RunStore, index: PointIndex, path: Path, progress: Progress) -> NDArray[np.int64]:
    wanted = list(dict.fromkeys(_read_selection(path)))
    for name in {name for name, _ in wanted if name is not None}:
        if name not in run.datasets:
            raise OptionError(
                f"holds images of {name!r}; this run has {', '.join(run.datasets)}", argument="selection", value=path
            )
    places: dict[tuple[str, str], int] = {}
    for number, dataset in enumerate(run.datasets):
        rows = rows_of_uris(run, dataset, (uri for name, uri in wanted if name in (None, dataset)))
        positions = index.find(number, np.array(list(rows.values()), np.int64)).tolist()
        places |= {(dataset, uri): place for uri, place in zip(rows, positions, strict=True) if place >= 0}
    found = [
        [places[dataset, uri] for dataset in run.datasets if name in (None, dataset) and (dataset, uri) in places]
        for name, uri in wanted
    ]
    unknown = sum(not own for own in found)
    if unknown == len(wanted):
        raise OptionError("holds not one image of this run", argument="selection", value=path)
    if unknown:
        progress.note(f"{path}: {unknown:,} of {len(wanted):,} images are not in this run")
    return np.array(list(dict.fromkeys(place for own in found for place in own)), np.int64)


def _read_selection(path: Path) -> Iterator[tuple[str | None, str]]:
    """Yield dataset, None for any, and uri."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"cannot be read: {error}", argument="selection", value=path) from error
    if path.suffix.lower() != ".csv":
        yield from ((None, line) for line in text.splitlines() if line.strip())
        return
    table = csv.DictReader(text.splitlines(keepends=True))
    if "uri" not in (table.fieldnames or ()):
        raise OptionError("has no column `uri`", argument="selection", value=path)
    yield from ((row.get("dataset") or None, row["uri"]) for row in table if row["uri"])


def _standing(run: RunStore, lists: Sequence[OutlierList]) -> dict[int, Standing]:
    """Return, by position, what the list says in which an image ranks best."""
    best: dict[int, Standing] = {}
    for own in lists:
        name, reference = _list_name(run, own), run.datasets[own.reference]
        for image, rank, (_, q, score, _) in zip(
            own.image.tolist(), own.rank.tolist(), own.numbers.tolist(), strict=True
        ):
            if image not in best or rank < best[image].rank:
                best[image] = Standing(name, own.level, own.reading, reference, rank, q, score)
    return best


def _kinds(run: RunStore) -> dict[tuple[str, int], str]:
    members = read_members(run).to_pydict()
    kinds: dict[tuple[str, int], str] = {}
    for kind, dataset, row in zip(members["kind"], members["dataset"], members["row"], strict=True):
        kinds.setdefault((dataset, row), kind)
    return kinds
