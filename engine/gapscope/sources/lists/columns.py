"""Which column of a list holds the images' paths: by its name, and by what its values look like."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count
from typing import Any

from gapscope.errors import SourceError
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.lists.text import readable
from gapscope.urls import is_url

_PATH_COLUMNS = (
    *("path", "uri", "url", "file", "filename", "filepath", "image", "img"),
    *("imagepath", "imgpath", "imagefile", "imgfile", "imagefilename", "imgfilename", "imagefilepath", "imgfilepath"),
    *("imagename", "imgname", "imageuri", "imguri", "imageurl", "imgurl"),
    *("abspath", "absolutepath", "fullpath", "relpath", "relativepath", "localpath", "fname", "fpath"),
)
"""Names by which a column of paths is recognized, without spaces, dashes and underscores, in lower case."""

MAX_COLUMNS = 4096
"""Most columns of a list. Every row has a value of each, and thousands of rows are held in memory at a time."""

_SHARE_OF_PATHS = 0.8
"""So large a share of a column's values must look like paths if its name does not say that it holds them."""

_SHOWN = 20
_TRIED = 4
_ABSOLUTE = re.compile(r"~?/|\.{1,2}[/\\]|[A-Za-z]:[/\\]|\\\\")


def looks_like_image(value: Any) -> bool:
    """Tell whether a value looks like the path or URL of an image file.

    Example:
        >>> [looks_like_image(value) for value in ("a.jpg", "https://host/x.png?w=1", "/data/17", "rain", 17)]
        [True, True, False, False, False]
    """
    if not isinstance(value, str):
        return False
    value = value.strip(" \t\r\n\"'")
    return has_image_suffix(re.split("[?#]", value, maxsplit=1)[0] if is_url(value) else value)


def looks_like_path(value: Any) -> bool:
    """Tell whether a value looks like the path or URL of an image file, or like an absolute path or URL of anything.

    Example:
        >>> [looks_like_path(value) for value in ("a.jpg", "https://host/x", "/data/17", "rain", 17)]
        [True, True, True, False, False]
    """
    if not isinstance(value, str):
        return False
    return looks_like_image(value) or is_url(value) or _ABSOLUTE.match(value.strip(" \t\"'")) is not None


def known_by_name(columns: Collection[str]) -> list[str]:
    """Return the columns whose names say that they hold paths, the likeliest first.

    Example:
        >>> known_by_name(["city", "Image Path", "url"])
        ['url', 'Image Path']
    """
    by_name: dict[str, list[str]] = {}
    for column in columns:
        by_name.setdefault(_plain(column), []).append(column)
    return [column for name in _PATH_COLUMNS for column in by_name.get(name, ())]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def name_columns(header: Sequence[str], empty: Collection[int] = ()) -> tuple[tuple[str, ...], list[str]]:
    """Return distinct names for the columns of a table, and what a user should be told about them.

    Args:
        header: the names as they stand in the table.
        empty: the numbers, from 0, of columns that hold nothing; they get an empty name if they have none.

    Example:
        >>> name_columns(["path", " city", "path", ""])
        (('path', 'city', 'path_2', 'column_4'), ['column path occurs again, and is called path_2 there'])
    """
    stripped = [name.strip(" \t\r\n\ufeff") for name in header]
    taken = set(stripped)
    seen: set[str] = set()
    numbers: dict[str, count[int]] = {}
    names: list[str] = []
    guesses: list[str] = []

    def another(name: str) -> str:
        number = numbers.setdefault(name, count(2))
        other = next(candidate for n in number if (candidate := f"{name}_{n}") not in taken)
        taken.add(other)
        return other

    for index, name in enumerate(stripped):
        if not name:
            call = f"column_{index + 1}"
            names.append("" if index in empty else call if call not in taken else another(call))
        elif name in seen:
            names.append(another(name))
            if len(guesses) < _SHOWN:
                guesses.append(f"column {name} occurs again, and is called {names[-1]} there")
        else:
            seen.add(name)
            names.append(name)
    return tuple(names), guesses


def choose_column(
    values: Mapping[str, Sequence[Any]],
    given: str | None,
    location: str,
    name: str,
    is_file: Callable[[str], bool] = lambda _: False,
    nested: Sequence[str] = (),
) -> tuple[str, list[str]]:
    """Return the column that holds the images' paths, and what a user should be told about the choice.

    Args:
        values: the first values of every column.
        given: the column that the user named; None for none.
        location: what the user gave, for error messages.
        name: the name of the list, likewise.
        is_file: tells whether a name is that of a file.
        nested: columns of lists or objects, in which the paths may be as well.

    Raises:
        SourceError: there is no such column, or several may be it.

    Example:
        >>> choose_column({"id": ["1"], "photo": ["a.jpg"]}, None, "list.csv", "list.csv")
        ('photo', ['photo is the only column that seems to hold paths of images'])
    """
    if not values and not nested:
        raise SourceError(f"{location}: the list is empty")
    if given is not None:
        same = [column for column in values if column == given] or [
            column for column in values if _plain(column) == _plain(given)
        ]
        if len(same) != 1:
            raise _unnamed(values, nested, location, name)
        return same[0], []

    def names_files(column: str) -> bool:
        return any(is_file(str(value)) for value in _filled(values[column])[:_TRIED])

    named = known_by_name(values)
    images = [column for column in values if _share(looks_like_image, values[column]) >= _SHARE_OF_PATHS]
    paths = [column for column in values if _share(looks_like_path, values[column]) >= _SHARE_OF_PATHS]
    for looks in (looks_like_image, looks_like_path):
        if fit := [column for column in named if _share(looks, values[column]) > 0]:
            chosen = next(filter(names_files, fit), fit[0]) if len(fit) > 1 else fit[0]
            return chosen, [
                f"column {other} holds paths as well, and {chosen} is taken" for other in fit if other != chosen
            ]
    if fit := list(filter(names_files, named)):
        return fit[0], []
    # A column that is named for paths and holds none gives way to one that does.
    likely = images or paths
    if len(likely) > 1:
        shown = ", ".join(f"{column} ({_example(values[column])})" for column in likely[:_SHOWN])
        raise SourceError(
            f"{location}: the values of {len(likely)} columns look like paths of images: {shown}; name one, "
            f"such as {name}::{likely[0]}"
        )
    only = f"{likely[0]} is the only column that seems to hold paths of images" if likely else ""
    if likely and not named:
        return likely[0], [only] if len(values) > 1 else []
    if likely and _filled(values[named[0]]):
        return likely[0], [f"{only}, and {named[0]} does not ({_example(values[named[0]])})"]
    if named:
        return named[0], []
    if len(values) == 1 and not nested:
        return next(iter(values)), []
    raise _unnamed(values, nested, location, name)


def _unnamed(values: Mapping[str, Any], nested: Sequence[str], location: str, name: str) -> SourceError:
    columns = [*values, *(f"{column} (lists or objects, which are not read)" for column in nested[:_SHOWN])]
    more = f" and {len(columns) - _SHOWN:,} more" if len(columns) > _SHOWN else ""
    return SourceError(
        f"{location}: name the column that holds the images' paths, such as {name}::COLUMN; "
        f"there are {', '.join(columns[:_SHOWN]) or 'none'}{more}"
    )


def _filled(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if value not in (None, "")]


def _share(looks: Callable[[Any], bool], values: Sequence[Any]) -> float:
    filled = _filled(values)
    return sum(map(looks, filled)) / len(filled) if filled else 0.0


def _example(values: Sequence[Any]) -> str:
    text = " ".join(readable(str(next(iter(_filled(values)), ""))).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
