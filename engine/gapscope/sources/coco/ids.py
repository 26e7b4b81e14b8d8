"""Ids of a COCO file: numbers or text, which tools write in one way here and in another there."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from gapscope.sources.coco.shown import shown_id
from gapscope.sources.notes import ListingNotes

IdKey = tuple[type, Any]
"""Tells 3 from 3.0, which are equal."""

ID_NAMES = ("id", "image_id", "category_id")
"""Keys of what is an id in any object of a file."""
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")

_Row = TypeVar("_Row", bound=Any)


def id_key(value: Any) -> IdKey:
    """Return a key for an id of a file."""
    return type(value), value


def without_odd_ids(row: _Row) -> _Row:
    """Return a row of a file, with None for ids that cannot be any, as True, which equals 1, and NaN."""
    for name in ID_NAMES:
        value = row.get(name)
        if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
            row[name] = None
    return row


def match_ids(values: Iterable[Any], key: str, ids: Collection[Any], notes: ListingNotes) -> dict[IdKey, Any]:
    """Return what ids mean where no id is exactly theirs, but one reads as the same number.

    Args:
        values: the different ids that are written, by first appearance.
        key: what they are called in the file.
        ids: that there are.
        notes: is told of the first that is written differently.
    """
    written = [value for value in values if value is not None]
    unknown = {value for value in written if value not in ids}
    if not unknown and set(map(type, written)) == set(map(type, ids)):
        return {}
    meanings = Counter(map(meaning, ids)) if unknown else Counter[Any]()
    by_meaning = {meaning(value): value for value in ids if meanings[meaning(value)] == 1}
    meant = {value: by_meaning[meaning(value)] for value in unknown if meaning(value) in by_meaning}
    stored = {value: value for value in ids}
    others: dict[IdKey, Any] = {}
    for value in written:
        own = meant.get(value, stored.get(value, value))
        if id_key(own) != id_key(value):
            if not others:
                notes.guess(
                    f"ids that are written differently are taken for the same, such as {key} {shown_id(value)} and id "
                    f"{shown_id(own)}"
                )
            others[id_key(value)] = own
    return others


def meaning(value: Any) -> Any:
    """Return the whole number that an id reads as, such as 3 for `"3"`, 3.0 or `"003"`; otherwise the id.

    Example:
        >>> meaning("003"), meaning(3.0), meaning("a3")
        (3, 3, 'a3')
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        return int(text.partition(".")[0]) if _WHOLE_NUMBER.fullmatch(text) else text
    return value


def has_plain_ids(row: Mapping[str, Any]) -> bool:
    """Return whether the ids of a row are numbers, text, or missing."""
    return not any(isinstance(row.get(name), dict | list) for name in ID_NAMES)
