"""The classes of a dataset's images or objects: from annotations, a column, or the name of their folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.settings import ClassRule, parse_class_rule
from gapscope.sources.archives.folders import paths_in_archives
from gapscope.store.annotations import read_annotations
from gapscope.store.groups import ImageGroups
from gapscope.store.index import PREFIX, SourceMetadata, read_index
from gapscope.store.run_store import RunStore

_COLUMNS = ("class", "label", "category", "class_name", "label_name", "category_name", "classname", "species")
"""Names that columns of classes have, in any case; the first that a dataset has is taken."""

_MANY_ROWS = 2**20
_MIN_SHARED = 2
"""So many names must two datasets share before folders are taken for classes: others are scenes, or parts of a set."""


@dataclass(frozen=True, eq=False)
class ImageClasses:
    """Which classes the embedded images of a dataset have; an image may have none, one or several.

    Attributes:
        names: of all classes that any dataset of the run has, the same for every dataset, sorted.
        image: (e,) int64 positions of images in `ImageGroups.rows`, ascending.
        label: (e,) int64 numbers in `names`; ascending within an image, and none twice.
        images: n, how many embedded images there are.
        rule: what the classes come from.

    Example:
        >>> classes = ImageClasses(("cat", "dog"), np.array([0, 2, 2]), np.array([1, 0, 1]), 3)
        >>> classes.single.tolist(), classes.counts.tolist()
        ([1, -1, -1], [1, 2])
    """

    names: Sequence[str]
    image: NDArray[np.int64]
    label: NDArray[np.int64]
    images: int
    rule: ClassRule = field(default=ClassRule("none"))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(c,) how many images have each class."""
        return np.bincount(self.label, minlength=len(self.names))

    @cached_property
    def single(self) -> NDArray[np.int64]:
        """(n,) the class of each image that has exactly one; -1 elsewhere."""
        classes = np.full(self.images, -1, np.int64)
        classes[self.image] = self.label
        classes[np.bincount(self.image, minlength=self.images) > 1] = -1
        return classes


def read_image_classes(run: RunStore, groups: Mapping[str, ImageGroups]) -> dict[str, ImageClasses]:
    """Return the classes of every dataset's embedded images, by the rules in run.json.

    By the rule `auto`, annotations come first; then a column called class, label, category or the like that has several
    values which repeat; then the last folder of an image's path, if at least two of a dataset's folders have the name
    of a class of another dataset. Names are the same only where they are spelled alike.

    Args:
        run: the run, whose images are embedded.
        groups: of every dataset.

    Returns:
        By dataset; empty where no dataset has classes.
    """
    rules = {name: parse_class_rule(run.record.config.classes.get(name, "auto")) for name in groups}
    labels = {name: _labels(run, name, own.rows, rules[name]) for name, own in groups.items()}
    for name in _folders_of_no_class(rules, labels):
        labels[name] = _Labels.none()
    names = sorted({text for own in labels.values() for text in own.names})
    if not names:
        return {}
    number = {text: place for place, text in enumerate(names)}
    found = {}
    for name, own in labels.items():
        of_run = np.array([number[text] for text in own.names], np.int64)
        label = of_run[own.label] if len(own.label) else own.label
        # Categories of an image may be annotated many times.
        pairs = np.unique(own.image * len(names) + label)
        found[name] = ImageClasses(names, pairs // len(names), pairs % len(names), len(groups[name].rows), own.rule)
    return found


@dataclass(frozen=True, eq=False)
class _Labels:
    """Classes as one dataset names them: `image` (e,) has `names[label]` (e,)."""

    rule: ClassRule
    names: list[str]
    image: NDArray[np.int64]
    label: NDArray[np.int64]

    @classmethod
    def none(cls) -> "_Labels":
        return cls(ClassRule("none"), [], np.empty(0, np.int64), np.empty(0, np.int64))

    @classmethod
    def of_codes(
        cls, rule: ClassRule, codes: NDArray[np.integer], names: list[str], image: NDArray[np.int64] | None = None
    ) -> "_Labels":
        """Return the labels of images that have one number of a name each, -1 for none, or of entries of `image`."""
        known = np.flatnonzero(codes >= 0)
        return cls(rule, names, known if image is None else image[known], codes[known].astype(np.int64))

    @classmethod
    def of_texts(cls, rule: ClassRule, texts: pa.Array, image: NDArray[np.int64] | None = None) -> "_Labels":
        """Return the labels of images that have one text each, or of entries of `image` likewise; null is no class."""
        encoded = _trimmed(texts).dictionary_encode()
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        return cls.of_codes(rule, codes, encoded.dictionary.to_pylist(), image)


def _labels(run: RunStore, dataset: str, rows: NDArray[np.int64], rule: ClassRule) -> _Labels:
    if rule.source == "none":
        return _Labels.none()
    if rule.source in ("annotations", "auto"):
        annotated = _annotated(run, dataset, rows)
        if rule.source == "annotations" or annotated.names:
            return annotated
    if rule.source in ("column", "auto"):
        column = PREFIX + rule.column if rule.column else _class_column(run, dataset)
        if column is not None:
            texts = _texts(read_index(run, dataset, [column])[column].combine_chunks())
            own = _Labels.of_texts(ClassRule("column", column.removeprefix(PREFIX)), texts.take(pa.array(rows)))
            if rule.source == "column" or 1 < len(own.names) <= len(own.image) / 2:
                return own
    # Folders that hardly repeat are no classes, unless the user says so.
    limit = None if rule.source == "folder" or len(rows) < _MANY_ROWS else len(rows) // 2
    encoded = SourceMetadata.open(run, dataset).codes("uri", rows, limit, lambda uris: _trimmed(last_folders(uris)))
    return _Labels.none() if encoded is None else _Labels.of_codes(ClassRule("folder"), *encoded)


def _annotated(run: RunStore, dataset: str, rows: NDArray[np.int64]) -> _Labels:
    table = read_annotations(run, dataset)
    if table is None or not len(rows):
        return _Labels.none()
    table = table.filter(pc.is_valid(table["category"]))
    row = table["row"].to_numpy()
    position = np.minimum(np.searchsorted(rows, row), len(rows) - 1)
    embedded = rows[position] == row
    texts = table["category"].combine_chunks().cast(pa.large_string()).filter(pa.array(embedded))
    return _Labels.of_texts(ClassRule("annotations"), texts, position[embedded])


def _class_column(run: RunStore, dataset: str) -> str | None:
    names = {name.removeprefix(PREFIX).lower(): name for name in SourceMetadata.open(run, dataset).names}
    return next((names[name] for name in _COLUMNS if name in names), None)


def _texts(values: pa.Array) -> pa.Array:
    """Return the values of a column as text; whole numbers without a decimal point."""
    if not pa.types.is_floating(values.type):
        return values.cast(pa.large_string())
    return pa.array(
        [None if value is None or value != value else f"{value:.17g}" for value in values.to_pylist()],  # noqa: PLR0124
        pa.large_string(),
    )


def _trimmed(texts: pa.Array) -> pa.Array:
    """Return texts without the spaces around them; null where nothing else is there."""
    stripped = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(stripped, ""), None, stripped)


