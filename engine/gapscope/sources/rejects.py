"""Why an image was not embedded: a short fixed list of statuses, each with a readable reason beside it."""

import errno
from typing import Literal, get_args

Status = Literal[
    "listed",  # not looked at yet
    "ok",  # read and embedded
    "missing",  # not there any more, or a link that leads nowhere
    "not-a-file",  # a directory, pipe, socket or device with the name of an image
    "no-permission",
    "bad-name",  # the file's name is not text
    "unreadable",  # reading its bytes failed
    "empty",  # no bytes at all
    "not-an-image",  # no decoder knows it
    "broken",  # a decoder knows it and fails: truncated or corrupt
    "too-large",  # more pixels than allowed
    "bad-box",  # the box of an object is empty or lies outside its image
    "crashed",  # the decoder brought its process down, or never came back
    "changed",  # not the file any more that was listed
    "removed",  # not in its source any more
    "not-finite",  # the network answers with NaN or infinity
]
STATUSES: tuple[str, ...] = get_args(Status)


class Rejected(Exception):
    """One image cannot be embedded. Caught where a block is embedded and turned into the row's status and error."""

    def __init__(self, status: Status, error: str) -> None:
        super().__init__(error)
        self.status: Status = status
        self.error = " ".join(error.split())[:500]


_BY_ERRNO: dict[int, tuple[Status, str]] = {
    errno.ENOENT: ("missing", "there is no such file"),
    errno.ENOTDIR: ("missing", "there is no such file"),
    errno.ELOOP: ("missing", "a symbolic link leads back to itself"),
    errno.EACCES: ("no-permission", "permission to read the file is denied"),
    errno.EPERM: ("no-permission", "permission to read the file is denied"),
    errno.EISDIR: ("not-a-file", "a directory has the name of an image"),
}


def rejected_by_os(error: OSError) -> Rejected:
    """Say what the operating system's `error` means for the image that was being read."""
    status, reason = _BY_ERRNO.get(error.errno or 0, ("unreadable", f"reading failed: {error.strerror or error}"))
    return Rejected(status, reason)
