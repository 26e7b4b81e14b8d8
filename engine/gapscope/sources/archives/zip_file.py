"""The members of a zip archive: its table of contents as a stream, and the bytes of one member."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

from gapscope.sources.files import read_part
from gapscope.sources.rejects import Rejected

STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
"""Numbers of the compressions that are read: those of Python's zipfile."""

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_MEMBER = struct.Struct("<4s6H3L5H2L")
_LOCAL_BYTES = 30

_MAX_COMMENT = 2**16
_CHUNK_BYTES = 2**20
_IN_EXTRA = 0xFFFFFFFF
_ENCRYPTED, _UTF8 = 0x1, 0x800


class DamagedZipError(ValueError):
    """The archive's table of contents cannot be read."""


class Contents(NamedTuple):
    """Where an archive's table of contents is.

    Attributes:
        start: its first byte.
        end: the byte after its last.
        members: how many members it claims to have, modulo 65,536 in the old format.
        shift: how many bytes stand in front of the archive, which its offsets do not count.
    """

    start: int
    end: int
    members: int
    shift: int


class Member(NamedTuple):
    """One member as the table of contents has it.

    Attributes:
        name: its name; bytes that are not UTF-8, although they claim to be, are escaped as surrogates.
        position: where its record in the table of contents begins.
        header: where its own header begins, before its data.
        compression: the number of its compression.
        compressed: size as it is stored, in bytes.
        size: size of its content in bytes.
        crc: CRC-32 of its content.
        encrypted: whether a password is needed.
        mode: the type and permissions of a file of Unix; 0 if unknown.
    """

    name: str
    position: int
    header: int
    compression: int
    compressed: int
    size: int
    crc: int
    encrypted: bool
    mode: int


