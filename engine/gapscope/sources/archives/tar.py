"""Images in tar archives such as WebDataset's: one pass lists them, then each is read at its offset."""

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

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
from gapscope.sources.containers import note_containers
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import open_container, read_part, size_of
from gapscope.sources.formats import has_image_suffix
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected
from gapscope.sources.signatures import HEAD_BYTES, misnamed
from gapscope.sources.source import without_prefix

_BLOCK_BYTES = 512
# A genuine header never needs more, but a hostile one can claim to.
_MAX_READ_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Tar:
    """The images in one or more tar archives, archive by archive, in the order in which they are stored.

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

        A missing archive, or the rest of a damaged one, is one rejected entry; the other archives are still listed.
        """
        if self.folder is not None:
            note_containers(".tar", len(self.shards), notes)
        for shard in self.shards:
            yield from _shard_entries(shard, notes)

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the member.

        Raises:
            Rejected: the archive has changed since it was listed, or cannot be read.
        """
        # The offset identifies the member, not its name: the uri of a repeated name ends in a number.
        shard = shard_of(entry.uri, self.shards)
        data = read_part(shard, entry.offset - _BLOCK_BYTES, _BLOCK_BYTES + entry.bytes)
        try:
            size = tarfile.TarInfo.frombuf(data[:_BLOCK_BYTES], "utf-8", "surrogateescape").size
        except tarfile.HeaderError:
            size = -1
        # The header before the image shows whether the image is still at this offset.
        if size != entry.bytes:
            raise Rejected("changed", "the archive has changed since it was listed")
        return data[_BLOCK_BYTES:]


def open_tar(shards: tuple[str, ...], location: str, folder: str | None) -> Tar:
    """Return tar archives as a source; see `Tar` for the arguments.

    Raises:
        SourceError: the first is no tar archive, whatever its name says.
    """
    check_first(shards, ".tar")
    return Tar(shards, location, folder)


class _LimitedReader:
    """A file that refuses to read more than `_MAX_READ_BYTES` at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_READ_BYTES:
            raise tarfile.ReadError(f"a header claims to be {size} bytes long")
        return self._file.read(size)


def _shard_entries(shard: str, notes: ListingNotes | None) -> Iterator[Entry]:
    try:
        with open_container(shard) as file:
            size = size_of(file)
            if (why := misnamed(file.read(HEAD_BYTES), ".tar")) is not None:
                yield Entry(shard, status="broken", error=f"the archive cannot be read: {why}")
                return
            file.seek(0)
            yield from _member_entries(shard, file, size, notes)
    except (SourceError, OSError) as error:
        yield unopened(shard, error)


def _member_entries(shard: str, file: IO[bytes], size: int, notes: ListingNotes | None) -> Iterator[Entry]:
    counter, end = NameCounter(), 0
    try:
        reader: Any = _LimitedReader(file)
        with tarfile.open(fileobj=reader, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            while (member := archive.next()) is not None:
                # Otherwise tarfile keeps every member in memory.
                archive.members = []  # type: ignore[attr-defined]
                end = max(end + _BLOCK_BYTES, member.offset_data + member.size)
                if not has_image_suffix(member.name):
                    if notes is not None and not member.isdir():
                        notes.pass_over_file(member.name)
                elif not pass_over_aside(shard, member.name, notes):
                    uri = member_uri(shard, member.name)
                    yield _entry(uri, member, size, counter.add(uri))
        if end <= size and not _ends_properly(file, end, size):
            yield _damage_entry(shard, end)
    # On a damaged header, tarfile's arithmetic raises more than TarError.
    except (tarfile.TarError, ValueError, OverflowError, OSError, EOFError, IndexError) as error:
        if end <= size:
            yield _damage_entry(shard, end, error)


def _damage_entry(shard: str, offset: int, error: Exception | None = None) -> Entry:
    reason = f" ({one_line(error)})" if error else ""
    return Entry(
        f"{shard}{MEMBER_SEPARATOR}{offset}",
        status="broken",
        error=f"the archive is damaged after byte {offset}{reason}; the rest is lost",
    )


def _ends_properly(file: IO[bytes], end: int, size: int) -> bool:
    """Tell whether the archive ends after its last member, instead of going on with a header that cannot be read."""
    offset = -(-end // _BLOCK_BYTES) * _BLOCK_BYTES
    if offset >= size:
        return True
    file.seek(offset)
    return not file.read(_BLOCK_BYTES).strip(b"\0")


def _entry(uri: str, member: tarfile.TarInfo, size: int, count: int) -> Entry:
    uri += f"#{count}" if count > 1 else ""
    if problem := name_problem(member.name):
        return Entry(uri, status="bad-name", error=problem)
    if not member.isreg() or member.issparse():
        return Entry(uri, status="not-a-file", error="a link, folder or device in the archive has the name of an image")
    if member.offset_data + member.size > size:
        return Entry(uri, status="broken", error="the archive ends in the middle of this image")
    return Entry(uri, member.size, int(member.mtime) * 10**9, offset=member.offset_data)