def last_folders(uris: pa.Array) -> pa.Array:
    """Return the name of the folder that each image lies in, in its archive if it is a member of one; null for none.

    Example:
        >>> uris = ["/data/cat/1.jpg", "a.tar::dog/2.jpg", "a.tar::3.jpg"]
        >>> last_folders(pa.array(uris, pa.large_string())).to_pylist()
        ['cat', 'dog', None]
    """
    inside = paths_in_archives(uris)
    folders = pc.replace_substring_regex(inside, pattern=r"^(?:.*/)?([^/]+)/[^/]*$", replacement=r"\1")
    return pc.if_else(pc.match_substring(inside, "/"), pc.if_else(pc.equal(folders, inside), None, folders), None)


def _folders_of_no_class(rules: Mapping[str, ClassRule], labels: Mapping[str, _Labels]) -> list[str]:
    """Return the datasets whose folders nobody has called classes, and which share too few names with the others."""
    names = {name: set(own.names) for name, own in labels.items()}
    return [
        name
        for name, own in labels.items()
        if rules[name].source == "auto"
        and own.rule.source == "folder"
        and all(len(names[name] & names[other]) < _MIN_SHARED for other in names if other != name)
    ]


_OF_RULE = {"annotations": "its annotations", "folder": "the name of the folder"}
_N_NAMED = 3


def describe_classes(classes: Mapping[str, ImageClasses]) -> str | None:
    """Return in one line where the classes come from, how many there are, and which are nearly alike; None for none.

    Example:
        >>> own = ImageClasses(("cat", "dog"), np.array([0, 1]), np.array([0, 1]), 2, ClassRule("folder"))
        >>> describe_classes({"real": own, "synthetic": own})
        'classes: of real 2 by the name of the folder, of synthetic 2 by the name of the folder; 2 in both'
    """
    if not classes:
        return None
    parts = []
    for name, own in classes.items():
        rule = _OF_RULE.get(own.rule.source, f"column {own.rule.column}")
        count = int(np.count_nonzero(own.counts))
        parts.append(f"of {name} {count:,} by {rule}" if count else f"of {name} none")
    in_all = np.all([own.counts > 0 for own in classes.values()], axis=0).sum()
    which = "both" if len(classes) == 2 else "all"
    text = f"classes: {', '.join(parts)}; {int(in_all):,} in {which}"
    by_case: dict[str, list[str]] = {}
    for name in next(iter(classes.values())).names:
        by_case.setdefault("".join(name.casefold().replace("_", " ").replace("-", " ").split()), []).append(name)
    alike = [names for names in by_case.values() if len(names) > 1]
    if alike:
        examples = "; ".join(" and ".join(names) for names in alike[:_N_NAMED])
        text += f"; spelled differently, and so not the same: {examples}"
    return text
