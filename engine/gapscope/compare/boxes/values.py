"""The numbers of every annotated object and image of a dataset, from its table of annotations."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gapscope.store.groups import ImageGroups, ranges

MAX_IMAGES = 50_000
"""So many images of a dataset are looked at, drawn at random."""

_EDGE_PIXELS = 1.0
_PAIRS = 2_000_000


class Values(NamedTuple):
    """A number of some objects or images: the group (n,) of each, counted from 0, and its value (n,)."""

    group: NDArray[np.int64]
    value: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BoxValues:
    """The numbers of a dataset's boxes.

    Attributes:
        groups: how many groups of images there are.
        values: by name of the number; one that nothing has is missing.
        image_group: (i,) the group of each image.
        class_image: (e,) positions of images that have objects of a class, each class of an image once.
        class_name: (e,) its name.
        note: what was left out, as a sentence; empty if nothing was.
    """

    groups: int
    values: dict[str, Values]
    image_group: NDArray[np.int64]
    class_image: NDArray[np.int64]
    class_name: pa.Array
    note: str


def box_values(table: pa.Table, groups: ImageGroups, sizes: pa.Table | None, *, objects: bool) -> BoxValues:
    """Return the numbers of a dataset's boxes; crowds have none.

    Boxes are cut at the edges of their image. An image of a run of objects is of the group of its first embedded
    object, or alone where it has none; images without objects are unknown there.

    Args:
        table: as `gapscope.store.annotations.read_annotations` returns it.
        groups: of the embedded images, or of the objects in a run of these.
        sizes: `width` and `height` of every row of the index, for images whose annotations do not say; None if unknown.
        objects: whether rows of the index are objects.
    """
    position = np.minimum(np.searchsorted(groups.rows, table["row"].to_numpy()), max(0, len(groups.rows) - 1))
    embedded = np.zeros(len(table), np.bool_)
    if len(groups.rows):
        embedded = groups.rows[position] == table["row"].to_numpy()
    if not objects:
        table, position = table.filter(pa.array(embedded)), position[embedded]
        embedded = np.ones(len(table), np.bool_)
    image = table["image"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    n_images = int(image.max(initial=-1)) + 1
    notes = []
    if objects:
        notes.append("images without objects are not counted")
    if n_images > MAX_IMAGES:
        drawn = np.zeros(n_images, np.bool_)
        drawn[np.random.default_rng(0).choice(n_images, MAX_IMAGES, replace=False)] = True
        kept = drawn[image]
        table, position, embedded = table.filter(pa.array(kept)), position[kept], embedded[kept]
        image = np.unique(image[kept], return_inverse=True)[1]
        notes.append(f"a sample of {MAX_IMAGES:,} of {n_images:,} images")
        n_images = MAX_IMAGES
    image_group, n_groups = _image_groups(
        image, n_images, groups.group[position] if len(groups.rows) else position, embedded
    )
    crowd = pc.fill_null(table["crowd"], False).to_numpy()
    is_object = table["id"].is_valid().to_numpy()
    if (crowds := int((crowd & is_object).sum())) > 0:
        notes.append(f"crowds left out: {crowds:,}")
    chosen = np.flatnonzero(is_object & ~crowd)
    category = table["category"].combine_chunks().take(pa.array(chosen))
    class_image, class_name = _classes(image[chosen], category)
    of_image = {"objects_per_image": np.bincount(image[chosen], minlength=n_images).astype(np.float64)}
    if len(class_name):
        of_image["classes_per_image"] = np.bincount(class_image, minlength=n_images).astype(np.float64)
    of_object, left_out = _object_values(table.take(pa.array(chosen)), image[chosen], sizes)
    notes += left_out
    object_group = image_group[image[chosen]]
    values = {name: Values(image_group, value) for name, value in of_image.items() if n_images}
    for name, value in of_object.items():
        known = np.isfinite(value)
        if known.any():
            values[name] = Values(object_group[known], value[known])
    return BoxValues(n_groups, values, image_group, class_image, class_name, "; ".join(notes))


def _image_groups(
    image: NDArray[np.int64], images: int, group: NDArray[np.int64], embedded: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], int]:
    """Return the group (images,) of each image, counted from 0, and how many there are."""
    known = np.flatnonzero(embedded)[::-1]
    of_image = np.full(images, -1, np.int64)
    # The last one that is written stays, which is the first of the image.
    of_image[image[known]] = group[known]
    alone = of_image < 0
    of_image[alone] = int(of_image.max(initial=-1)) + 1 + np.arange(int(alone.sum()))
    numbers, counted = np.unique(of_image, return_inverse=True)
    return counted, len(numbers)


def _classes(image: NDArray[np.int64], category: pa.Array) -> tuple[NDArray[np.int64], pa.Array]:
    """Return every class of every image once."""
    encoded = category.dictionary_encode()
    code = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    count = max(1, len(encoded.dictionary))
    keys = np.unique((image * count + code)[code >= 0])
    return keys // count, encoded.dictionary.take(pa.array(keys % count))


def _object_values(
    table: pa.Table, image: NDArray[np.int64], sizes: pa.Table | None
) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """Return the numbers (n,) of objects, NaN where they are unknown, and what was left out."""
    left, top, right, bottom, width, height, truncation, occlusion = (
        _floats(table[name])
        for name in (
            "left", "top", "right", "bottom", "image_width", "image_height", "truncation", "occlusion",
        )
    )  # fmt: skip
    if sizes is not None:
        row = table["row"].to_numpy()
        unknown = ~((width > 0) & (height > 0))
        for side, name in ((width, "width"), (height, "height")):
            side[unknown] = _floats(sizes[name])[row[unknown]]
    sized = (width > 0) & (height > 0)
    width, height = np.where(sized, width, np.nan), np.where(sized, height, np.nan)
    boxed = np.isfinite(left) & np.isfinite(top) & np.isfinite(right) & np.isfinite(bottom)
    at_edge = (left < _EDGE_PIXELS) | (top < _EDGE_PIXELS) | (right > width - _EDGE_PIXELS)
    at_edge |= bottom > height - _EDGE_PIXELS
    # np.fmin leaves edges as they are where the size of the image is unknown.
    left, right = np.maximum(left, 0), np.fmin(right, width)
    top, bottom = np.maximum(top, 0), np.fmin(bottom, height)
    across, down = right - left, bottom - top
    usable = boxed & (across > 0) & (down > 0)
    notes = []
    for count, words in (
        (int((~boxed).sum()), "objects without a usable box"),
        (int((boxed & ~usable).sum()), "boxes without area in their image"),
        (int((usable & ~sized).sum()), "boxes in images of unknown size, with aspect and overlap only"),
    ):
        if count:
            notes.append(f"{words}: {count:,}")
    across, down = np.where(usable, across, np.nan), np.where(usable, down, np.nan)
    overlap = _largest_overlap(np.stack([left, top, right, bottom], axis=1), image, usable)
    values = {
        "size": np.sqrt(across * down / (width * height)),
        "width": across / width,
        "height": down / height,
        "center_x": (left + right) / 2 / width + 0 * across,
        "center_y": (top + bottom) / 2 / height + 0 * down,
        "aspect": np.log2(across / down),
        "overlap": overlap,
        "overlapping": np.where(np.isfinite(overlap), overlap > 0, np.nan),
        "truncation": np.clip(truncation, 0, 1),
        "at_edge": np.where(usable & sized, at_edge, np.nan),
        "occlusion": np.clip(occlusion, 0, 1),
    }
    return values, notes


def _floats(values: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return numbers as float64 that can be written to, NaN for null."""
    return np.array(pc.fill_null(values.cast(pa.float64()), np.nan).to_numpy())


