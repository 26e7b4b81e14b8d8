"""Which kind of source a location names."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from gapscope.errors import SourceError
from gapscope.sources.folder import Folder
from gapscope.sources.patterns import base_of, expression_of, files_of, has_magic
from gapscope.sources.remote_folder import RemoteFolder
from gapscope.sources.source import Source
from gapscope.urls import absolute, is_url, remote

COLUMN = "::"
"""Stands between a file and the column, folder or array that is meant in it."""

_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


@dataclass(frozen=True)
class _Named:
    """What follows `NAME=`: the file or pattern, what is meant in it, and both as run.json keeps them."""

    path: str
    part: str | None
    objects: bool

    @property
    def location(self) -> str:
        return self.path if self.part is None else f"{self.path}{COLUMN}{self.part}"


def open_source(name: str, location: str, *, objects: bool = False) -> Source:
    """Return the source that `location` names.

    Args:
        name: the dataset's name, for messages.
        location: a folder, a pattern, a list of images, tar archives, a COCO annotation file, Parquet files or an array
            with images, on this machine or behind a URL.
        objects: of COCO annotations, a row per object instead of one per image.

    Raises:
        SourceError: there is nothing there, or nothing that gapscope reads.
    """
    try:
        return _open(location, objects=objects)
    except SourceError as error:
        raise SourceError(f"dataset {name}: {error}") from error


def _open(location: str, *, objects: bool) -> Source:
    whole = absolute(location)
    path, between, part = whole.partition(COLUMN)
    named = _Named(path, part if between else None, objects)
    if not is_url(whole) and os.path.isdir(path) and _is_zarr(path):
        return _zarr(named)
    if not is_url(whole) and os.path.isdir(whole):
        return Folder(root=whole)
    if path.endswith(_PACKED):
        raise SourceError(f"{location}: images cannot be picked out of a compressed archive; unpack it to a .tar")
    for suffix, opened in _BY_SUFFIX.items():
        if path.rstrip("/").endswith(suffix):
            return opened(named)
    if has_magic(path):
        return _pattern(named)
    if is_url(path):
        remote(path)
        return RemoteFolder(path, path)
    if os.path.exists(path) and not os.path.isdir(path):
        raise SourceError(f"{location} is a file; give a folder, a pattern, or one of {', '.join(_BY_SUFFIX)}")
    raise SourceError(f"there is no folder {location}")


def _is_zarr(path: str) -> bool:
    return any(os.path.exists(os.path.join(path, name)) for name in ("zarr.json", ".zarray", ".zgroup"))


def _pattern(named: _Named) -> Source:
    base = base_of(named.path)
    if is_url(named.path):
        remote(base)
        return RemoteFolder(base, named.path)
    if not os.path.isdir(base):
        raise SourceError(f"{named.path}: there is no folder {base}")
    return Folder(base, named.path, expression_of(named.path))


# Each kind's module brings libraries of its own, which only its users should wait for.
def _list(named: _Named) -> Source:
    from gapscope.sources.list_file import open_list

    return open_list(_one(named), named.part, named.location)


def _tar(named: _Named) -> Source:
    from gapscope.sources.tar import Tar

    return Tar(tuple(_some(named)), named.location)


def _coco(named: _Named) -> Source:
    from gapscope.sources.coco import open_coco

    return open_coco(_one(named), named.part, named.location, objects=named.objects)


def _parquet(named: _Named) -> Source:
    from gapscope.sources.list_file import open_list
    from gapscope.sources.parquet_file import parquet_kinds
    from gapscope.sources.parquet_images import ParquetImages, image_columns

    files = _some(named)
    images = image_columns(files[0])
    column = named.part if named.part in images else images[0] if images and named.part is None else None
    if column is None:
        return open_list(_one(named), named.part, named.location)
    columns = {name: kind for name, kind in parquet_kinds(files[0]).items() if name != column}
    return ParquetImages(tuple(files), column, columns, named.location)


def _numpy(named: _Named) -> Source:
    from gapscope.sources.arrays import open_array

    return open_array(_one(named), "", named.location)


def _zarr(named: _Named) -> Source:
    from gapscope.sources.arrays import open_array

    return open_array(named.path.rstrip("/"), named.part or "", named.location)


def _some(named: _Named) -> list[str]:
    files = files_of(named.path)
    if not files:
        raise SourceError(f"no file is like {named.path}")
    return files


def _one(named: _Named) -> str:
    files = _some(named)
    if len(files) > 1:
        raise SourceError(f"{named.path}: stands for {len(files)} files; give one")
    return files[0]


_BY_SUFFIX: dict[str, Callable[[_Named], Source]] = {
    ".txt": _list,
    ".csv": _list,
    ".tsv": _list,
    ".parquet": _parquet,
    ".tar": _tar,
    ".json": _coco,
    ".npy": _numpy,
    ".zarr": _zarr,
}
