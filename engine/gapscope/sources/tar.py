"""Images in tar archives, as WebDataset keeps them: listed in one pass, then each read where it lies."""

import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from gapscope.errors import SourceError, one_line
from gapscope.sources.entry import Entry, Kind
from gapscope.sources.files import open_container, read_part, size_of
from gapscope.sources.folder import printable
from gapscope.sources.formats import IMAGE_SUFFIXES
from gapscope.sources.rejects import Rejected

BETWEEN = "::"
"""Stands between the archive and the member in a uri."""

_BLOCK = 512
# A header never needs more, but a hostile one can claim to.
_LARGEST_READ = 4 * 2**20


@dataclass(frozen=True)
class Tar:
    """The images in some tar archives, archive by archive, in the order in which they lie there.

    Attributes:
        shards: paths or URLs of the archives.
        location: what the user gave.
    """

    shards: tuple[str, ...]
    location: str

    @property
    def objects(self) -> bool:
        """A row is a whole image."""
        return False

    @property
    def folder(self) -> None:
        """Archives are named, not searched for."""
        return

    @property
    def columns(self) -> Mapping[str, Kind]:
        """Only the images are read."""
        return {}

    def entries(self) -> Iterator[Entry]:
        """Yield the images of every archive. What is damaged in one is a rejected entry; the others go on."""
        for shard in self.shards:
            yield from _members(shard)

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of the member."""
        # A later member of the same name has a number behind it, which its place makes unnecessary.
        shard = next(shard for shard in self.shards if entry.uri.startswith(shard + BETWEEN))
        data = read_part(shard, entry.offset - _BLOCK, _BLOCK + entry.bytes)
        try:
            size = tarfile.TarInfo.frombuf(data[:_BLOCK], "utf-8", "surrogateescape").size
        except tarfile.HeaderError:
            size = -1
        # The header before the image tells whether it still lies there.
        if size != entry.bytes:
            raise Rejected("changed", "the archive has changed since it was listed")
        return data[_BLOCK:]


class _Bounded:
    """A file that refuses to read much at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise tarfile.ReadError(f"a header claims to be {size} bytes long")
        return self._file.read(size)


def _members(shard: str) -> Iterator[Entry]:
    try:
        with open_container(shard) as file:
            yield from _listed(shard, file, size_of(file))
    except SourceError as error:
        yield Entry(shard, status="missing", error=one_line(error).removeprefix(f"{shard}: "))


def _listed(shard: str, file: IO[bytes], size: int) -> Iterator[Entry]:
    seen: dict[str, int] = {}
    end = 0
    try:
        bounded: Any = _Bounded(file)
        with tarfile.open(fileobj=bounded, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            while (member := archive.next()) is not None:
                # It keeps every member that it has seen.
                archive.members = []  # type: ignore[attr-defined]
                end = max(end + _BLOCK, member.offset_data + member.size)
                if _is_image(member.name):
                    seen[member.name] = times = seen.get(member.name, 0) + 1
                    yield _entry(shard, member, size, times)
        if end <= size and not _ends_well(file, end, size):
            yield _damaged(shard, end)
    # tarfile lets through whatever a damaged header makes of its arithmetic.
    except (tarfile.TarError, ValueError, OverflowError, OSError, EOFError, IndexError) as error:
        if end <= size:
            yield _damaged(shard, end, error)


def _damaged(shard: str, at: int, error: Exception | None = None) -> Entry:
    reason = f" ({one_line(error)})" if error else ""
    return Entry(
        f"{shard}{BETWEEN}{at}",
        status="broken",
        error=f"the archive is damaged after byte {at}{reason}; the rest is lost",
    )


def _ends_well(file: IO[bytes], end: int, size: int) -> bool:
    """Tell whether what follows the last member is an end of the archive, and not a header that cannot be read."""
    at = -(-end // _BLOCK) * _BLOCK
    if at >= size:
        return True
    file.seek(at)
    return not file.read(_BLOCK).strip(b"\0")


def _is_image(name: str) -> bool:
    return "." + name.rpartition(".")[2].lower() in IMAGE_SUFFIXES


def _entry(shard: str, member: tarfile.TarInfo, size: int, times: int) -> Entry:
    uri = shard + BETWEEN + printable(member.name) + (f"#{times}" if times > 1 else "")
    if member.name.startswith("/") or ".." in re.split(r"[/\\]", member.name):
        return Entry(uri, status="bad-name", error="the member's name leads out of the archive")
    if printable(member.name) != member.name:
        return Entry(uri, status="bad-name", error="the member's name is not UTF-8")
    if not member.isreg() or member.issparse():
        return Entry(uri, status="not-a-file", error="a link, folder or device in the archive has the name of an image")
    if member.offset_data + member.size > size:
        return Entry(uri, status="broken", error="the archive ends in the middle of this image")
    return Entry(uri, member.size, int(member.mtime) * 10**9, offset=member.offset_data)