def _largest_overlap(
    boxes: NDArray[np.float64], image: NDArray[np.int64], usable: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return (n,) the largest intersection over union of each box with another of its image; NaN where none is usable.

    Args:
        boxes: (n, 4) left, top, right and bottom.
        image: (n,) the image of each.
        usable: (n,) whether it is a box.
    """
    best = np.where(usable, 0.0, np.nan)
    order = np.flatnonzero(usable)
    order = order[np.argsort(image[order], kind="stable")]
    own = image[order]
    start, stop = np.searchsorted(own, own), np.searchsorted(own, own, side="right")
    partners = stop - start
    # So many objects at a time that their pairs fit into memory.
    part = np.cumsum(partners) // _PAIRS
    for first in np.unique(part, return_index=True)[1].tolist():
        last = int(np.searchsorted(part, part[first], side="right"))
        here = np.repeat(np.arange(first, last), partners[first:last])
        there = ranges(start[first:last], partners[first:last])
        one, other = boxes[order[here]], boxes[order[there]]
        shared = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
        intersection = np.prod(np.maximum(shared, 0), axis=1)
        areas = [np.prod(box[:, 2:] - box[:, :2], axis=1) for box in (one, other)]
        ratio = np.where(here == there, 0, intersection / (areas[0] + areas[1] - intersection))
        starts = np.cumsum(partners[first:last]) - partners[first:last]
        best[order[first:last]] = np.maximum.reduceat(ratio, starts)
    return best
