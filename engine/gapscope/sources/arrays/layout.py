"""How the axes of an array are images: which count the images, which are height and width, and which are channels."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_DTYPE_KINDS = "biuf"
_CHANNELS = (1, 3, 4)
_MANY_PIXELS = 16
"""Fewer than this are channels or planes rather than pixels or images, where both may be meant."""

_ROW_AXES = ("t", "z", "p", "pos", "position")


class NoImagesError(ValueError):
    """The array is none of images; the message is a sentence on it."""


class Layout(NamedTuple):
    """How an array is images.

    Attributes:
        shape: the array's.
        row_axes: the axes along which the images follow each other, the slowest first; none for a single image.
        channel_axis: the axis of the colors; None for gray.
        guess: what was taken for granted; empty if nothing was.
    """

    shape: tuple[int, ...]
    row_axes: tuple[int, ...]
    channel_axis: int | None
    guess: str = ""

    @property
    def rows(self) -> int:
        """How many images there are."""
        # Python's integers: the product of the sizes that a header claims may not fit NumPy's.
        return math.prod(self.shape[axis] for axis in self.row_axes)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one image as it is stored."""
        return tuple(size for axis, size in enumerate(self.shape) if axis not in self.row_axes)

    def arrange(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return an image of `row_shape` with its channels last."""
        if self.channel_axis is None:
            return image
        channels_at = self.channel_axis - sum(axis < self.channel_axis for axis in self.row_axes)
        return np.ascontiguousarray(np.moveaxis(image, channels_at, -1))


class FoundArray(NamedTuple):
    """An array of an archive or a store.

    Attributes:
        name: its name there; empty if it is the store itself.
        described: its shape and type in words.
        layout: how it is images; None if it is not.
        error: why it is not; empty if it is.
    """

    name: str
    described: str
    layout: Layout | None
    error: str = ""


def describe_array(shape: Sequence[int], dtype: np.dtype[Any]) -> str:
    """Return the shape and the type of an array in words.

    Example:
        >>> describe_array((5, 6, 8), np.dtype("uint8"))
        '(5, 6, 8) uint8'
    """
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''}) {dtype}"


def find_layout(
    name: str, shape: Sequence[int], dtype: np.dtype[Any], axes: Sequence[str] | None, *, as_images: bool
) -> FoundArray:
    """Return what an array of an archive or a store is.

    Args:
        name: its name there.
        shape: the array's.
        dtype: the array's.
        axes: their names; None if they have none.
        as_images: whether the user said that it holds images, not vectors.
    """
    described = describe_array(shape, dtype)
    try:
        if axes is not None:
            return FoundArray(name, described, layout_of_axes(shape, dtype, axes))
        return FoundArray(name, described, layout_of(shape, dtype, as_images=as_images))
    except NoImagesError as error:
        return FoundArray(name, described, None, str(error))


def layout_of(shape: Sequence[int], dtype: np.dtype[Any], *, as_images: bool) -> Layout:
    """Return how an array whose axes have no names is images.

    Args:
        shape: the array's.
        dtype: the array's.
        as_images: whether the user said that it holds images, not vectors.

    Raises:
        NoImagesError: it is none of images, or it cannot be told.

    Example:
        >>> layout_of((100, 3, 48, 64), np.dtype("uint8"), as_images=False).channel_axis
        1
    """
    shape, described = tuple(map(int, shape)), describe_array(shape, dtype)
    _check_dtype(dtype, described)
    if len(shape) == 2:
        if dtype.kind == "f" and not as_images:
            raise NoImagesError(
                f"is {described}: floats of two dimensions are vectors; write images: before the source to read it as "
                "one picture"
            )
        guess = _one_picture(described, shape)
        if dtype.kind != "f":
            guess += "; write vectors: before the source if it holds vectors"
        return _checked(Layout(shape, (), None, guess), described)
    if len(shape) == 3:
        if shape[2] in _CHANNELS:
            return _checked(Layout(shape, (), 2, _one_picture(described, shape[:2])), described)
        if shape[0] == 3:
            guess = f"{_one_picture(described, shape[1:])}, its channels first"
            return _checked(Layout(shape, (), 0, guess), described)
        if shape[2] < _MANY_PIXELS and shape[1] > 2 * shape[2]:
            raise _too_many_channels(described, shape[2], "(N, H, W, 1) if these are narrow gray images")
        planes = f"each of the {shape[0]} planes of the array {described} is a gray picture"
        return _checked(Layout(shape, (0,), None, planes if 1 < shape[0] < _MANY_PIXELS else ""), described)
    if len(shape) == 4:
        if shape[3] in _CHANNELS:
            return _checked(Layout(shape, (0,), 3), described)
        if shape[1] in _CHANNELS:
            guess = f"the channels of the array {described} come before height and width"
            return _checked(Layout(shape, (0,), 1, guess), described)
        raise _too_many_channels(described, min(shape[1], shape[3]), "(N, H, W, 3)")
    raise NoImagesError(
        f"is {described}: an array of images has the shape (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 "
        "channels; one picture has (H, W) or (H, W, C)"
    )


def layout_of_axes(shape: Sequence[int], dtype: np.dtype[Any], names: Sequence[str]) -> Layout:
    """Return how an array whose axes have names is images: `y` and `x` are height and width, `c` are channels.

    Args:
        shape: the array's.
        dtype: the array's.
        names: of the axes; an image is taken per step of the others, such as `t` and `z`.

    Raises:
        NoImagesError: it is none of images.

    Example:
        >>> layout_of_axes((7, 3, 5, 48, 64), np.dtype("uint8"), "tczyx").row_axes
        (0, 2)
    """
    shape, described, names = tuple(map(int, shape)), describe_array(shape, dtype), [name.lower() for name in names]
    _check_dtype(dtype, described)
    axes = f"is {described} with the axes {', '.join(names)}"
    if len(names) != len(shape) or len(set(names)) < len(names) or names[-2:] != ["y", "x"]:
        raise NoImagesError(f"{axes}: y and x must come last, and each axis needs a name of its own")
    if unknown := [name for name in names[:-2] if name != "c" and name not in _ROW_AXES]:
        raise NoImagesError(f"{axes}: gapscope does not know {', '.join(unknown)}, only t, z, position, c, y and x")
    channel_axis = names.index("c") if "c" in names else None
    if channel_axis is not None and shape[channel_axis] not in _CHANNELS:
        raise NoImagesError(
            f"{axes}: it has {shape[channel_axis]} channels and images have 1, 3 or 4; save those that matter"
        )
    row_axes = tuple(axis for axis, name in enumerate(names) if name in _ROW_AXES)
    per = f", with an image per step of {' and '.join(names[axis] for axis in row_axes)}" if row_axes else ""
    return _checked(Layout(shape, row_axes, channel_axis, f"the axes are {', '.join(names)}{per}"), described)


def _one_picture(described: str, size: Sequence[int]) -> str:
    return f"the array {described} is one picture of {size[0]} x {size[1]} pixels"


def _check_dtype(dtype: np.dtype[Any], described: str) -> None:
    if dtype.hasobject:
        raise NoImagesError(
            f"is {described}: it holds pickled Python objects, which may run code and are not read; save plain numbers"
        )
    if dtype.kind not in _DTYPE_KINDS or dtype.itemsize > 8:
        raise NoImagesError(f"is {described}: an array of images holds integers, floats or booleans")


def _checked(layout: Layout, described: str) -> Layout:
    if min(layout.shape) < 0 or min(layout.row_shape) < 1:
        raise NoImagesError(f"is {described}: its images have no pixels")
    return layout


def _too_many_channels(described: str, channels: int, instead: str) -> NoImagesError:
    return NoImagesError(
        f"is {described}: images have 1, 3 or 4 channels, and these seem to have {channels}; which of them to keep is "
        f"yours to choose: save the array as {instead}"
    )
