"""The members of archives: their names, and which of them are no images of the dataset."""

import re

from gapscope.errors import SourceError
from gapscope.sources.files import open_container
from gapscope.sources.folder import is_aside, note_aside, utf8_safe
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected
from gapscope.sources.signatures import HEAD_BYTES, misnamed

MEMBER_SEPARATOR = "::"
"""Separates the archive from the member in a uri."""


def leads_out(name: str) -> bool:
    """Tell whether a member's name leads out of its archive.

    Example:
        >>> leads_out("a/b.png"), leads_out("a/../../b.png"), leads_out("/etc/b.png")
        (False, True, True)
    """
    return name.startswith("/") or ".." in re.split(r"[/\\]", name)


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
        note_aside(path, f"{archive}{MEMBER_SEPARATOR}{utf8_safe(name)}", notes)
    return True


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
    except (SourceError, OSError):
        if len(shards) == 1:
            raise
        # One of several that is missing is a row.
        return
    if (why := misnamed(head, *suffixes)) is not None:
        raise SourceError(f"{shards[0]}: {why}")
