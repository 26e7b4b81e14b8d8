"""Why an image was not embedded: a fixed list of statuses, each stored with a readable reason."""

import errno
from typing import Literal, get_args

Status = Literal[
    "listed",  # not read yet
    "ok",  # read and embedded
    "missing",  # no longer exists, or is a link to nothing
    "not-a-file",  # a directory, pipe, socket or device with the name of an image
    "no-permission",
    "bad-name",  # not UTF-8, holds a zero byte, or leads out of its folder or archive
    "unreadable",  # reading the bytes failed
    "empty",  # the file has no bytes
    "not-an-image",  # no decoder recognizes the bytes
    "broken",  # a decoder recognizes the bytes and fails: truncated or corrupt
    "damaged",  # a decoder warns, and makes up what is missing; kept and marked with `keep_damaged`
    "no-range",  # its values are not of 8 bits, and it is not settled which of them are black and white
    "too-large",  # more pixels, bytes or memory for decoding than allowed
    "bad-box",  # the box of an object is empty or lies outside its image
    "crashed",  # the decoder crashed its process, or did not finish
    "changed",  # no longer the file that was listed
    "removed",  # no longer in its source
    "not-finite",  # the network's output contains NaN or infinity
]
STATUSES: tuple[str, ...] = get_args(Status)


class Rejected(Exception):
    r"""One image cannot be embedded.

    The embedding of a block catches it and stores `status` and `error` in the image's row.

    Attributes:
        status: the kind of failure.
        error: the reason as one line of at most 500 characters.

    Example:
        >>> rejected = Rejected("broken", "the JPEG decoder fails:\n  truncated file")
        >>> rejected.status, rejected.error
        ('broken', 'the JPEG decoder fails: truncated file')
    """

    def __init__(self, status: Status, error: str) -> None:
        super().__init__(error)
        self.status: Status = status
        self.error = " ".join(error.split())[:500]


_STATUS_BY_ERRNO: dict[int, tuple[Status, str]] = {
    errno.ENOENT: ("missing", "there is no such file"),
    errno.ENOTDIR: ("missing", "there is no such file"),
    errno.ELOOP: ("missing", "a symbolic link leads back to itself"),
    errno.EACCES: ("no-permission", "permission to read the file is denied"),
    errno.EPERM: ("no-permission", "permission to read the file is denied"),
    errno.EISDIR: ("not-a-file", "it is a directory"),
}


def rejected_from_os_error(error: OSError) -> Rejected:
    """Translate an error of the operating system while an image was read into a `Rejected`.

    Example:
        >>> rejected_from_os_error(FileNotFoundError(2, "No such file or directory")).status
        'missing'
    """
    status, reason = _STATUS_BY_ERRNO.get(
        error.errno or 0, ("unreadable", f"reading failed: {error.strerror or error}")
    )
    return Rejected(status, reason)
