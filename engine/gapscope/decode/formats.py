"""Which files count as images, and which decoders a stranger's bytes may reach."""

from PIL import Image

# Formats that Pillow hands to another program (EPS to Ghostscript), or that it only recognises and cannot decode.
_REFUSED = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
_NOT_IMAGES = frozenset({".mpg", ".mpeg", ".h5", ".hdf", ".grib", ".bufr", ".ps"})

Image.init()

FORMATS: tuple[str, ...] = tuple(sorted(set(Image.OPEN) - _REFUSED))
"""Pillow's names of the formats that are decoded."""

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN
) - _NOT_IMAGES | {".heic", ".heif"}
"""Lower-case file name endings that make a file an image to us, readable or not."""
