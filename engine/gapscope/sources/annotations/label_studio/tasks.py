"""The tasks of a Label Studio export: which images they show, and which regions somebody drew in each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gapscope.sources.formats import has_image_suffix
from gapscope.sources.notes import ListingNotes
from gapscope.urls import is_url

Region = Mapping[str, Any]
"""What Label Studio calls a result: one shape with its labels, or one answer; its values may be anything."""

_OWN_KEYS = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"})
"""Keys of a task in JSON-MIN that are neither data nor results."""

_IMAGE_KEYS = ("image", "img", "picture", "photo")
"""Keys of a task's data that hold an image, whatever it looks like."""


@dataclass
class TaskImage:
    """One image of a task.

    Attributes:
        task: what the export calls the task.
        name: what the task calls the image: a path or URL.
        regions: in it.
    """

    task: str
    name: str
    regions: list[Region] = field(default_factory=list)


def is_label_studio(content: Any) -> bool:
    """Tell whether a JSON file is an export of Label Studio's tasks, in full or as JSON-MIN.

    Example:
        >>> is_label_studio([{"id": 1, "data": {"image": "a.jpg"}, "annotations": []}]), is_label_studio([{"id": 1}])
        (True, False)
    """
    first = next(iter(content), None) if isinstance(content, list) else None
    if not isinstance(first, dict):
        return False
    if isinstance(first.get("data"), dict):
        return not first.keys().isdisjoint({"annotations", "completions", "predictions"})
    return {"annotation_id", "annotator"} <= first.keys()


def task_images(content: Sequence[Any], notes: ListingNotes) -> Iterator[TaskImage]:
    """Yield the images of an export's tasks, in their order, with the regions of the annotation that counts.

    That is the last of a task's annotations that nobody cancelled. Where no task has one, it is the last prediction.

    Args:
        content: the export as JSON.
        notes: takes which annotations do not count.
    """
    tasks = [task for task in content if isinstance(task, dict)]
    if len(tasks) < len(content):
        notes.pass_over("tasks that are no objects", count=len(content) - len(tasks))
    read = list(_full(tasks, notes) if any("data" in task for task in tasks) else _minimal(tasks, notes))
    keys = {key for _, data, regions in read for region in regions for key in _named(region, data)}
    for task, data, regions in read:
        yield from _images(task, data, regions, keys, notes)


def _full(tasks: list[dict[str, Any]], notes: ListingNotes) -> Iterator[tuple[str, dict[str, Any], list[Region]]]:
    annotated = [_kept(task, notes) for task in tasks]
    predicted = not any(annotated) and any(_dicts(task.get("predictions")) for task in tasks)
    if predicted:
        notes.guess("no task has annotations, and predictions are taken in their place")
    several = 0
    for task, annotations in zip(tasks, annotated, strict=True):
        predictions = _dicts(task.get("predictions"))
        own = predictions if predicted else annotations
        if predictions and not predicted:
            notes.pass_over("predictions", f"task {task.get('id')}", len(predictions))
        several += len(own) > 1
        regions = _dicts(_last(own).get("result")) if own else []
        data = task.get("data")
        yield str(task.get("id")), data if isinstance(data, dict) else {}, list(regions)
    _tell_several(several, notes)


def _minimal(tasks: list[dict[str, Any]], notes: ListingNotes) -> Iterator[tuple[str, dict[str, Any], list[Region]]]:
    """Yield the tasks of JSON-MIN, which has a row per annotation, with all data and results side by side."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for place, task in enumerate(tasks):
        by_task.setdefault(str(task.get("id", f"row {place}")), []).append(task)
    for own_id, rows in by_task.items():
        row = _last(rows)
        lists = {key: _dicts(value) for key, value in row.items() if key not in _OWN_KEYS}
        # A shape's values are those of the region, and the size of its image is among them.
        regions: list[Region] = [
            {**value, "value": value, "from_name": key} for key, own in lists.items() for value in own
        ]
        yield own_id, {key: value for key, value in row.items() if key not in _OWN_KEYS and not lists[key]}, regions
    _tell_several(sum(len(rows) > 1 for rows in by_task.values()), notes)


def _kept(task: dict[str, Any], notes: ListingNotes) -> list[dict[str, Any]]:
    own = _dicts(task.get("annotations", task.get("completions")))
    kept = [each for each in own if not each.get("was_cancelled") and not each.get("skipped")]
    if len(kept) < len(own):
        notes.pass_over("cancelled annotations", f"task {task.get('id')}", len(own) - len(kept))
    return kept


def _last(annotations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    # Label Studio writes times in one format, which sorts as text.
    return max(enumerate(annotations), key=lambda item: (str(item[1].get("created_at") or ""), item[0]))[1]


def _tell_several(several: int, notes: ListingNotes) -> None:
    if several:
        notes.guess(f"of a task's several annotations the last is taken ({several:,} in all)")


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _named(region: Region, data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the key of a task's data that a region says it is in, where it says so."""
    source = region.get("source")
    for key in (source[1:] if isinstance(source, str) and source[:1] == "$" else None, region.get("to_name")):
        if isinstance(key, str) and isinstance(data.get(key), str | list):
            yield key
            return


def _images(
    task: str, data: Mapping[str, Any], regions: list[Region], keys: set[str], notes: ListingNotes
) -> Iterator[TaskImage]:
    """Yield the images of a task; `keys` are those of the data that regions of any task name."""
    shown = [key for key, value in data.items() if any(map(_is_image, _texts(value)))]
    default = next((key for key in (*_IMAGE_KEYS, *shown) if _texts(data.get(key))), None)
    taken = [key for key in data if key in keys and _texts(data[key])] or ([default] if default is not None else [])
    if not taken:
        notes.pass_over("tasks without an image", f"task {task}")
        return
    if len(shown) > 1 and not keys:
        notes.guess(f"of several images of a task, {taken[0]} is taken")
    images = {(key, place): TaskImage(task, name) for key in taken for place, name in enumerate(_texts(data[key]))}
    tags = {str(region.get("to_name")) for region in regions if not any(_named(region, data))}
    for region in regions:
        key = next(_named(region, data), taken[0] if len(tags) == 1 or len(shown) < 2 else "")
        image = images.get((key, region.get("item_index") or 0))
        if image is None:
            notes.pass_over("annotations of unknown images", f"task {task}")
        else:
            image.regions.append(region)
    yield from images.values()


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text.strip()]


def _is_image(text: str) -> bool:
    """Tell whether a value of a task's data looks like the path or URL of an image."""
    if text.startswith(("/data/", "data:image/")) or "?d=" in text:
        return True
    try:
        path = urlsplit(text).path if is_url(text) else text
    except ValueError:
        return False
    return has_image_suffix(path)
