"""Opening a source: the suffix of a location, or what is stored there, decides which kind of source it is."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gapscope.errors import SourceError
from gapscope.sources.annotations.reader import AnnotationReader
from gapscope.sources.containers import containers_in
from gapscope.sources.files import open_container, path_bytes
from gapscope.sources.folder import Folder, utf8_safe
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.hub import HUB, find_hub_tables
from gapscope.sources.patterns import base_folder, expand_files, glob_to_regex, has_magic
from gapscope.sources.remote_folder import RemoteFolder
from gapscope.sources.signatures import HEAD_BYTES, IMAGE, signature_of
from gapscope.sources.source import AS_IMAGES, AS_VECTORS, Source, without_prefix
from gapscope.urls import absolute, is_url, remote

if TYPE_CHECKING:
    from gapscope.sources.vectors.vectors import Vectors

IN_PYTHON = "python:"
"""Begins the location of what a Python program gave, and what is in no file."""

PART_SEPARATOR = "::"
"""Separates a file from the column, folder or array within it."""

_ANNOTATIONS = ("annotations.xml", "data.yaml", "data.yml")
"""Names of files that hold annotations, and nothing else."""

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


@dataclass(frozen=True)
class _ParsedLocation:
    """What follows `NAME=` on the command line, split into its parts.

    Attributes:
        path: absolute path, URL or pattern of the file or files.
        part: the column, folder or array after `::`; None if there is no `::`.
        objects: whether a row is an annotated object instead of an image.
        mask: whether such an object is cut out of its background.
        min_side: shortest side of such an object's box, in pixels.
        as_images: whether `images:` stood before it, which says that an array holds images, not vectors.
        as_vectors: whether `vectors:` stood before it, which says that it holds vectors, not images.
        folder: the local folder that was searched for the files; None if they are named.
        files: the files that were found there.
    """

    path: str
    part: str | None
    objects: bool
    mask: bool = False
    min_side: int = 0
    as_images: bool = False
    as_vectors: bool = False
    folder: str | None = None
    files: tuple[str, ...] = ()

    @property
    def location(self) -> str:
        """The location with absolute paths, as run.json stores it."""
        prefix = AS_IMAGES if self.as_images else AS_VECTORS if self.as_vectors else ""
        return f"{prefix}{self.path}" + ("" if self.part is None else f"{PART_SEPARATOR}{self.part}")


def open_source(name: str, location: str, *, objects: bool = False, mask: bool = False, min_side: int = 0) -> Source:
    """Return the source at `location`.

    Args:
        name: the dataset's name, for error messages.
        location: a folder, a pattern, a list of images, tar or zip archives, annotations, Parquet files or an array
            with images, or arrays or a table with vectors, on this machine or behind a URL. `images:` before it says
            that an array holds images, and `vectors:` that it holds vectors, where it might hold either.
        objects: for annotations, whether a row is an object instead of an image.
        mask: whether such an object is cut out of its background.
        min_side: objects whose box has a shorter side, in pixels, are left out.

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
        return _open(location, objects=objects, mask=mask, min_side=min_side)
    except SourceError as error:
        raise SourceError(f"dataset {name}: {error}") from error


def is_missing(location: str) -> bool:
    """Return whether a location names a file or folder by its absolute path, and this machine has none there.

    Example:
        >>> is_missing("images:/nowhere/a.npz::photos"), is_missing("/"), is_missing("s3://bucket/photos")
        (True, False, False)
    """
    path = without_prefix(location)
    # What follows `::` may be a part of the file, or of its name.
    paths = {path, path.partition(PART_SEPARATOR)[0]}
    return os.path.isabs(path) and not has_magic(path) and not any(os.path.lexists(_as_bytes(each)) for each in paths)


def _open(location: str, *, objects: bool, mask: bool, min_side: int) -> Source:
    if location.startswith(IN_PYTHON):
        raise SourceError("was given by a Python program, which alone can give it again")
    as_images, as_vectors = location.startswith(AS_IMAGES), location.startswith(AS_VECTORS)
    named = without_prefix(location)
    resolved = absolute(named)
    path, separator, part = resolved.partition(PART_SEPARATOR)
    parsed = _ParsedLocation(path, part if separator else None, objects, mask, min_side, as_images, as_vectors)
    if _is_folder(path) and _is_zarr(path):
        return _open_zarr(parsed)
    if as_vectors and not path.rstrip("/").lower().endswith(_VECTOR_SUFFIXES):
        raise SourceError(f"{named}: vectors are read from {', '.join(_VECTOR_SUFFIXES)}")
    if _is_folder(resolved):
        return _open_folder(replace(parsed, path=resolved, part=None))
    if _is_folder(path) and not path.endswith(".zarr"):
        return _open_folder(parsed)
    if path.lower().endswith(_COMPRESSED):
        raise SourceError(f"{named}: images cannot be picked out of a compressed archive; unpack it to a .tar")
    for suffix, open_kind in _OPEN_BY_SUFFIX.items():
        if path.rstrip("/").lower().endswith(suffix):
            return open_kind(parsed)
    if has_magic(path):
        return _open_pattern(parsed)
    if path.startswith(HUB) and (tables := find_hub_tables(path)):
        return _open_parquet(replace(parsed, folder=path, files=tables))
    if is_url(path):
        remote(path)
        return RemoteFolder(path, parsed.location)
    if os.path.exists(_as_bytes(path)):
        raise SourceError(f"{named} {_what_else(path)}")
    raise SourceError(f"there is no folder {named}")


