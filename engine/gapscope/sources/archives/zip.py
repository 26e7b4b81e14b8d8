"""Images in zip archives: their tables of contents list them, then each is read at its offset."""

import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import IO

from gapscope.errors import SourceError, one_line
from gapscope.sources.archives.members import (
    MEMBER_SEPARATOR,
    check_first,
    member_uri,
    name_problem,
    pass_over_aside,
    shard_of,
    unopened,
)
from gapscope.sources.archives.zip_file import (
    BZIP2,
    DEFLATED,
    LZMA,
    STORED,
    Contents,
    DamagedZipError,
    Member,
    find_contents,
    member_at,
    members_of,
    read_member,
)
from gapscope.sources.containers import note_containers
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import (
    MAX_IMAGE_BYTES,
    check_container_unchanged,
    modified_ns,
    open_container,
    size_of,
)
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected
from gapscope.sources.signatures import HEAD_BYTES, misnamed
from gapscope.sources.source import without_prefix

_SUFFIXES = (".zip", ".npz")


@dataclass(frozen=True)
class Zip:
    """The images in one or more zip archives, archive by archive, in the order of their tables of contents.

    Attributes:
        shards: paths or URLs of the archives.
        location: what the user gave, with absolute paths.
        folder: the local folder that was searched for the archives; None if they are named.
    """

    shards: tuple[str, ...]
    location: str
    folder: str | None = None

    @property
    def objects(self) -> bool:
        """False: a row is a whole image."""
        return False

    @property
    def columns(self) -> Mapping[str, Kind]:
        """Empty: members that are not images are passed over."""
        return {}

    @property
    def origin(self) -> str:
        """Where the images come from, to follow their number."""
        return f"in {without_prefix(self.location)}"

    def entries(self, notes: ListingNotes | None = None) -> Iterator[Entry]:
        """Yield the images of every archive.

        An archive that is missing or damaged is one rejected entry; the other archives are still listed.
        """
        if self.folder is not None:
            note_containers(".zip", len(self.shards), notes)
        for shard in self.shards:
            yield from _shard_entries(shard, notes)

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the member.

        Raises:
            Rejected: the archive has changed since it was listed, or cannot be read.
        """
        shard = shard_of(entry.uri, self.shards)
        check_container_unchanged(shard, entry.mtime_ns)
        # The record identifies the member, not its name, and shows whether the archive is still the same.
        member = member_at(shard, entry.offset, _contents(shard, entry.mtime_ns).shift)
        if member.size != entry.bytes:
            raise Rejected("changed", "the archive has changed since it was listed")
        return read_member(shard, member)


def open_zip(shards: tuple[str, ...], location: str, folder: str | None) -> Zip:
    """Return zip archives as a source; see `Zip` for the arguments.

    Raises:
        SourceError: the first is no zip archive, whatever its name says.
    """
    check_first(shards, *_SUFFIXES)
    return Zip(shards, location, folder)


def find_member(shard: str, names: Collection[str]) -> str | None:
    """Return the first member of an archive whose name, without its folders, is one of some; None if none is.

    An archive that cannot be read has none: listing it says why.
    """
    try:
        with open_container(shard) as file:
            members = members_of(file, find_contents(file, size_of(file)))
            return next((member.name for member in members if member.name.rpartition("/")[2] in names), None)
    except (SourceError, DamagedZipError, OSError):
        return None


@lru_cache(maxsize=64)
def _contents(shard: str, mtime_ns: int) -> Contents:
    del mtime_ns
    try:
        with open_container(shard) as file:
            return find_contents(file, size_of(file))
    except (SourceError, DamagedZipError, OSError) as error:
        raise Rejected("unreadable", f"the archive cannot be read any more: {one_line(error)}") from error


def _shard_entries(shard: str, notes: ListingNotes | None) -> Iterator[Entry]:
    try:
        mtime_ns = modified_ns(shard)
        with open_container(shard) as file:
            yield from _member_entries(shard, file, mtime_ns, notes)
    except (SourceError, OSError) as error:
        yield unopened(shard, error)


def _member_entries(shard: str, file: IO[bytes], mtime_ns: int, notes: ListingNotes | None) -> Iterator[Entry]:
    size, counter, n_members = size_of(file), NameCounter(), 0
    try:
        if (why := misnamed(file.read(HEAD_BYTES), *_SUFFIXES)) is not None:
            raise DamagedZipError(why)
        contents = find_contents(file, size)
        for member in members_of(file, contents):
            n_members += 1
            name = member.name.rstrip("/")
            if not has_image_suffix(name):
                if notes is not None and name == member.name:
                    notes.pass_over_file(name)
            elif not pass_over_aside(shard, name, notes):
                uri = member_uri(shard, name)
                yield _entry(uri, member, contents, mtime_ns, counter.add(uri))
        if n_members % 2**16 != contents.members % 2**16:
            raise DamagedZipError(f"its table of contents lists {n_members:,} of {contents.members:,} members")
    except DamagedZipError as error:
        uri = f"{shard}{MEMBER_SEPARATOR}{n_members}" if n_members else shard
        yield Entry(uri, status="broken", error=f"the archive cannot be read: {error}")


def _entry(uri: str, member: Member, contents: Contents, mtime_ns: int, count: int) -> Entry:
    if count > 1:
        return Entry(f"{uri}#{count}", status="bad-name", error="an earlier member of the archive has the same name")
    if problem := name_problem(member.name):
        return Entry(uri, status="bad-name", error=problem)
    if member.name.endswith("/") or stat.S_IFMT(member.mode) not in (0, stat.S_IFREG):
        return Entry(uri, status="not-a-file", error="a link, folder or device in the archive has the name of an image")
    if member.encrypted:
        return Entry(uri, status="unreadable", error="the member is encrypted; unpack the archive with its password")
    if member.compression not in (STORED, DEFLATED, BZIP2, LZMA):
        reason = f"the member is compressed by method {member.compression}, which is not read; pack the archive anew"
        return Entry(uri, status="unreadable", error=reason)
    if max(member.size, member.compressed) > MAX_IMAGE_BYTES:
        return Entry(uri, status="too-large", error=f"the member has more than {MAX_IMAGE_BYTES:,} bytes")
    if member.header + member.compressed > contents.start:
        return Entry(uri, status="broken", error="the archive ends in the middle of this image")
    return Entry(uri, member.size, mtime_ns, offset=member.position)
