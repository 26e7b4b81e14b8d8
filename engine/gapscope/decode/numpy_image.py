"""Images in the form of a `.npy` file: the rows of an array that holds many."""

import io

import numpy as np
from PIL import Image

from gapscope.decode.deep import DeepPixels
from gapscope.sources.rejects import Rejected

MAGIC = b"\x93NUMPY"
"""The first bytes of a `.npy` file."""

FORMAT = "NPY"
"""The name of the format, beside Pillow's names of others."""

_CHANNELS = (1, 3, 4)


def open_numpy(data: bytes) -> Image.Image | DeepPixels:
    """Return the image in a `.npy` file of shape (height, width) or (height, width, 1, 3 or 4).

    Booleans are black and white, and bytes are what they are in any image. All other values need a range.

    Raises:
        Rejected: the array has another shape or dtype.

    Example:
        >>> file = io.BytesIO()
        >>> np.save(file, np.zeros((90, 120, 3), np.uint8))
        >>> image = open_numpy(file.getvalue())
        >>> image.mode, image.width, image.height
        ('RGB', 120, 90)
    """
    values = np.load(io.BytesIO(data), allow_pickle=False)
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] in _CHANNELS)) or not values.size:
        raise Rejected("broken", f"an array of shape {values.shape} is not an image")
    if values.dtype.kind not in "buif":
        raise Rejected("broken", f"an array of {values.dtype} is not an image")
    if values.dtype.kind == "b":
        values = values * np.uint8(255)
    if values.dtype == np.uint8:
        values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
        return Image.fromarray(np.ascontiguousarray(values))
    kind = "float" if values.dtype.kind == "f" else values.dtype.name
    return DeepPixels(kind, np.ascontiguousarray(values, values.dtype.newbyteorder("=")))
