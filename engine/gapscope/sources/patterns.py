"""Names that stand for many: `photos/**/*.jpg`, `shards-{000..099}.tar`."""

import os
import re
from collections.abc import Iterator
from itertools import product

from gapscope.urls import is_url, remote

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_BRACES = re.compile(r"\{([^{}]*)\}")
_MAGIC = re.compile(r"[*?\[]")


def has_magic(location: str) -> bool:
    """Tell whether a name holds `*`, `?` or `[`."""
    return _MAGIC.search(location) is not None


def expanded(location: str) -> list[str]:
    """Return all names that `{000..099}` and `{a,b}` stand for, in order; leading zeros are kept."""
    pieces: list[list[str]] = []
    last = 0
    for found in _BRACES.finditer(location):
        pieces += [[location[last : found.start()]], list(_choices(found[1]))]
        last = found.end()
    pieces.append([location[last:]])
    return ["".join(choice) for choice in product(*pieces)]


def _choices(inside: str) -> Iterator[str]:
    if found := _RANGE.fullmatch(inside):
        low, high = found[1], found[2]
        width = max(len(low), len(high)) if low.startswith("0") or high.startswith("0") else 0
        yield from (f"{number:0{width}d}" for number in range(int(low), int(high) + 1))
    elif "," in inside:
        yield from inside.split(",")
    else:
        yield f"{{{inside}}}"


def base_of(pattern: str) -> str:
    """Return the folder or URL above the first part of a pattern that holds magic."""
    parts = pattern.split("/")
    first = next(at for at, part in enumerate(parts) if has_magic(part))
    return "/".join(parts[:first]) or "/"


def expression_of(pattern: str) -> str:
    """Return the regular expression of a pattern: `**` crosses folders, `*` and `?` do not."""
    from fsspec.utils import glob_translate

    text: str = glob_translate(pattern)
    return text


def files_of(location: str) -> list[str]:
    """Return the files that a name stands for, sorted where it holds `*`; they need not exist where it does not."""
    return [file for name in expanded(location) for file in (_globbed(name) if has_magic(name) else [name])]


def _globbed(pattern: str) -> list[str]:
    from glob import glob

    if not is_url(pattern):
        return [pattern] if os.path.exists(pattern) else sorted(glob(pattern, recursive=True))
    fs, path = remote(pattern)
    return sorted(str(fs.unstrip_protocol(name)) for name in fs.glob(path))