def _what_else(path: str) -> str:
    """Return what a file is whose name ends in nothing that is known, and what to do, to follow its name."""
    if not os.path.isfile(_as_bytes(path)):
        return "is a pipe, socket or device; give a folder or a file"
    with open_container(path) as file:
        signature = signature_of(file.read(HEAD_BYTES))
    if signature is None and has_image_suffix(path):
        signature = IMAGE
    if signature is not None:
        return f"is {signature.what}; {signature.remedy}"
    return f"is a file; give a folder, a pattern, or one of {', '.join(_OPEN_BY_SUFFIX)}"


def _open_folder(parsed: _ParsedLocation) -> Source:
    """Return a folder of images, or what is in the files of many images that a folder without images holds."""
    from gapscope.sources.annotations.folder_forms import open_folder_form

    reader = open_folder_form(parsed.path, parsed.part, parsed.location, objects=parsed.objects)
    if reader is not None:
        return _annotated(parsed, reader)
    held = containers_in(parsed.path)
    if parsed.part is not None and (held is None or held[0] != ".parquet"):
        raise SourceError(f"there is no folder {parsed.location}; {PART_SEPARATOR} names a column of Parquet files")
    if held is None:
        return Folder(parsed.path, parsed.location)
    suffix, files = held
    return _OPEN_BY_SUFFIX[suffix](replace(parsed, folder=parsed.path, files=tuple(files)))


def _is_folder(path: str) -> bool:
    return not is_url(path) and os.path.isdir(_as_bytes(path))


def _is_zarr(path: str) -> bool:
    return any(os.path.exists(_as_bytes(f"{path}/{name}")) for name in ("zarr.json", ".zarray", ".zgroup"))


def _as_bytes(path: str) -> bytes:
    """Return a path as the system takes it, whatever the locale; empty if no file can have this name."""
    try:
        return path_bytes(path)
    except UnicodeEncodeError:
        return b""


def _open_pattern(parsed: _ParsedLocation) -> Source:
    base = base_folder(parsed.path)
    if is_url(parsed.path):
        remote(base)
        return RemoteFolder(base, parsed.location)
    if not _is_folder(base):
        raise SourceError(f"{parsed.path}: there is no folder {base}")
    return Folder(base, parsed.location, glob_to_regex(parsed.path))


