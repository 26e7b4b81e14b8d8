"""Opening a source: the suffix of a location, or what is stored there, decides which kind of source it is."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from gapscope.errors import SourceError
from gapscope.sources.folder import Folder
from gapscope.sources.patterns import base_folder, expand_files, glob_to_regex, has_magic
from gapscope.sources.remote_folder import RemoteFolder
from gapscope.sources.source import Source
from gapscope.urls import absolute, is_url, remote

PART_SEPARATOR = "::"
"""Separates a file from the column, folder or array within it."""

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


@dataclass(frozen=True)
class _ParsedLocation:
    """What follows `NAME=` on the command line, split into its parts.

    Attributes:
        path: absolute path, URL or pattern of the file or files.
        part: the column, folder or array after `::`; None if there is no `::`.
        objects: whether a row is an annotated object instead of an image.
    """

    path: str
    part: str | None
    objects: bool

    @property
    def location(self) -> str:
        """The location with absolute paths, as run.json stores it."""
        return self.path if self.part is None else f"{self.path}{PART_SEPARATOR}{self.part}"


def open_source(name: str, location: str, *, objects: bool = False) -> Source:
    """Return the source at `location`.

    Args:
        name: the dataset's name, for error messages.
        location: a folder, a pattern, a list of images, tar archives, a COCO annotation file, Parquet files or an array
            with images, on this machine or behind a URL.
        objects: for COCO annotations, whether a row is an object instead of an image.

    Raises:
        SourceError: there is no such source, or gapscope cannot read it.

    Example:
        >>> source = open_source("real", "photos")
        >>> entries = list(source.entries())
        >>> len(entries)
        60
        >>> source.read(entries[0])[1:4]
        b'PNG'
    """
    try:
        return _open(location, objects=objects)
    except SourceError as error:
        raise SourceError(f"dataset {name}: {error}") from error


def _open(location: str, *, objects: bool) -> Source:
    resolved = absolute(location)
    path, separator, part = resolved.partition(PART_SEPARATOR)
    parsed = _ParsedLocation(path, part if separator else None, objects)
    if not is_url(resolved) and os.path.isdir(path) and _is_zarr(path):
        return _open_zarr(parsed)
    if not is_url(resolved) and os.path.isdir(resolved):
        return Folder(root=resolved)
    if path.endswith(_COMPRESSED):
        raise SourceError(f"{location}: images cannot be picked out of a compressed archive; unpack it to a .tar")
    for suffix, open_kind in _OPEN_BY_SUFFIX.items():
        if path.rstrip("/").endswith(suffix):
            return open_kind(parsed)
    if has_magic(path):
        return _open_pattern(parsed)
    if is_url(path):
        remote(path)
        return RemoteFolder(path, path)
    if os.path.exists(path) and not os.path.isdir(path):
        raise SourceError(f"{location} is a file; give a folder, a pattern, or one of {', '.join(_OPEN_BY_SUFFIX)}")
    raise SourceError(f"there is no folder {location}")


def _is_zarr(path: str) -> bool:
    return any(os.path.exists(os.path.join(path, name)) for name in ("zarr.json", ".zarray", ".zgroup"))


def _open_pattern(parsed: _ParsedLocation) -> Source:
    base = base_folder(parsed.path)
    if is_url(parsed.path):
        remote(base)
        return RemoteFolder(base, parsed.path)
    if not os.path.isdir(base):
        raise SourceError(f"{parsed.path}: there is no folder {base}")
    return Folder(base, parsed.path, glob_to_regex(parsed.path))


# Each kind's module imports libraries that only users of this kind should have to wait for.
def _open_list(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.list_file import open_list

    return open_list(_single_file(parsed), parsed.part, parsed.location)


def _open_tar(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.tar import Tar

    return Tar(tuple(_files(parsed)), parsed.location)


def _open_coco(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.coco import open_coco

    return open_coco(_single_file(parsed), parsed.part, parsed.location, objects=parsed.objects)


def _open_parquet(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.list_file import open_list
    from gapscope.sources.parquet_file import parquet_kinds
    from gapscope.sources.parquet_images import ParquetImages, image_columns

    files = _files(parsed)
    candidates = image_columns(files[0])
    if parsed.part is not None:
        column = parsed.part if parsed.part in candidates else None
    else:
        column = candidates[0] if candidates else None
    if column is None:
        return open_list(_single_file(parsed), parsed.part, parsed.location)
    columns = {name: kind for name, kind in parquet_kinds(files[0]).items() if name != column}
    return ParquetImages(tuple(files), column, columns, parsed.location)


def _open_numpy(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.arrays import open_array

    return open_array(_single_file(parsed), "", parsed.location)


def _open_zarr(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.arrays import open_array

    return open_array(parsed.path.rstrip("/"), parsed.part or "", parsed.location)


def _files(parsed: _ParsedLocation) -> list[str]:
    files = expand_files(parsed.path)
    if not files:
        raise SourceError(f"no file matches {parsed.path}")
    return files


def _single_file(parsed: _ParsedLocation) -> str:
    files = _files(parsed)
    if len(files) > 1:
        raise SourceError(f"{parsed.path}: matches {len(files)} files; give one")
    return files[0]


_OPEN_BY_SUFFIX: dict[str, Callable[[_ParsedLocation], Source]] = {
    ".txt": _open_list,
    ".csv": _open_list,
    ".tsv": _open_list,
    ".jsonl": _open_list,
    ".ndjson": _open_list,
    **{f"{suffix}.gz": _open_list for suffix in (".txt", ".csv", ".tsv", ".jsonl", ".ndjson")},
    ".parquet": _open_parquet,
    ".tar": _open_tar,
    ".json": _open_coco,
    ".npy": _open_numpy,
    ".zarr": _open_zarr,
}
