"""The size of an image, from the head of its file."""

import warnings
from typing import IO

from PIL import Image

from gapscope.sources.entry import Entry
from gapscope.sources.files import path_bytes
from gapscope.urls import is_url

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "MPO", "JPEG2000", "PPM")
"""Formats whose head Pillow reads without decoding anything."""

_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


def size_from_head(file: IO[bytes]) -> tuple[int, int]:
    """Return the width and height in pixels of an upright image, and decode nothing; 0 and 0 if its head is unreadable.

    Args:
        file: an open image file, whatever its content.

    Example:
        >>> import io
        >>> Image.new("RGB", (40, 30)).save(file := io.BytesIO(), "PNG")
        >>> size_from_head(file), size_from_head(io.BytesIO(b"no image"))
        ((40, 30), (0, 0))
    """
    try:
        # A file that claims very many pixels is warned of, and only they would be dangerous.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_FORMATS) as image:
                turned = image.getexif().get(_ORIENTATION) in _TURNED
                return image.size[::-1] if turned else image.size
    # Pillow raises many types of exceptions on a damaged file.
    except Exception:  # noqa: BLE001
        return 0, 0


def size_of_local_file(entry: Entry) -> tuple[float, float]:
    """Return the width and height in pixels of an upright image; 0 and 0 if it cannot be read, or is behind a URL."""
    if entry.status != "listed" or is_url(entry.uri):
        return 0, 0
    try:
        with open(path_bytes(entry.uri), "rb") as file:
            return size_from_head(file)
    except OSError:
        return 0, 0
