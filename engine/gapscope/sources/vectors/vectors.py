"""The vectors of one level, wherever they are: how they are read, and what they must be like."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import SourceError, one_line
from gapscope.sources.tensors import to_numpy

UNNAMED = "vectors"
"""The level of vectors that have no name of their own."""

_MAX_CHANNELS = 65536
_MAX_NAME = 32
_RESERVED = ("all", "done", "duplicates", "kinds")
_HASHED_ROWS = 65536


class Vectors(Protocol):
    """One vector per image of a dataset, at one level."""

    @property
    def where(self) -> str:
        """Where they are, for messages."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of images, and numbers per vector."""

    @property
    def dtype(self) -> "np.dtype[Any]":
        """The type in which they are kept: float16 or float32."""

    @property
    def signature(self) -> str:
        """A text that differs where the numbers do."""

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the vectors of images `start` to `stop` (exclusive): (n, channels) of `dtype`, NaN for none.

        Raises:
            SourceError: they cannot be read.
        """


def kept_dtype(dtype: "np.dtype[Any]", where: str, *, integers: bool) -> "np.dtype[Any]":
    """Return the type in which vectors of a type are kept: float16 and float32 as they are, others as float32.

    Args:
        dtype: the vectors'.
        where: they are, for the message.
        integers: whether the user said that integers are vectors.

    Raises:
        SourceError: they are no numbers, or integers without the user's word.

    Example:
        >>> kept_dtype(np.dtype("float64"), "clip.npy", integers=False)
        dtype('float32')
    """
    if dtype == np.float16:
        return np.dtype(np.float16)
    if dtype.kind == "f" or (dtype.kind in "iu" and integers):
        return np.dtype(np.float32)
    if dtype.kind in "iu":
        raise SourceError(
            f"{where}: holds integers ({dtype}), and vectors are floats; if these are vectors, convert them, or write "
            "vectors: before the source"
        )
    raise SourceError(f"{where}: holds {dtype}, and vectors are floats")


def check_shape(shape: Sequence[int], where: str) -> tuple[int, int]:
    """Return the shape of an array of vectors: images, numbers per vector.

    Raises:
        SourceError: it is no shape of vectors.

    Example:
        >>> check_shape((600, 768), "clip.npy")
        (600, 768)
    """
    if len(shape) != 2 or not 1 <= shape[1] <= _MAX_CHANNELS or not shape[0]:
        described = " x ".join(map(str, shape)) or "a single number"
        raise SourceError(
            f"{where}: vectors have the shape (images, numbers per vector), with 1 to {_MAX_CHANNELS:,} numbers each, "
            f"and this is {described}"
        )
    return int(shape[0]), int(shape[1])


def level_name(name: str) -> str:
    """Return the name of a level for vectors that are called `name`: others than letters, digits, - and _ become _.

    Raises:
        SourceError: no level can have this name.

    Example:
        >>> level_name("clip.image/large")
        'clip_image_large'
    """
    level = re.sub(r"[^A-Za-z0-9_-]", "_", name).lstrip("_-")[:_MAX_NAME]
    if not level or level in _RESERVED:
        raise SourceError(f"level name {name!r}: give the vectors another name than {', '.join(_RESERVED)}")
    return level


def add_level(vectors: dict[str, Vectors], name: str, own: Vectors, where: str) -> None:
    """Add the vectors that are called `name` to a dataset's, as the level of this name.

    Raises:
        SourceError: no level can have this name, or another has it.
    """
    level = level_name(name)
    if level in vectors:
        raise SourceError(f"{where}: two names would both be level {level}; choose one of the two, or rename it")
    vectors[level] = own


class MemoryVectors:
    """Vectors in an array of this process: of NumPy, torch, CuPy, Zarr or whatever else can be sliced.

    Args:
        name: of dataset and level, for messages.
        array: (images, channels) of floats.

    Raises:
        SourceError: it is no array of floats in two dimensions.
    """

    def __init__(self, name: str, array: Any) -> None:
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            try:
                array = np.asarray(array)
            except (ValueError, TypeError) as error:
                raise SourceError(f"{name}: is no array of vectors ({one_line(error)})") from error
        self.where, self._array = name, array
        self.shape = check_shape(tuple(array.shape), name)
        self.dtype = kept_dtype(to_numpy(array[:1]).dtype, name, integers=False)

    @property
    def signature(self) -> str:
        """A digest of the numbers."""
        digest = hashlib.blake2b(f"{self.shape} {self.dtype}".encode(), digest_size=16)
        for start in range(0, self.shape[0], _HASHED_ROWS):
            digest.update(np.ascontiguousarray(self.read(start, start + _HASHED_ROWS)).data)
        return digest.hexdigest()

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the vectors of images `start` to `stop` (exclusive)."""
        return as_kept(to_numpy(self._array[start:stop]), self.dtype)


def as_kept(values: NDArray[Any], dtype: "np.dtype[Any]") -> NDArray[Any]:
    """Return vectors in the type in which they are kept; what does not fit it becomes infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(dtype, copy=False)


def check_levels(vectors: Mapping[str, Vectors], where: str) -> int:
    """Return how many images have vectors, the same at all levels.

    Raises:
        SourceError: there are no vectors, or levels have different numbers of them.
    """
    if not vectors:
        raise SourceError(f"{where}: holds no vectors")
    counts = {level: own.shape[0] for level, own in vectors.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{level} {count:,}" for level, count in counts.items())
        raise SourceError(f"{where}: has different numbers of vectors at its levels: {listed}")
    return next(iter(counts.values()))
