"""Images in the form of a `.npy` file: the rows of an array that holds many."""

import io

import numpy as np
from PIL import Image

from gapscope.sources.rejects import Rejected

MAGIC = b"\x93NUMPY"
"""The first bytes of a `.npy` file."""

FORMAT = "NPY"
"""The name of the format, beside Pillow's names of others."""

_CHANNELS = (1, 3, 4)


def open_numpy(data: bytes) -> Image.Image:
    """Return the image in a `.npy` file of shape (height, width) or (height, width, 1, 3 or 4).

    Booleans are black and white; unsigned integers span their range; floats are in 0..1 if none is larger, else in
    0..255.

    Raises:
        Rejected: the array has another shape or dtype.

    Example:
        >>> file = io.BytesIO()
        >>> np.save(file, np.zeros((90, 120, 3), np.uint8))
        >>> image = open_numpy(file.getvalue())
        >>> image.mode, image.size
        ('RGB', (120, 90))
    """
    values = np.load(io.BytesIO(data), allow_pickle=False)
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] in _CHANNELS)) or not values.size:
        raise Rejected("broken", f"an array of shape {values.shape} is not an image")
    if values.dtype.kind == "b":
        values = values * np.uint8(255)
    elif values.dtype.kind == "u":
        values = (values >> (8 * (values.dtype.itemsize - 1))).astype(np.uint8)
    elif values.dtype.kind == "f":
        values = np.nan_to_num(values.astype(np.float32))
        full = 1.0 if values.max(initial=0.0) <= 1.0 else 255.0
        values = (np.clip(values / full, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    else:
        raise Rejected("broken", f"an array of {values.dtype} is not an image")
    return Image.fromarray(
        np.ascontiguousarray(values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values)
    )
