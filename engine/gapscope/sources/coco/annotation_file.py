"""Reading a COCO annotation file: its structure is checked, and its ids are matched as they are meant."""

import json
import math
import os
import posixpath
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NotRequired, TypedDict, cast

from gapscope.errors import SourceError, one_line
from gapscope.sources.coco.json_layouts import other_layout
from gapscope.sources.files import open_container, path_bytes
from gapscope.sources.folder import utf8_safe
from gapscope.sources.notes import ListingNotes
from gapscope.urls import is_url

UNKNOWN_IMAGES = "annotations of unknown images"
"""What notes call annotations whose image is not in the file."""

_SHOWN = 200


class CocoImage(TypedDict):
    """An image of an annotation file. `id` is a number, text or None; the other values may be anything."""

    file_name: str
    id: NotRequired[Any]
    width: NotRequired[Any]
    height: NotRequired[Any]


class CocoAnnotation(TypedDict):
    """An annotated object, or the segments of an image: a list of objects with a `category_id`.

    The ids are numbers, text or None; the other values may be anything.
    """

    image_id: Any
    id: NotRequired[Any]
    category_id: NotRequired[Any]
    bbox: NotRequired[Any]
    segmentation: NotRequired[Any]
    area: NotRequired[Any]
    iscrowd: NotRequired[Any]
    segments_info: NotRequired[Any]


@dataclass(frozen=True)
class CocoFile:
    """The content of an annotation file, as far as it is used.

    Attributes:
        images: every image once; those that have an id have one each.
        annotations: of these images. `image_id` equals the id of the image, and `category_id` a key of `categories`,
            where that is what they mean.
        categories: the names of the categories, by id.
        stuff: the ids of those that are no things, such as sky, as panoptic files tell.
        notes: what was passed over, and how ids were understood.
    """

    images: Sequence[CocoImage]
    annotations: Sequence[CocoAnnotation]
    categories: Mapping[Any, str]
    stuff: frozenset[Any]
    notes: ListingNotes

    def by_image(self) -> dict[Any, list[CocoAnnotation]]:
        """Return the annotations of each image that has some, by the image's id."""
        grouped: dict[Any, list[CocoAnnotation]] = {}
        for annotation in self.annotations:
            grouped.setdefault(annotation["image_id"], []).append(annotation)
        return grouped


def read_annotations(location: str) -> CocoFile:
    """Return the content of an annotation file.

    Raises:
        SourceError: the file cannot be read, is not a COCO annotation file, or gives two images one id.
    """
    try:
        status = None if is_url(location) else os.stat(path_bytes(location))
    except (OSError, ValueError):
        status = None
    return _read(location, status and (status.st_mtime_ns, status.st_size))


def parse_json(location: str) -> Any:
    """Return the content of a JSON file.

    Raises:
        SourceError: the file cannot be read as JSON.
    """
    with open_container(location) as file:
        try:
            return json.load(file)
        except MemoryError as error:
            raise SourceError(f"{location}: needs more memory than there is; split it into several files") from error
        except json.JSONDecodeError as error:
            lines = "; if it has an object per line, rename it to end in .jsonl" if error.msg == "Extra data" else ""
            raise SourceError(f"{location}: cannot be read as JSON ({one_line(error)}){lines}") from error
        except (ValueError, RecursionError, OSError) as error:
            raise SourceError(f"{location}: cannot be read as JSON ({one_line(error)})") from error


def shown(value: Any) -> str:
    r"""Return a value of a JSON file as one line for a message.

    Example:
        >>> print(shown("a\nb.jpg"), shown(17), shown(None))
        a b.jpg 17 null
    """
    text = value if isinstance(value, str) else json.dumps(value)
    return " ".join(utf8_safe(text).split())[:_SHOWN]


def shown_id(value: Any) -> str:
    """Return an id for a message, so that text can be told from a number.

    Example:
        >>> print(shown_id("3"), shown_id(3))
        "3" 3
    """
    return f'"{shown(value)}"' if isinstance(value, str) else shown(value)


# Opening and listing a dataset read the same file.
@lru_cache(maxsize=2)
def _read(location: str, _version: tuple[int, int] | None) -> CocoFile:
    content = parse_json(location)
    layout = other_layout(content)
    if layout:
        raise SourceError(f"{location}: not a COCO annotation file: {layout}")
    if not isinstance(content, dict):
        raise SourceError(f"{location}: not a COCO annotation file: it does not hold a JSON object")
    if "images" not in content:
        raise SourceError(f"{location}: not a COCO annotation file: it has no `images`")
    notes = ListingNotes()
    listed = cast("list[CocoImage]", _rows(content, "images", "file_name", location))
    images, twice = _each_once(listed, location, notes)
    annotations = cast("list[CocoAnnotation]", _rows(content, "annotations", "image_id", location))
    category_rows = _rows(content, "categories", "name", location)
    categories = _category_names(category_rows, notes)
    stuff = frozenset(row.get("id") for row in category_rows if row.get("isthing") in (0, "0"))
    ids = {image["id"] for image in images if image.get("id") is not None}
    _match_ids(annotations, "image_id", ids, notes)
    _match_ids([*annotations, *_segments(annotations, location)], "category_id", categories.keys(), notes)
    unknown = [annotation["image_id"] for annotation in annotations if annotation["image_id"] not in ids]
    if unknown:
        notes.pass_over(UNKNOWN_IMAGES, f"image_id {shown_id(unknown[0])}", len(unknown))
        annotations = [annotation for annotation in annotations if annotation["image_id"] in ids]
    if twice:
        annotations = _without_copies(annotations, twice, notes)
    return CocoFile(images, annotations, categories, stuff, notes)