def find_contents(file: IO[bytes], size: int) -> Contents:
    """Return where the table of contents of an archive of `size` bytes is.

    Raises:
        DamagedZipError: it has none.
    """
    tail_start = max(0, size - _END.size - _MAX_COMMENT - _LOCATOR_64.size - _END_64.size)
    file.seek(tail_start)
    tail = file.read(size - tail_start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise DamagedZipError("it has no table of contents at its end, so it is cut off, or is no zip archive")
    _, disk, first_disk, _, members, length, start, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    if at >= _LOCATOR_64.size and tail.startswith(b"PK\x06\x07", at - _LOCATOR_64.size):
        at -= _LOCATOR_64.size + _END_64.size
        if at < 0 or not tail.startswith(b"PK\x06\x06", at):
            raise DamagedZipError("the end of its table of contents is damaged")
        _, _, _, _, disk, first_disk, _, members, length, start = _END_64.unpack_from(tail, at)
        end = tail_start + at
    if disk or first_disk:
        raise DamagedZipError("it is one part of a split archive; join the parts")
    shift = end - length - start
    if shift < 0:
        raise DamagedZipError("its table of contents does not fit the file, which is cut off or damaged")
    return Contents(end - length, end, members, shift)


def members_of(file: IO[bytes], contents: Contents) -> Iterator[Member]:
    """Yield the members in the order of the table of contents, in constant memory.

    Raises:
        DamagedZipError: the table cannot be read beyond the members so far.
    """
    file.seek(contents.start)
    data, at, position = b"", 0, contents.start
    while position < contents.end:
        unread = contents.end - position - (len(data) - at)
        # A record has three parts of at most 64 KiB each after its fixed one.
        if unread > 0 and len(data) - at < _MEMBER.size + 3 * 2**16:
            data, at = data[at:] + file.read(min(_CHUNK_BYTES, unread)), 0
        length, member = _parse(data, at, position, contents.shift)
        yield member
        at, position = at + length, position + length


def _parse(data: bytes, at: int, position: int, shift: int) -> tuple[int, Member]:
    """Return the length of the record at `at`, and the member that it describes."""
    if len(data) - at < _MEMBER.size or not data.startswith(b"PK\x01\x02", at):
        raise DamagedZipError(f"its table of contents is damaged at byte {position}; the rest is lost")
    _, made_by, _, flags, compression, _, _, crc, compressed, size, *lengths, _, _, outside, header = (
        _MEMBER.unpack_from(data, at)
    )
    n_name, n_extra, n_comment = lengths
    name_end = at + _MEMBER.size + n_name
    if _IN_EXTRA in (size, compressed, header):
        size, compressed, header = _wide(data[name_end : name_end + n_extra], size, compressed, header)
    name = data[at + _MEMBER.size : name_end].decode(*(("utf-8", "surrogateescape") if flags & _UTF8 else ("cp437",)))
    # Systems 3 and 19 are Unix and macOS, whose modes are in the upper half.
    mode = outside >> 16 if made_by >> 8 in (3, 19) else 0
    member = Member(name, position, header + shift, compression, compressed, size, crc, bool(flags & _ENCRYPTED), mode)
    return _MEMBER.size + n_name + n_extra + n_comment, member


def _wide(extra: bytes, *numbers: int) -> list[int]:
    """Return numbers whose place says that they are in the extra field, from there."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 1:
            field, wide = extra[4 : 4 + length], list(numbers)
            for index, number in enumerate(numbers):
                if number == _IN_EXTRA and len(field) >= 8:
                    wide[index], field = int.from_bytes(field[:8], "little"), field[8:]
            return wide
        extra = extra[4 + length :]
    return list(numbers)


def member_at(location: str, position: int, shift: int) -> Member:
    """Return the member whose record in the table of contents begins at a position.

    Raises:
        Rejected: it cannot be read, or there is no record, because the archive has changed.
    """
    head = read_part(location, position, _MEMBER.size)
    n_name, n_extra = struct.unpack_from("<2H", head, 28)
    try:
        return _parse(head + read_part(location, position + _MEMBER.size, n_name + n_extra), 0, position, shift)[1]
    except DamagedZipError as error:
        raise Rejected("changed", "the archive has changed since it was listed") from error


def data_offset(location: str, member: Member) -> int:
    """Return where the data of a member begins.

    Raises:
        Rejected: the archive is damaged there.
    """
    head = read_part(location, member.header, _LOCAL_BYTES)
    if not head.startswith(b"PK\x03\x04"):
        raise Rejected("broken", "the archive is damaged at this image")
    n_name, n_extra = struct.unpack_from("<2H", head, 26)
    return member.header + len(head) + int(n_name) + int(n_extra)


def read_member(location: str, member: Member) -> bytes:
    """Return the content of a member, of at most `MAX_IMAGE_BYTES` bytes.

    However much the data would unpack to, no more is unpacked than the table of contents says.

    Raises:
        Rejected: it cannot be read.
    """
    data = read_part(location, data_offset(location, member), member.compressed)
    try:
        content = _unpack(data, member)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, struct.error) as error:
        raise Rejected("broken", f"the archive is damaged at this image ({error})") from error
    if len(content) != member.size or zlib.crc32(content) != member.crc:
        raise Rejected("broken", "the archive is damaged at this image: its content does not fit its checksum")
    return content


def _unpack(data: bytes, member: Member) -> bytes:
    # Of a member that is longer than it claims, one byte more shows that.
    most = member.size + 1
    if member.compression == STORED:
        return data
    if member.compression == DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
    if member.compression == BZIP2:
        return bz2.BZ2Decompressor().decompress(data, most)
    # Two bytes of the version, two of the length of the properties: a byte of three numbers, and the dictionary's size.
    numbers, dictionary = struct.unpack_from("<BL", data, 4)
    lzma_filter = {
        "id": lzma.FILTER_LZMA1,
        "lc": numbers % 9,
        "lp": numbers // 9 % 5,
        "pb": numbers // 45,
        # It is allocated at once, and no more of it can be used than there is content.
        "dict_size": max(4096, min(dictionary, most)),
    }
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[lzma_filter]).decompress(data[9:], most)
