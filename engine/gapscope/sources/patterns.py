"""Patterns that name many files: `photos/**/*.jpg` and `shards-{000..099}.tar`."""

import os
import re
from collections.abc import Iterator
from itertools import product

from gapscope.sources.files import path_bytes, path_text
from gapscope.urls import is_url, remote

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_BRACES = re.compile(r"\{([^{}]*)\}")
_MAGIC = re.compile(r"[*?\[]")


def has_magic(location: str) -> bool:
    """Tell whether a name contains `*`, `?` or `[`.

    Example:
        >>> has_magic("photos/*.jpg"), has_magic("photos")
        (True, False)
    """
    return _MAGIC.search(location) is not None


def expand_braces(location: str) -> list[str]:
    """Return all names that `{000..099}` and `{a,b}` expand to, in order; leading zeros are kept.

    Example:
        >>> expand_braces("{a,b}-{08..10}.tar")
        ['a-08.tar', 'a-09.tar', 'a-10.tar', 'b-08.tar', 'b-09.tar', 'b-10.tar']
    """
    pieces: list[list[str]] = []
    end = 0
    for match in _BRACES.finditer(location):
        pieces += [[location[end : match.start()]], list(_choices(match[1]))]
        end = match.end()
    pieces.append([location[end:]])
    return ["".join(choice) for choice in product(*pieces)]


def _choices(inside: str) -> Iterator[str]:
    if match := _RANGE.fullmatch(inside):
        low, high = match[1], match[2]
        width = max(len(low), len(high)) if low.startswith("0") or high.startswith("0") else 0
        yield from (f"{number:0{width}d}" for number in range(int(low), int(high) + 1))
    elif "," in inside:
        yield from inside.split(",")
    else:
        yield f"{{{inside}}}"


def base_folder(pattern: str) -> str:
    """Return the folder or URL above the first part of a pattern that contains `*`, `?` or `[`.

    Example:
        >>> base_folder("/data/photos/*/2024-??.jpg")
        '/data/photos'
    """
    parts = pattern.split("/")
    first = next(index for index, part in enumerate(parts) if has_magic(part))
    return "/".join(parts[:first]) or "/"


def glob_to_regex(pattern: str) -> str:
    """Return a pattern as a regular expression: `**` matches across folders, `*` and `?` do not.

    Example:
        >>> import re
        >>> regex = re.compile(glob_to_regex("/photos/*.jpg"))
        >>> bool(regex.match("/photos/a.jpg")), bool(regex.match("/photos/deep/a.jpg"))
        (True, False)
    """
    from fsspec.utils import glob_translate

    regex: str = glob_translate(pattern)
    return regex


def expand_files(location: str) -> list[str]:
    """Return the files that a name stands for: braces are expanded, then patterns are matched and sorted.

    Files that match a pattern exist; a name without a pattern is returned whether or not there is such a file.
    """
    return [file for name in expand_braces(location) for file in (_glob(name) if has_magic(name) else [name])]


def _glob(pattern: str) -> list[str]:
    from glob import glob

    if not is_url(pattern):
        try:
            local = path_bytes(pattern)
        # A lone surrogate, which no file's name can have.
        except UnicodeEncodeError:
            return []
        return [pattern] if os.path.exists(local) else sorted(map(path_text, glob(local, recursive=True)))
    fs, path = remote(pattern)
    return sorted(str(fs.unstrip_protocol(name)) for name in fs.glob(path))