def _rows(content: dict[str, Any], name: str, key: str, location: str) -> list[dict[str, Any]]:
    """Return the objects of a list in the file, after checking that each has `key`, and ids that can be compared."""
    wrong = f"{location}: not a COCO annotation file:"
    rows = content.get(name)
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SourceError(f"{wrong} `{name}` is not a list of objects with `{key}`")
    if not all(key in row for row in rows):
        without = next(row for row in rows if key not in row)
        raise SourceError(f"{wrong} `{name}` is not a list of objects with `{key}`: one has {_keys(without)}")
    if name == "images" and not all(isinstance(row[key], str) for row in rows):
        raise SourceError(f"{wrong} a `{key}` is not text")
    for id_key in ("id", "image_id", "category_id"):
        types = {type(row.get(id_key)) for row in rows}
        if types & {dict, list}:
            raise SourceError(f"{wrong} `{id_key}` in `{name}` is neither a number nor text")
        if types & {bool, float}:
            for row in rows:
                if not _can_be_id(row.get(id_key)):
                    row[id_key] = None
    return rows


def _segments(annotations: Sequence[CocoAnnotation], location: str) -> list[dict[str, Any]]:
    """Return all segments of panoptic annotations."""
    lists = [annotation.get("segments_info") or [] for annotation in annotations]
    if not all(isinstance(own, list) for own in lists):
        raise SourceError(f"{location}: not a COCO annotation file: a `segments_info` is not a list")
    return _rows({"segments_info": [each for own in lists for each in own]}, "segments_info", "category_id", location)


def _keys(row: dict[str, Any]) -> str:
    return f"only {shown(', '.join(row))}" if row else "nothing"


def _can_be_id(value: Any) -> bool:
    # True equals 1, and NaN does not equal itself.
    return not isinstance(value, bool) and not (isinstance(value, float) and not math.isfinite(value))


def _each_once(images: list[CocoImage], location: str, notes: ListingNotes) -> tuple[list[CocoImage], set[Any]]:
    """Return the images without repeats of the same one, and the ids of those that are repeated.

    Raises:
        SourceError: two different images have the same id.
    """
    ids = [image.get("id") for image in images]
    # Whether 7 and "007" are one id need not be asked where all ids are numbers, or all are text.
    types = {type(value) for value in ids}
    if str in types and types & {int, float}:
        ids = [_meaning(value) for value in ids]
    by_id: dict[Any, CocoImage] = {}
    kept, twice = [], set()
    for own_id, image in zip(ids, images, strict=True):
        earlier = image if own_id is None else by_id.setdefault(own_id, image)
        if earlier is image:
            kept.append(image)
        elif _same_file(earlier["file_name"], image["file_name"]):
            notes.pass_over("images listed twice", shown(image["file_name"]))
            twice.add(earlier["id"])
        else:
            raise SourceError(
                f"{location}: {shown(earlier['file_name'])} and {shown(image['file_name'])} have the same id "
                f"{shown_id(image['id'])}, so that annotations would fall on the wrong one; give each image an id of "
                "its own, or each merged file as a dataset of its own"
            )
    return kept, twice


def _without_copies(annotations: list[CocoAnnotation], twice: set[Any], notes: ListingNotes) -> list[CocoAnnotation]:
    """Return annotations without those that a merged file has once more together with their image."""
    first: dict[Any, CocoAnnotation] = {}
    kept = []
    for annotation in annotations:
        image_id, own_id = annotation["image_id"], annotation.get("id")
        if image_id in twice and own_id is not None:
            earlier = first.setdefault((image_id, own_id), annotation)
            if earlier is not annotation and earlier == annotation:
                notes.pass_over("annotations listed twice", f"id {shown_id(own_id)}")
                continue
        kept.append(annotation)
    return kept


def _same_file(name: str, other: str) -> bool:
    return _as_path(name) == _as_path(other)


def _as_path(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/"))


def _category_names(categories: list[dict[str, Any]], notes: ListingNotes) -> dict[Any, str]:
    names: dict[Any, str] = {}
    twice = ""
    for category in categories:
        own_id, name = category.get("id"), utf8_safe(str(category["name"]))
        if own_id is None:
            continue
        first = names.setdefault(own_id, name)
        if first != name and not twice:
            twice = f"category {shown_id(own_id)} is both {shown(first)} and {shown(name)}, and the first is taken"
    if twice:
        notes.guess(twice)
    return names


def _match_ids(annotations: Sequence[Any], key: str, ids: Collection[Any], notes: ListingNotes) -> None:
    """Give annotations the id that theirs means, where no id is exactly theirs but one reads as the same number."""
    rows = cast("list[dict[str, Any]]", annotations)
    values = {row.get(key) for row in rows}
    values.discard(None)
    unknown = {value for value in values if value not in ids}
    if not unknown and set(map(type, values)) == set(map(type, ids)):
        return
    meanings = Counter(map(_meaning, ids)) if unknown else Counter[Any]()
    by_meaning = {_meaning(value): value for value in ids if meanings[_meaning(value)] == 1}
    meant = {value: by_meaning[_meaning(value)] for value in unknown if _meaning(value) in by_meaning}
    stored = {value: value for value in ids}
    told = False
    for row in rows:
        value = row.get(key)
        row[key] = own = meant.get(value, stored.get(value, value))
        if not told and (type(own), own) != (type(value), value):
            told = True
            notes.guess(
                f"ids that are written differently are taken for the same, such as {key} {shown_id(value)} and id "
                f"{shown_id(own)}"
            )


_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")


def _meaning(value: Any) -> Any:
    """Return the whole number that an id reads as, such as 3 for `"3"`, 3.0 or `"003"`; otherwise the id."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        return int(text.partition(".")[0]) if _WHOLE_NUMBER.fullmatch(text) else text
    return value
