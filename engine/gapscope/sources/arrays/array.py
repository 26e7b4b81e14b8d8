"""Images in an array: in a NumPy file, an archive of NumPy files, or a Zarr store."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gapscope.errors import SourceError
from gapscope.sources.arrays.layout import FoundArray
from gapscope.sources.arrays.numpy_rows import NumpyRows, archived_arrays, archived_name, open_archived, open_numpy
from gapscope.sources.arrays.zarr_rows import ZarrRows, stored_arrays
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import MAX_IMAGE_BYTES, check_container_unchanged, modified_ns_if_there
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected

_SHOWN_ARRAYS = 10


@dataclass(frozen=True)
class Array:
    """The images of an array of integers, floats or booleans.

    Attributes:
        path: path or URL of a `.npy` or `.npz` file or of a Zarr store.
        member: the array within the archive or the store; empty for the file or the store itself.
        location: what the user gave, with absolute paths.
        as_images: whether the user said that it holds images, not vectors.
        guess: what was taken for granted; empty if nothing was.
    """

    path: str
    member: str
    location: str
    as_images: bool
    guess: str

    @property
    def objects(self) -> bool:
        """False: a row is a whole image."""
        return False

    @property
    def folder(self) -> None:
        """None: no folder is searched."""
        return

    @property
    def columns(self) -> Mapping[str, Kind]:
        """Empty: an array has no metadata."""
        return {}

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"in array {self.member} of {self.path}" if self.member else f"in {self.path}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield an entry per image of the array."""
        if notes is not None and self.guess:
            notes.guess(self.guess)
        mtime_ns = modified_ns_if_there(self.path)
        rows = _open_rows(self.path, self.member, mtime_ns, self.as_images)
        where = f"{self.path}::{self.member}" if self.member else self.path
        for row in range(rows.layout.rows):
            yield Entry(f"{where}#{row}", rows.row_bytes, mtime_ns, offset=row)

    def read(self, entry: Entry) -> bytes:
        """Return the image as the bytes of a `.npy` file, which the decoder reads."""
        check_container_unchanged(self.path, entry.mtime_ns)
        if entry.bytes > MAX_IMAGE_BYTES:
            raise Rejected("too-large", f"{entry.bytes:,} bytes are more than the {MAX_IMAGE_BYTES:,} of an image")
        file = io.BytesIO()
        rows = _open_rows(self.path, self.member, entry.mtime_ns, self.as_images)
        np.save(file, rows.read(entry.offset), allow_pickle=False)
        return file.getvalue()


def open_array(path: str, member: str, location: str, *, as_images: bool) -> Array:
    """Return the array as a source.

    Args:
        path: path or URL of a `.npy` or `.npz` file or of a Zarr store.
        member: the array, or a group of them, within the archive or the store; empty to find the one that holds images.
        location: what the user gave, with absolute paths.
        as_images: whether the user said that it holds images, not vectors.

    Raises:
        SourceError: it cannot be read, holds no array of images, or several.
    """
    if path.lower().endswith(".npz"):
        member = archived_name(path, member) if member else _find(path, archived_arrays(path, as_images=as_images))
    elif not path.lower().endswith(".npy"):
        # A store may be one array, and a group may have one.
        member = _find(path, stored_arrays(path, member, as_images=as_images))
    elif member:
        raise SourceError(f"{location}: a .npy file holds one array, so that nothing can follow ::")
    rows = _open_rows(path, member, modified_ns_if_there(path), as_images)
    return Array(path, member, location, as_images, rows.layout.guess)


def _find(path: str, arrays: Iterable[FoundArray]) -> str:
    """Return the name of the one array of images among others.

    An array of two dimensions counts as a picture only where no other array holds images.

    Raises:
        SourceError: there is none, or there are several.
    """
    images, pictures, others = list[FoundArray](), list[FoundArray](), list[FoundArray]()
    for found in arrays:
        shape = found.layout.shape if found.layout else ()
        (others if not shape else pictures if len(shape) == 2 else images).append(found)
        if len(images) > _SHOWN_ARRAYS:
            break
    chosen = images or pictures
    if len(chosen) == 1:
        return chosen[0].name
    if chosen:
        raise SourceError(f"{path}: several arrays may hold the images; name one of {_joined(path, chosen)}")
    if len(others) == 1:
        name = others[0].name
        raise SourceError(f"{path}{f'::{name}' if name else ''}: {others[0].error}")
    there = f"; there are {_joined(path, others)}" if others else ""
    raise SourceError(f"{path}: holds no array of images{there}")


def _joined(path: str, arrays: Sequence[FoundArray]) -> str:
    shown = [f"{path.rpartition('/')[2]}::{found.name} {found.described}" for found in arrays[:_SHOWN_ARRAYS]]
    return ", ".join([*shown, "..."] if len(arrays) > _SHOWN_ARRAYS else shown)


@lru_cache(maxsize=8)
def _open_rows(path: str, member: str, mtime_ns: int, as_images: bool) -> NumpyRows | ZarrRows:
    # The time is part of the key: a file that has changed is another.
    del mtime_ns
    if path.lower().endswith(".npy"):
        return open_numpy(path, as_images=as_images)
    if path.lower().endswith(".npz"):
        return open_archived(path, member, as_images=as_images)
    return ZarrRows(path, member, as_images=as_images)
