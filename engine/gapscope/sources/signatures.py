"""What a file really is, by its first bytes, whatever its name says."""

import tarfile
from typing import NamedTuple

HEAD_BYTES = 512
"""How many of a file's first bytes tell what it is; as many as the header of a tar archive has."""


class Signature(NamedTuple):
    """What the first bytes of a file tell.

    Attributes:
        what: what the file is, to follow `is`.
        remedy: what to do about a file of this kind whose name says something else.
        suffix: the end of the name by which gapscope knows such files; empty if it reads none.
    """

    what: str
    remedy: str
    suffix: str = ""


def _named(what: str, suffix: str) -> Signature:
    return Signature(what, f"rename it to end in {suffix}", suffix)


IMAGE = Signature("one image", "a dataset is a folder of images, a pattern such as '*.jpg', a list, or an archive")

_TAR = _named("a tar archive", ".tar")
_ZIP = _named("a zip archive", ".zip")
_NPZ = _named("a NumPy archive", ".npz")
_UNPACK = "images cannot be picked out of it; unpack it, to a plain .tar or to a folder"
_UNPACK_FILE = "unpack it first, for example with {} -dc OLD > NEW"

_BY_START = (
    (b"\x1f\x8b", Signature("compressed with gzip", _UNPACK_FILE.format("gzip"))),
    (b"\xfd7zXZ\0", Signature("compressed with xz", _UNPACK_FILE.format("xz"))),
    (b"\x28\xb5\x2f\xfd", Signature("compressed with Zstandard", _UNPACK_FILE.format("zstd"))),
    (b"7z\xbc\xaf\x27\x1c", Signature("a 7z archive", _UNPACK)),
    (b"Rar!\x1a\x07", Signature("a RAR archive", _UNPACK)),
    (b"PK\x05\x06", _ZIP),
    (b"PK\x07\x08PK", Signature("one part of a split zip archive", "join its parts, for example with zip -s 0")),
    (b"PAR1", _named("a Parquet file", ".parquet")),
    (b"\x93NUMPY", _named("a NumPy file", ".npy")),
    (b"ARROW1", Signature("an Arrow file", "export it to Parquet, for example with pyarrow.parquet.write_table")),
    (b"\x89HDF\r\n\x1a\n", Signature("an HDF5 file", "save its images as an array in .npy or Zarr, or as files")),
)

_IMAGE_STARTS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\1\0",
    b"\0\0\0\x0cjP  \r\n\x87\n",
    b"\xff\x4f\xff\x51",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL \r\n\x87\n",
    b"8BPS",
    b"DDS ",
    b"qoif",
    b"icns",
    b"\x93NUMPY",
)
_IMAGE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def starts_like_image(head: bytes) -> bool:
    r"""Tell whether the first bytes of a file, 32 or more, are those of an image in one of the usual formats.

    Example:
        >>> starts_like_image(b"\xff\xd8\xff\xe0\x00\x10JFIF"), starts_like_image(b"drive/0001.jpg")
        (True, False)
    """
    if head.startswith(_IMAGE_STARTS):
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] in _IMAGE_BRANDS
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[:2] == b"BM":
        # Text may begin with these letters; the four bytes are zero in every bitmap.
        return head[6:10] == bytes(4)
    return head[:1] == b"P" and head[1:2] in b"1234567" and head[2:3] in (b" ", b"\n", b"\r", b"\t")


def signature_of(head: bytes) -> Signature | None:
    r"""Return what the first `HEAD_BYTES` bytes of a file tell; None if nothing that is known here.

    Example:
        >>> signature_of(b"\x1f\x8b\x08\x00").what
        'compressed with gzip'
        >>> signature_of(b"path,label\n") is None
        True
    """
    # The name of the first member is what a tar archive begins with, and may look like anything.
    if starts_like_tar(head):
        return _TAR
    if head[:4] == b"PK\x03\x04":
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        return _NPZ if name.endswith(b".npy") else _ZIP
    if head[:3] == b"BZh" and head[4:10] == b"1AY&SY":
        return Signature("compressed with bzip2", _UNPACK_FILE.format("bzip2"))
    known = next((signature for start, signature in _BY_START if head.startswith(start)), None)
    return known or (IMAGE if starts_like_image(head) else None)


def starts_like_tar(head: bytes) -> bool:
    """Tell whether the first bytes of a file are the header of a tar archive's first member."""
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    # On a damaged header, tarfile's arithmetic raises more than its own errors.
    except (tarfile.HeaderError, ValueError, OverflowError):
        return False
    return True


def misnamed(head: bytes, *suffixes: str) -> str | None:
    r"""Return one phrase on a file that is not what its name says, and what to do; None if nothing is known against it.

    Args:
        head: its first `HEAD_BYTES` bytes.
        suffixes: the ends of the names of files of the kind that it was taken for.

    Example:
        >>> misnamed(b"\x1f\x8b\x08\x00", ".tar")
        'it is compressed with gzip; unpack it first, for example with gzip -dc OLD > NEW'
    """
    signature = signature_of(head)
    if signature is None or signature.suffix in suffixes:
        return None
    return f"it is {signature.what}; {signature.remedy}"