# Each kind's module imports libraries that only users of this kind should have to wait for.
def _open_list(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.lists.list_file import open_list

    return open_list(_single_file(parsed), parsed.part, parsed.location)


def _open_tar(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.archives.tar import open_tar

    return open_tar(_archives(parsed), parsed.location, parsed.folder)


def _open_zip(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.archives.zip import find_member, open_zip

    archives = _archives(parsed)
    source = open_zip(archives, parsed.location, parsed.folder)
    # An export as a tool gives it; of any other archive, the images may be the objects.
    if parsed.objects and (found := find_member(archives[0], _ANNOTATIONS)) is not None:
        raise SourceError(
            f"{archives[0]}: {utf8_safe(found)} in it says where objects are, and is not read there; unpack the "
            "archive, and give that file"
        )
    return source


def _annotated(parsed: _ParsedLocation, reader: AnnotationReader) -> Source:
    from gapscope.sources.annotations.source import AnnotatedImages

    return AnnotatedImages(reader, parsed.objects, parsed.mask, parsed.min_side)


def _open_json(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.annotations.json_forms import open_json_form
    from gapscope.sources.coco.dataset import open_coco

    path = _single_file(parsed)
    reader = open_json_form(path, parsed.part, parsed.location)
    return _annotated(parsed, reader or open_coco(path, parsed.part, parsed.location, objects=parsed.objects))


def _open_yaml(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.annotations.yolo import open_yolo

    return _annotated(parsed, open_yolo(_single_file(parsed), parsed.part, parsed.location))


def _open_xml(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.annotations.cvat.dataset import open_cvat

    return _annotated(parsed, open_cvat(_single_file(parsed), parsed.part, parsed.location))


def _open_parquet(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.annotations.hugging_face.dataset import open_hugging_face
    from gapscope.sources.lists.list_file import open_list
    from gapscope.sources.parquet.images import open_parquet_images

    files = _files(parsed)
    if (vectors := _table_vectors(parsed, files)) is not None:
        return vectors
    images = open_parquet_images(files, parsed.part, parsed.location, parsed.folder)
    if images is not None:
        reader = open_hugging_face(images)
        return images if reader is None else _annotated(parsed, reader)
    if len(files) > 1:
        raise SourceError(
            f"{files[0]}: no column holds images, so that the {len(files):,} files of {parsed.path} hold none; if "
            f"it lists paths, give one file, such as {files[0]}"
        )
    return open_list(files[0], parsed.part, parsed.location)


def _table_vectors(parsed: _ParsedLocation, files: tuple[str, ...]) -> Source | None:
    """Return the rows of tables that bring vectors, with their images where the tables hold these or name them."""
    from gapscope.sources.vectors.dataset import VectorDataset, table_rows
    from gapscope.sources.vectors.tables import VectorTable, open_table_vectors, vector_columns

    if parsed.as_images:
        return None
    # Images and lists of their paths are read from Parquet, and not from Arrow files.
    is_parquet = files[0].lower().endswith(".parquet")
    table = VectorTable(files)
    vectors = open_table_vectors(table, parsed.part, as_vectors=parsed.as_vectors, may_list_images=is_parquet)
    if vectors is None:
        return None
    images = _images_beside(files, parsed) if is_parquet else None
    return VectorDataset(images or table_rows(table, list(vector_columns(table.schema())), parsed.location), vectors)


def _images_beside(files: tuple[str, ...], parsed: _ParsedLocation) -> Source | None:
    """Return the images that Parquet files with vectors hold as well; None if they hold none."""
    from gapscope.sources.parquet.images import open_parquet_images

    try:
        return open_parquet_images(files, None, parsed.location, parsed.folder)
    except SourceError:
        # Several columns may hold images, or none, and vectors were asked for.
        return None


def _open_arrow(parsed: _ParsedLocation) -> Source:
    files = _files(parsed)
    vectors = _table_vectors(parsed, files)
    if vectors is None:
        raise SourceError(
            f"{files[0]} is an Arrow file without vectors; export images to Parquet, for example with to_parquet of "
            "Hugging Face datasets"
        )
    return vectors


def _open_array(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.arrays.array import open_array
    from gapscope.sources.vectors.arrays import open_archived_vectors, open_numpy_vectors

    path = _single_file(parsed)
    if not parsed.as_images:
        opened = open_numpy_vectors if path.lower().endswith(".npy") else open_archived_vectors
        vectors = opened(path, parsed.part, as_vectors=parsed.as_vectors)
        if vectors is not None:
            return _numbered(path, vectors, parsed)
    return open_array(path, parsed.part or "", parsed.location, as_images=parsed.as_images)


def _open_zarr(parsed: _ParsedLocation) -> Source:
    from gapscope.sources.arrays.array import open_array
    from gapscope.sources.vectors.arrays import open_zarr_vectors

    path, member = parsed.path.rstrip("/"), (parsed.part or "").strip("/")
    if not parsed.as_images:
        vectors = open_zarr_vectors(path, member or None, as_vectors=parsed.as_vectors)
        if vectors is not None:
            return _numbered(path, vectors, parsed)
    return open_array(path, member, parsed.location, as_images=parsed.as_images)


def _numbered(path: str, vectors: "Mapping[str, Vectors]", parsed: _ParsedLocation) -> Source:
    from gapscope.sources.vectors.dataset import NumberedRows, VectorDataset
    from gapscope.sources.vectors.vectors import check_levels

    guess = "" if parsed.as_vectors else "floats of two dimensions are vectors; write images: before the source if not"
    count = check_levels(vectors, parsed.location)
    return VectorDataset(NumberedRows(path, count, parsed.location, guess), vectors)


def _archives(parsed: _ParsedLocation) -> tuple[str, ...]:
    if parsed.part is not None:
        raise SourceError(
            f"{parsed.location}: an archive is read as a whole; leave out {PART_SEPARATOR}{parsed.part}, or unpack it"
        )
    return _files(parsed)


def _files(parsed: _ParsedLocation) -> tuple[str, ...]:
    files = parsed.files or tuple(expand_files(parsed.path))
    if not files:
        raise SourceError(f"no file matches {parsed.path}")
    if (odd := next((file for file in files if utf8_safe(file) != file), None)) is not None:
        raise SourceError(f"{utf8_safe(odd)}: the file's name is not UTF-8; rename it")
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
    ".zip": _open_zip,
    ".json": _open_json,
    ".xml": _open_xml,
    ".yaml": _open_yaml,
    ".yml": _open_yaml,
    ".npy": _open_array,
    ".npz": _open_array,
    ".zarr": _open_zarr,
    ".arrow": _open_arrow,
    ".feather": _open_arrow,
}

_VECTOR_SUFFIXES = (".npy", ".npz", ".parquet", ".zarr", ".arrow", ".feather")
