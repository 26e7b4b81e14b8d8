"""The members of archives: their names, and which of them are no images of the dataset."""

import re

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Entry
from gapscope.sources.files import open_container
from gapscope.sources.folder import is_aside, note_aside, utf8_safe
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected, rejected_from_os_error
from gapscope.sources.signatures import HEAD_BYTES, misnamed

MEMBER_SEPARATOR = "::"
"""Separates the archive from the member in a uri."""


def member_uri(archive: str, name: str) -> str:
    r"""Return the uri of an archive's member; what text cannot hold is escaped.

    Example:
        >>> print(member_uri("a.tar", "b/c\0.png"))
        a.tar::b/c\x00.png
    """
    return archive + MEMBER_SEPARATOR + utf8_safe(name).replace("\0", "\\x00")


def name_problem(name: str) -> str:
    """Return why no image may have a member's name; empty if it may.

    Example:
        >>> name_problem("a/../../b.png"), name_problem("a/b.png")
        ("the member's name leads out of the archive", '')
    """
    if name.startswith("/") or ".." in re.split(r"[/\\]", name):
        return "the member's name leads out of the archive"
    if "\0" in name:
        return "the member's name contains a zero byte"
    return "" if utf8_safe(name) == name else "the member's name is not UTF-8"


def pass_over_aside(archive: str, name: str, notes: ListingNotes | None) -> bool:
    """Tell whether a member with an image's name lies in a hidden folder or the like, and note it if so.

    Example:
        >>> [pass_over_aside("a.zip", name, None) for name in ("./a.png", "__MACOSX/._a.png", "b/.cache/a.png")]
        [False, True, True]
    """
    path = name.replace("\\", "/")
    if not is_aside(path):
        return False
    if notes is not None:
        note_aside(path, member_uri(archive, name), notes)
    return True


def unopened(archive: str, error: SourceError | OSError) -> Entry:
    """Return the row of an archive that cannot be opened.

    Example:
        >>> unopened("a.tar", FileNotFoundError(2, "No such file or directory")).error
        'there is no such file'
    """
    if isinstance(error, OSError):
        rejected = rejected_from_os_error(error)
        return Entry(archive, status=rejected.status, error=rejected.error)
    return Entry(archive, status="missing", error=one_line(error).removeprefix(f"{archive}: "))


def shard_of(uri: str, shards: tuple[str, ...]) -> str:
    """Return the archive that holds a member.

    Raises:
        Rejected: none of the archives does, so that it has been removed from the dataset since it was listed.
    """
    for shard in shards:
        if uri.startswith(shard + MEMBER_SEPARATOR):
            return shard
    raise Rejected("missing", "the archive that holds the image is no longer there")


def check_first(shards: tuple[str, ...], *suffixes: str) -> None:
    """Check that the first of several archives is what its name says, as far as it can be opened, or that the only is.

    Args:
        shards: the archives.
        suffixes: the ends of the names of archives of this kind.

    Raises:
        SourceError: it is something else, or the only one cannot be opened.
    """
    try:
        with open_container(shards[0]) as file:
            head = file.read(HEAD_BYTES)
    except (SourceError, OSError) as error:
        if len(shards) == 1:
            raise SourceError(f"{shards[0]}: {unopened(shards[0], error).error}") from error
        # One of several that is missing is a row.
        return
    if (why := misnamed(head, *suffixes)) is not None:
        raise SourceError(f"{shards[0]}: {why}")
