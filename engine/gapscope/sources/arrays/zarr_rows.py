"""The images of an array in a Zarr store, read chunk by chunk; also of OME-Zarr, whose axes have names."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gapscope.errors import SourceError, one_line
from gapscope.sources.arrays.layout import FoundArray, Layout, find_layout
from gapscope.sources.arrays.row_windows import RowWindows
from gapscope.sources.files import MAX_IMAGE_BYTES
from gapscope.sources.rejects import Rejected

if TYPE_CHECKING:
    import zarr

_WINDOW_BYTES = 64 * 2**20
_MAX_DEPTH = 8


class ZarrRows:
    """The images of one array. Keeps the last chunks that it read, since the next image is usually in them too.

    Args:
        path: path or URL of the store.
        name: path of the array within the store; empty for the store itself.
        as_images: whether the user said that it holds images, not vectors.

    Raises:
        SourceError: it cannot be read, or is no array of images.
    """

    def __init__(self, path: str, name: str, *, as_images: bool) -> None:
        import zarr

        where = f"{path}::{name}" if name else path
        array = open_zarr_node(path, name)
        if not isinstance(array, zarr.Array):
            raise SourceError(f"{where}: is a group of arrays; name one")
        dtype = np.dtype(array.dtype)
        found = find_layout(name, array.shape, dtype, _ome_axes(path, name), as_images=as_images)
        if found.layout is None:
            raise SourceError(f"{where}: {found.error}")
        self.layout: Layout = found.layout
        try:
            chunks = array.chunks
        except NotImplementedError as error:
            raise SourceError(f"{where}: its chunks are not of one size; save it with regular chunks") from error
        self._array = array
        self.row_bytes = math.prod(self.layout.row_shape) * dtype.itemsize
        chunk_bytes = math.prod(chunks) * dtype.itemsize
        # Whole chunks are read into memory, and a chunk that was never written takes no disk, whatever size it claims.
        if not 0 < chunk_bytes <= MAX_IMAGE_BYTES:
            raise SourceError(f"{where}: a chunk of {chunks} is empty or has more than {MAX_IMAGE_BYTES:,} bytes")
        # A window lies along the fastest of the axes that count the images, within a chunk.
        axes_of_rows = self.layout.row_axes
        run, chunk_rows = (array.shape[axes_of_rows[-1]], chunks[axes_of_rows[-1]]) if axes_of_rows else (1, 1)
        step = max(1, min(chunk_rows, max(_WINDOW_BYTES, chunk_bytes) // self.row_bytes))
        self._windows = RowWindows(run, step, self._rows)

    def read(self, row: int) -> NDArray[Any]:
        """Return one image, with its channels last.

        Raises:
            Rejected: it cannot be read.
        """
        return self.layout.arrange(np.ascontiguousarray(self._windows.read(row)))

    def _rows(self, first: int, stop: int) -> NDArray[Any]:
        axes = self.layout.row_axes
        selection: list[slice | int] = [slice(None)] * len(self.layout.shape)
        places = [int(place) for place in np.unravel_index(first, [self.layout.shape[axis] for axis in axes])]
        for axis, place in zip(axes[:-1], places[:-1], strict=True):
            selection[axis] = place
        if axes:
            selection[axes[-1]] = slice(places[-1], places[-1] + stop - first)
        try:
            rows = np.asarray(self._array[tuple(selection)])
        # Zarr and the file systems below it raise many types of exceptions.
        except Exception as error:
            raise Rejected("unreadable", f"reading failed: {one_line(error)}") from error
        return np.moveaxis(rows, axes[-1] - len(axes) + 1, 0) if axes else rows[np.newaxis]


def stored_arrays(path: str, name: str, *, as_images: bool) -> Iterator[FoundArray]:
    """Yield the arrays of a store, or of one of its groups; of an OME-Zarr image, the full resolution alone.

    Args:
        path: path or URL of the store.
        name: path of the group or array within the store; empty for the store itself.
        as_images: whether the user said that it holds images, not vectors.

    Raises:
        SourceError: the store cannot be read.
    """
    for found, array, axes in zarr_arrays(open_zarr_node(path, name), name):
        named = _ome_axes(path, name) if found == name and axes is None else axes
        yield find_layout(found, array.shape, np.dtype(array.dtype), named, as_images=as_images)


def zarr_arrays(
    node: "zarr.Array[Any] | zarr.Group", name: str
) -> "Iterator[tuple[str, zarr.Array[Any], list[str] | None]]":
    """Yield the names of arrays in a node of a store, the arrays, and the names of their axes if they are OME-Zarr's.

    Args:
        node: an array or a group.
        name: path of the node within the store.

    Raises:
        SourceError: the store cannot be read.
    """
    try:
        yield from _arrays_below(node, name, None, _MAX_DEPTH)
    # As when a store is opened.
    except Exception as error:
        raise SourceError(f"{node.store_path}: cannot be read as Zarr ({one_line(error)})") from error


def open_zarr_node(path: str, name: str) -> "zarr.Array[Any] | zarr.Group":
    """Return an array or group of a Zarr store.

    Args:
        path: path or URL of the store.
        name: path of the node within the store; empty for the store itself.

    Raises:
        SourceError: it cannot be read.
    """
    import zarr

    try:
        return zarr.open(path, mode="r", path=name or None)
    # Zarr and the file systems below it raise many types of exceptions.
    except Exception as error:
        there = f"::{name}" if name else ""
        raise SourceError(f"{path}{there}: cannot be read as Zarr ({one_line(error)})") from error


def _arrays_below(
    node: "zarr.Array[Any] | zarr.Group", name: str, axes: list[str] | None, depth: int
) -> "Iterator[tuple[str, zarr.Array[Any], list[str] | None]]":
    """Yield the names of arrays, the arrays, and the names of their axes if they are of an OME-Zarr image."""
    import zarr

    if isinstance(node, zarr.Array):
        yield name, node, axes
        return
    attributes = node.attrs.asdict()
    resolutions = _resolutions(attributes)
    if resolutions is not None:
        full, below = f"{name}/{resolutions[0]}".lstrip("/"), node[resolutions[0]]
        yield from _arrays_below(below, full, _axes(_multiscale(attributes)), 0)
    elif depth:
        for key, member in sorted(node.members(max_depth=0), key=lambda member: member[0]):
            yield from _arrays_below(member, f"{name}/{key}".lstrip("/"), None, depth - 1)


def _ome_axes(path: str, name: str) -> list[str] | None:
    """Return the names of an array's axes, if it is a resolution of an OME-Zarr image; the metadata is in its group."""
    import zarr

    parts = name.split("/") if name else []
    # The path of a resolution within its group may have several parts.
    for n_parts in range(len(parts) - 1, -1, -1):
        try:
            group = zarr.open_group(path, mode="r", path="/".join(parts[:n_parts]) or None)
            attributes = group.attrs.asdict()
        # There is no group, or it cannot be read: Zarr raises many types of exceptions.
        except Exception:  # noqa: BLE001
            attributes = {}
        if "/".join(parts[n_parts:]) in (_resolutions(attributes) or ()):
            return _axes(_multiscale(attributes))
    return None


def _multiscale(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first multiscale image of a group's attributes, as OME-Zarr 0.4 and 0.5 store it; empty if none."""
    ome = attributes.get("ome", attributes)
    multiscales = ome.get("multiscales") if isinstance(ome, dict) else None
    first = multiscales[0] if isinstance(multiscales, list) and multiscales else None
    return first if isinstance(first, dict) else {}


def _resolutions(attributes: Mapping[str, Any]) -> list[str] | None:
    """Return the paths of the arrays of a group's first multiscale image, the full resolution first; None if none."""
    datasets = _multiscale(attributes).get("datasets")
    paths = [one.get("path") for one in datasets if isinstance(one, dict)] if isinstance(datasets, list) else []
    return [path.strip("/") for path in paths if isinstance(path, str) and path.strip("/")] or None


def _axes(multiscale: Mapping[str, Any]) -> list[str]:
    axes = multiscale.get("axes")
    # Versions up to 0.2 have five axes and do not name them.
    names = axes if isinstance(axes, list) else "tczyx"
    return [str(axis.get("name") if isinstance(axis, dict) else axis) for axis in names]
