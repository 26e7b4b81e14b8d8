"""Which file names count as images, and which of Pillow's decoders may read untrusted bytes."""

from PIL import Image

# Pillow hands these formats to another program (EPS to Ghostscript), or recognizes them and cannot decode them.
_REFUSED_FORMATS = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
_AVIF_BRANDS = (b"avif", b"avis")
_NON_IMAGE_SUFFIXES = frozenset({".mpg", ".mpeg", ".h5", ".hdf", ".grib", ".bufr", ".ps"})
# Pillow reads MPO through its JPEG plugin, and HEIC through another package. No decoder here reads JPEG XL, but a
# rejected row is better than an image that is skipped silently.
_EXTRA_SUFFIXES = frozenset({".mpo", ".heic", ".heif", ".jxl"})

Image.init()

IMAGE_SUFFIXES: frozenset[str] = (
    frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN)
    - _NON_IMAGE_SUFFIXES
    | _EXTRA_SUFFIXES
)
"""Lower-case file name suffixes that mark a file as an image, whether or not it can be read."""


def has_image_suffix(name: str) -> bool:
    """Return whether a file's name ends in one of `IMAGE_SUFFIXES`, in lower or upper case.

    Example:
        >>> [has_image_suffix(name) for name in ("drive/0001.PNG", ".jpg", "notes.txt", "png")]
        [True, True, False, False]
    """
    _, dot, end = name.rpartition(".")
    return dot + end.lower() in IMAGE_SUFFIXES


def formats_for(data: bytes) -> tuple[str, ...]:
    """Return Pillow's names of the formats that these bytes may be decoded as.

    Example:
        >>> "JPEG" in formats_for(b""), "EPS" in formats_for(b"")
        (True, False)
    """
    if data[4:8] == b"ftyp" and data[8:12] not in _AVIF_BRANDS and "HEIF" not in Image.OPEN:
        # HEIC, the format of telephones. Its library is loaded with the first such image.
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False)
    return tuple(sorted(set(Image.OPEN) - _REFUSED_FORMATS))
