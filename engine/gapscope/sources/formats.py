"""Which files count as images, and which decoders a stranger's bytes may reach."""

from PIL import Image

# Formats that Pillow hands to another program (EPS to Ghostscript), or that it only recognises and cannot decode.
_REFUSED = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
_AVIF = (b"avif", b"avis")
_NOT_IMAGES = frozenset({".mpg", ".mpeg", ".h5", ".hdf", ".grib", ".bufr", ".ps"})
# Pillow reads stereo pictures by way of JPEG and HEIC by way of another package; what nobody here reads is still an
# image, and better rejected than passed over.
_IMAGES_TOO = frozenset({".mpo", ".heic", ".heif", ".jxl"})

Image.init()

IMAGE_SUFFIXES: frozenset[str] = (
    frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN) - _NOT_IMAGES
    | _IMAGES_TOO
)
"""Lower-case file name endings that make a file an image to us, readable or not."""


def formats_for(data: bytes) -> tuple[str, ...]:
    """Return Pillow's names of the formats that a file's bytes may be decoded as."""
    if data[4:8] == b"ftyp" and data[8:12] not in _AVIF and "HEIF" not in Image.OPEN:
        # The format of telephones; its library is loaded when the first one comes.
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False)
    return tuple(sorted(set(Image.OPEN) - _REFUSED))
