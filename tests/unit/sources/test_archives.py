"""Images in tar and zip archives, and folders of archives: what is listed, read, passed over and refused."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from open_and_list import contents, names, open_and_list, told

from gapscope.errors import SourceError
from gapscope.sources import open_source
from gapscope.sources.files import MAX_IMAGE_BYTES
from gapscope.sources.rejects import Rejected

Picture = Callable[[int], bytes]


def write_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def write_tar(path: Path, members: dict[str, bytes], **kinds: bytes) -> None:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, kind in kinds.items():
            info = tarfile.TarInfo(f"{name}.png")
            info.type, info.linkname = kind, "elsewhere"
            archive.addfile(info)


def test_shards_are_listed_in_order_and_read_by_offset(tmp_path: Path, picture: Picture) -> None:
    for shard in (8, 9, 10):
        members = {
            f"{shard}-{number}.{ending}": picture(shard + number) for number in (2, 1) for ending in ("png", "cls")
        }
        write_tar(tmp_path / f"s-{shard:03d}.tar", members)
    source, entries = open_and_list(tmp_path / "s-{008..010}.tar")
    assert names(entries) == [f"s-{shard:03d}.tar::{shard}-{number}.png" for shard in (8, 9, 10) for number in (2, 1)]
    assert contents(source, entries) == [picture(shard + number) for shard in (8, 9, 10) for number in (2, 1)]
    assert names(open_and_list(tmp_path / "s-*.tar")[1]) == names(entries)
    entries = open_and_list(tmp_path / "s-{009..012}.tar")[1]
    assert [(entry.uri[-5:], entry.status) for entry in entries[-2:]] == [("1.tar", "missing"), ("2.tar", "missing")]


def test_what_is_wrong_in_an_archive_is_a_rejected_row(tmp_path: Path, picture: Picture) -> None:
    members = {"/etc/a.png": picture(1), "x/../../b.png": picture(2), "good.png": picture(3)}
    write_tar(tmp_path / "a.tar", members, link=tarfile.SYMTYPE, folder=tarfile.DIRTYPE, pipe=tarfile.FIFOTYPE)
    with tarfile.open(tmp_path / "a.tar", "a", encoding="utf-8", errors="surrogateescape") as archive:
        for name, number in (("good.png", 4), ("f\udcffle.png", 5)):
            info = tarfile.TarInfo(name)
            info.size = len(picture(number))
            archive.addfile(info, io.BytesIO(picture(number)))
    source, entries = open_and_list(tmp_path / "a.tar")
    assert {entry.uri.partition("::")[2]: entry.status for entry in entries} == {
        "/etc/a.png": "bad-name",
        "x/../../b.png": "bad-name",
        "good.png": "listed",
        "link.png": "not-a-file",
        "folder.png": "not-a-file",
        "pipe.png": "not-a-file",
        "good.png#2": "listed",
        "f\\xffle.png": "bad-name",
    }
    assert contents(source, [entry for entry in entries if entry.status == "listed"]) == [picture(3), picture(4)]


def test_an_archive_that_is_cut_or_damaged_keeps_what_is_whole(tmp_path: Path, picture: Picture) -> None:
    members = {f"{number}.png": picture(number) * 20 for number in range(4)}
    write_tar(tmp_path / "whole.tar", members)
    whole = (tmp_path / "whole.tar").read_bytes()
    third = open_and_list(tmp_path / "whole.tar")[1][2].offset
    (tmp_path / "cut.tar").write_bytes(whole[: third + 100])
    entries = open_and_list(tmp_path / "cut.tar")[1]
    assert [entry.status for entry in entries] == ["listed", "listed", "broken"]
    assert "ends in the middle" in entries[2].error
    (tmp_path / "hole.tar").write_bytes(whole[: third - 512] + b"\xff" * 512 + whole[third:])
    entries = open_and_list(tmp_path / "hole.tar")[1]
    assert [entry.status for entry in entries] == ["listed", "listed", "broken"]
    assert "the rest is lost" in entries[2].error
    (tmp_path / "none.tar").write_bytes(b"no archive" * 100)
    assert [entry.status for entry in open_and_list(tmp_path / "none.tar")[1]] == ["broken"]


@given(st.lists(st.tuples(st.integers(0, 6143), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4))
def test_no_archive_breaks_the_listing(
    tmp_path_factory: pytest.TempPathFactory, picture: Picture, noise: list[tuple[int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("tar")
    write_tar(folder / "a.tar", {f"{'long' * 40}-{number}.png": picture(number) for number in range(3)})
    data = bytearray((folder / "a.tar").read_bytes())
    for at, piece in noise:
        data[at : at + len(piece)] = piece
    (folder / "a.tar").write_bytes(data)
    # The first bytes may come to be those of another kind of file.
    with suppress(SourceError):
        source, entries = open_and_list(folder / "a.tar")
        for entry in entries:
            if entry.status == "listed":
                assert len(source.read(entry)) == entry.bytes


def test_a_header_that_claims_to_be_huge_is_not_believed(tmp_path: Path, picture: Picture) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**40
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + picture(1))
    assert [entry.status for entry in open_and_list(tmp_path / "a.tar")[1]] == ["broken"]


@pytest.mark.parametrize("kind", ["a.tar", "a.zip", "a.parquet", "a.npy", "a.npz"])
def test_an_image_whose_container_changes_or_goes_after_the_listing_is_rejected(
    tmp_path: Path, picture: Picture, kind: str
) -> None:
    def write(first: int) -> None:
        images = {f"{number}.png": picture(number) + b"x" * (number % 7) for number in range(first, first + 3)}
        write_tar(tmp_path / "a.tar", images)
        write_zip(tmp_path / "a.zip", images)
        pq.write_table(pa.table({"image": list(images.values())}), tmp_path / "a.parquet")
        np.save(tmp_path / "a.npy", np.full((3, 5, 5), first, np.uint8))
        np.savez_compressed(tmp_path / "a.npz", images=np.full((3, 5, 5), first, np.uint8))

    write(1)
    source, entries = open_and_list(tmp_path / kind)
    write(2)
    os.utime(tmp_path / kind, ns=(0, 10**18))
    with pytest.raises(Rejected) as caught:
        source.read(entries[0])
    assert caught.value.status == "changed"
    (tmp_path / kind).unlink()
    with pytest.raises(Rejected) as caught:
        source.read(entries[0])
    assert caught.value.status == "missing"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zips_are_listed_in_order_and_read_by_many_threads(tmp_path: Path, picture: Picture, compression: int) -> None:
    for part in range(2):
        members = {f"{part}/{number}.{end}": picture(number) for number in (3, 1, 2) for end in ("png", "json")}
        write_zip(tmp_path / f"s-{part}.zip", members, compression)
    source, entries = open_and_list(tmp_path / "s-*.zip")
    assert [entry.uri for entry in entries] == [
        f"{tmp_path}/s-{part}.zip::{part}/{number}.png" for part in range(2) for number in (3, 1, 2)
    ]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(source.read, entries * 5)) == [picture(number) for number in (3, 1, 2)] * 10
    assert told(source) == f"in {tmp_path}/s-*.zip; passed over: .json files (6)"
    assert open_and_list(tmp_path / "s-{0..2}.zip")[1][-1].status == "missing"


def test_zips_of_many_writers_are_read(tmp_path: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    # A stream, whose sizes come after the data; the records of large archives; something in front; a comment behind.
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)

    class Stream(io.RawIOBase):
        def __init__(self, file: Any) -> None:
            self.file = file

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return int(self.file.write(data))

    with (tmp_path / "a.zip").open("wb") as file:
        file.write(b"#!/bin/sh\n")
        with zipfile.ZipFile(Stream(file), "w", zipfile.ZIP_DEFLATED) as archive:
            for name, number in (("größe/a.png", 1), ("b.png", 2)):
                with archive.open(name, "w", force_zip64=True) as member:
                    member.write(picture(number))
            archive.comment = b"comment" * 100
    source, entries = open_and_list(tmp_path / "a.zip")
    assert [entry.uri.partition("::")[2] for entry in entries] == ["größe/a.png", "b.png"]
    assert contents(source, entries) == [picture(1), picture(2)]
    # An old writer, whose names are in the code page of DOS.
    write_zip(tmp_path / "old.zip", {"gr__e.png": picture(3)})
    data = (tmp_path / "old.zip").read_bytes().replace(b"gr__e.png", "größe.png".encode("cp437"))
    (tmp_path / "old.zip").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "old.zip") as archive:
        expected = archive.namelist()
    source, entries = open_and_list(tmp_path / "old.zip")
    assert [entry.uri.partition("::")[2] for entry in entries] == expected == ["größe.png"]


def test_what_is_wrong_in_a_zip_is_a_rejected_row(tmp_path: Path, picture: Picture) -> None:
    link, pipe = zipfile.ZipInfo("link.png"), zipfile.ZipInfo("pipe.png")
    link.external_attr, pipe.external_attr = 0o120777 << 16, 0o010666 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.png", picture(1))
        archive.writestr("../out.png", picture(2))
        archive.writestr("a/..\\..\\out.png", picture(2))
        archive.writestr("/etc/a.png", picture(2))
        archive.writestr(link, "/etc/passwd")
        archive.writestr(pipe, "")
        archive.mkdir("folder.png")
        archive.writestr("g__d.png", picture(3))
        archive.writestr("locked.png", picture(4))
        archive.writestr("odd.png", picture(4))
        archive.writestr("huge.png", picture(4))
        archive.writestr("far.png", picture(4))
        archive.writestr("n_me.png", picture(4))
        archive.writestr("last.png", picture(5))
    data = bytearray((tmp_path / "a.zip").read_bytes())

    def patch(name: bytes, at: int, value: bytes) -> None:
        record = data.rindex(name) - 46
        assert data[record : record + 4] == b"PK\x01\x02"
        data[record + at : record + at + len(value)] = value

    patch(b"g__d.png", 46, b"good")
    patch(b"locked.png", 8, b"\1")
    patch(b"odd.png", 10, b"\x09")
    patch(b"huge.png", 24, struct.pack("<L", MAX_IMAGE_BYTES + 1))
    patch(b"far.png", 20, struct.pack("<L", 10**6))
    patch(b"n_me.png", 8, b"\0\x08")
    patch(b"n_me.png", 47, b"\xff")
    (tmp_path / "a.zip").write_bytes(data)
    source, entries = open_and_list(tmp_path / "a.zip")
    assert {entry.uri.partition("::")[2]: entry.status for entry in entries} == {
        "good.png": "listed",
        "../out.png": "bad-name",
        "a/..\\..\\out.png": "bad-name",
        "/etc/a.png": "bad-name",
        "link.png": "not-a-file",
        "pipe.png": "not-a-file",
        "folder.png": "not-a-file",
        "good.png#2": "bad-name",
        "locked.png": "unreadable",
        "odd.png": "unreadable",
        "huge.png": "too-large",
        "far.png": "broken",
        "n\\xffme.png": "bad-name",
        "last.png": "listed",
    }
    assert contents(source, [entries[0], entries[-1]]) == [picture(1), picture(5)]


@pytest.mark.parametrize(
    ("method", "packed"),
    [
        (8, zlib.compress(bytes(50_000_000), 9)[2:-4]),
        (12, bz2.compress(bytes(50_000_000))),
        (14, b"\x09\x14\x05\0\x5d\xff\xff\xff\xff" + lzma.compress(bytes(50_000_000), lzma.FORMAT_ALONE)[13:]),
    ],
    ids=["deflate", "bzip2", "lzma"],
)
def test_a_member_that_unpacks_to_more_than_it_claims_is_not_unpacked(
    tmp_path: Path, method: int, packed: bytes
) -> None:
    local = b"PK\3\4" + struct.pack("<HH", 20, 0) + struct.pack("<3H3L2H", method, 0, 0, 0, len(packed), 100, 5, 0)
    record = b"PK\1\2" + struct.pack("<3H", 20, 20, 0) + struct.pack("<3H3L", method, 0, 0, 0, len(packed), 100)
    record += struct.pack("<5H2L", 5, 0, 0, 0, 0, 0, 0) + b"a.png"
    start = len(local) + 5 + len(packed)
    end = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 1, 1, len(record), start, 0)
    (tmp_path / "a.zip").write_bytes(local + b"a.png" + packed + record + end)
    source, (entry,) = open_and_list(tmp_path / "a.zip")
    tracemalloc.start()
    with pytest.raises(Rejected) as caught:
        source.read(entry)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.status == "broken"
    assert peak < 5_000_000


def test_a_zip_that_is_cut_or_damaged_is_told(tmp_path: Path, picture: Picture) -> None:
    write_zip(tmp_path / "a.zip", {f"{number}.png": picture(number) for number in range(4)}, zipfile.ZIP_STORED)
    whole = (tmp_path / "a.zip").read_bytes()
    write_zip(tmp_path / "z.zip", {"z.png": picture(9)})
    third_damaged = whole.replace(b"PK\1\2", b"PK\1\3").replace(b"PK\1\3", b"PK\1\2", 2)
    for data, listed, error in (
        (whole[:-30], 0, "no table of contents at its end"),
        (whole[200:], 0, "cut off or damaged"),
        (third_damaged, 2, "rest is lost"),
        (whole[:-12] + b"\x09" + whole[-11:], 4, "lists 4 of 9"),
        (b"words", 0, "no table of contents"),
        (b"", 0, "no table of contents"),
    ):
        (tmp_path / "b.zip").write_bytes(data)
        entries = open_and_list(tmp_path / "{b,z}.zip")[1]
        assert [entry.status for entry in entries] == [*["listed"] * listed, "broken", "listed"]
        assert error in entries[-2].error
    # An image whose bytes have changed does not fit its checksum.
    (tmp_path / "b.zip").write_bytes(whole.replace(picture(2), picture(2)[:-1] + b"x"))
    source, entries = open_and_list(tmp_path / "b.zip")
    with pytest.raises(Rejected, match="checksum"):
        source.read(entries[2])


@given(st.lists(st.tuples(st.integers(0, 900), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4))
def test_no_zip_breaks_the_listing(
    tmp_path_factory: pytest.TempPathFactory, picture: Picture, noise: list[tuple[int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("zip")
    write_zip(folder / "a.zip", {f"{'long' * 9}-{number}.png": picture(number) for number in range(3)})
    data = bytearray((folder / "a.zip").read_bytes())
    for at, piece in noise:
        data[at % len(data) : at % len(data) + len(piece)] = piece
    (folder / "a.zip").write_bytes(data)
    # The first bytes may come to be those of another kind of file.
    with suppress(SourceError):
        source, entries = open_and_list(folder / "a.zip")
        for entry in entries:
            if entry.status == "listed":
                with suppress(Rejected):
                    assert len(source.read(entry)) == entry.bytes


def pack(kind: str, path: Path, members: dict[str, bytes]) -> None:
    (write_tar if kind == "tar" else write_zip)(path, members)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_what_lies_beside_the_images_of_an_archive_is_passed_over(tmp_path: Path, picture: Picture, kind: str) -> None:
    aside = ("__MACOSX/a.png", "._b.png", "x/.cache/c.png", "@eaDir/d.png", "./.git/e.jpg")
    beside = ("a.json", "a.cls", "b.json", "README")
    members = {name: picture(number) for number, name in enumerate((*aside, *beside, "./a.png", "x/.b.000.front.jpg"))}
    pack(kind, tmp_path / f"a.{kind}", members)
    source, entries = open_and_list(tmp_path / f"a.{kind}")
    assert [entry.uri.partition("::")[2] for entry in entries] == ["./a.png", "x/.b.000.front.jpg"]
    assert contents(source, entries) == [picture(9), picture(10)]
    where = f"{tmp_path}/a.{kind}::"
    assert told(source) == (
        f"in {tmp_path}/a.{kind}; passed over: images in folders named __MACOSX (1, such as {where}__MACOSX/a.png), "
        f"files named ._* (1, such as {where}._b.png), images in hidden folders (2, such as {where}x/.cache/c.png), "
        f"images in folders named @eaDir (1, such as {where}@eaDir/d.png), .json files (2), .cls files (1), files "
        "without a suffix (1)"
    )


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_zero_byte_in_a_member_s_name_is_a_rejected_row(tmp_path: Path, picture: Picture, kind: str) -> None:
    names_of = {"a_b.png": "a\0b.png", "_.png": "\0.png", "__MACOSX/c_.png": "__MACOSX/c\0.png"}
    if kind == "tar":
        with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
            for name in (*names_of.values(), "a\\x00b.png"):
                info = tarfile.TarInfo(name)
                info.size, info.pax_headers = len(picture(1)), {"path": name}
                archive.addfile(info, io.BytesIO(picture(1)))
    else:
        write_zip(tmp_path / "a.zip", dict.fromkeys((*names_of, "a\\x00b.png"), picture(1)))
        data = (tmp_path / "a.zip").read_bytes()
        for written, name in names_of.items():
            data = data.replace(written.encode(), name.encode())
        (tmp_path / "a.zip").write_bytes(data)
    source, entries = open_and_list(tmp_path / f"a.{kind}")
    assert [entry.status for entry in entries[:2]] == ["bad-name"] * 2
    assert {entry.error for entry in entries[:2]} == {"the member's name contains a zero byte"}
    assert [entry.uri.partition("::")[2] for entry in entries[:2]] == ["a\\x00b.png", "\\x00.png"]
    assert "\0" not in told(source)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_that_opens_and_cannot_be_read_says_why(tmp_path: Path, picture: Picture, kind: str) -> None:
    pack(kind, tmp_path / f"a.{kind}", {"a.png": picture(1)})
    # Nothing is at address 0.
    (tmp_path / f"b.{kind}").symlink_to("/proc/self/mem")
    (tmp_path / f"c.{kind}").mkdir()
    entries = open_and_list(f"{tmp_path}/{{a,b,c}}.{kind}")[1]
    assert [entry.status for entry in entries] == ["listed", "unreadable", "missing"]
    assert entries[1].error.startswith("reading failed: ")
    assert entries[2].error == "it is a directory"
    with pytest.raises(SourceError, match=f"b.{kind}: reading failed"):
        open_source("real", f"{tmp_path}/b.{kind}")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_is_there_and_is_taken_as_a_whole(tmp_path: Path, picture: Picture, kind: str) -> None:
    with pytest.raises(SourceError, match=f"a.{kind}: there is no such file"):
        open_source("real", f"{tmp_path}/a.{kind}")
    pack(kind, tmp_path / f"a.{kind}", {"day/a.png": picture(1), "night/b.png": picture(2)})
    with pytest.raises(SourceError, match="leave out ::day"):
        open_source("real", f"{tmp_path}/a.{kind}::day")


ZSTD = b"\x28\xb5\x2f\xfd" + bytes(600)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(bytes(2000)), "compressed with gzip; unpack it"),
        (bz2.compress(bytes(2000)), "compressed with bzip2; unpack it"),
        (lzma.compress(bytes(2000)), "compressed with xz; unpack it"),
        (ZSTD, "compressed with Zstandard; unpack it"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive.*unpack it"),
        (b"Rar!\x1a\x07\1\0", "a RAR archive.*unpack it"),
        (b"PAR1" + bytes(99), "a Parquet file; rename it to end in .parquet"),
        (b"\x93NUMPY" + bytes(99), "a NumPy file; rename it to end in .npy"),
    ],
    # The bytes differ by time, and test workers compare the names of tests.
    ids=["gzip", "bzip2", "xz", "zstd", "7z", "rar", "parquet", "numpy"],
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_that_is_something_else_says_what(
    tmp_path: Path, picture: Picture, kind: str, data: bytes, message: str
) -> None:
    (tmp_path / f"b.{kind}").write_bytes(data)
    with pytest.raises(SourceError, match=f"b.{kind}: it is {message}") as caught:
        open_source("real", f"{tmp_path}/b.{kind}")
    assert "\n" not in str(caught.value)
    pack(kind, tmp_path / f"a.{kind}", {"a.png": picture(1)})
    pack(kind, tmp_path / f"c.{kind}", {"c.png": picture(3)})
    entries = open_and_list(f"{tmp_path}/{{a,b,c}}.{kind}")[1]
    assert [entry.status for entry in entries] == ["listed", "broken", "listed"]
    assert message.partition(";")[0].partition(".*")[0] in entries[1].error


def test_an_archive_of_the_other_kind_is_named(tmp_path: Path, picture: Picture) -> None:
    write_zip(tmp_path / "a.tar", {"a.png": picture(1)})
    # A member whose name begins like another kind of file, and an archive within the archive.
    write_zip(tmp_path / "inner.zip", {"b.png": picture(1)}, zipfile.ZIP_STORED)
    write_tar(tmp_path / "b.zip", {"BZh91AY&SY.png": picture(1), "z.zip": (tmp_path / "inner.zip").read_bytes()})
    with pytest.raises(SourceError, match=r"a\.tar: it is a zip archive; rename it to end in \.zip"):
        open_source("real", f"{tmp_path}/a.tar")
    with pytest.raises(SourceError, match=r"b\.zip: it is a tar archive; rename it to end in \.tar"):
        open_source("real", f"{tmp_path}/b.zip")
    (tmp_path / "b.zip").rename(tmp_path / "b.tar")
    assert names(open_and_list(tmp_path / "b.tar")[1]) == ["b.tar::BZh91AY&SY.png"]


def write_table(path: Path, images: list[bytes]) -> None:
    pq.write_table(pa.table({"image": images}), path)


@pytest.mark.parametrize("end", ["tar", "zip", "parquet"])
def test_a_folder_of_containers_is_opened_as_those(tmp_path: Path, picture: Picture, end: str) -> None:
    root = tmp_path / "set"
    for number, name in enumerate((f"b.{end}", f"a.{end}", f"deep/c.{end}")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if end == "parquet":
            write_table(root / name, [picture(number)])
        else:
            pack(end, root / name, {"0.png": picture(number)})
    for name in (".cache/x.png", f".cache/x.{end}", "@eaDir/y.jpg", f"._a.{end}", "README.md"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"hidden")
    source, entries = open_and_list(root)
    assert contents(source, entries) == [picture(number) for number in (1, 0, 2)]
    assert source.folder == source.location == str(root)
    noun = "Parquet file" if end == "parquet" else f"{end} archive"
    assert told(source).endswith(f"the folder holds 3 {noun}s")
    (root / "deep" / "photo.JPG").write_bytes(picture(7))
    assert names(open_and_list(root)[1]) == ["photo.JPG"]


def test_a_folder_holds_images_or_archives_by_what_a_folder_lists(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "deep").mkdir()
    write_tar(tmp_path / "deep" / "a.tar", {"a.png": picture(1)})
    assert names(open_and_list(tmp_path)[1]) == ["a.tar::a.png"]
    (tmp_path / "._1.jpg").write_bytes(picture(2))
    assert names(open_and_list(tmp_path)[1]) == ["a.tar::a.png"]
    (tmp_path / ".1.jpg").write_bytes(picture(2))
    assert names(open_and_list(tmp_path)[1]) == [".1.jpg"]


def test_a_folder_of_several_kinds_is_refused_with_what_it_holds(tmp_path: Path, picture: Picture) -> None:
    write_table(tmp_path / "x.parquet", [picture(1)])
    for name in ("a.tar", "b.tar"):
        write_tar(tmp_path / name, {"a.png": picture(1)})
    with pytest.raises(
        SourceError, match=r"holds 1 Parquet file \(x\.parquet\) and 2 tar archives \(a\.tar\)"
    ) as caught:
        open_source("real", str(tmp_path))
    assert names(open_and_list(str(caught.value).rpartition("such as ")[2].strip("'"))[1]) == ["x.parquet#0"]


def test_a_column_of_a_folder_of_parquet_files_can_be_named(tmp_path: Path, picture: Picture) -> None:
    table = pa.table({"front": [picture(1)], "rear": [picture(2)]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=f"name one, such as {tmp_path}::front"):
        open_source("real", str(tmp_path))
    source, entries = open_and_list(f"{tmp_path}::rear")
    assert contents(source, entries) == [picture(2)]
    (tmp_path / "tars").mkdir()
    write_tar(tmp_path / "tars" / "a.tar", {"a.png": picture(1)})
    with pytest.raises(SourceError, match="names a column of Parquet files"):
        open_source("real", f"{tmp_path}/tars::rear")


def test_an_ordinary_folder_is_looked_at_no_further_than_its_first_image(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[object]()
    scan = os.scandir

    def count(path: Any) -> Any:
        seen.append(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", count)
    open_source("real", str(folder))
    assert len(seen) == 1


@pytest.mark.parametrize("split", ["", "train"])
def test_a_saved_hugging_face_dataset_says_how_to_export_it(tmp_path: Path, split: str) -> None:
    (tmp_path / split).mkdir(exist_ok=True)
    for name in ("state.json", "dataset_info.json", "data-00000-of-00001.arrow"):
        (tmp_path / split / name).write_bytes(b"{}")
    with pytest.raises(SourceError, match="save_to_disk") as caught:
        open_source("real", str(tmp_path))
    chosen = '["train"]' if split else ""
    assert f'load_from_disk("{tmp_path}"){chosen}.to_parquet(' in str(caught.value)


def test_a_file_under_another_name_says_what_it_is(tmp_path: Path, picture: Picture) -> None:
    write_tar(tmp_path / "shard.000", {"a.png": picture(1)})
    write_zip(tmp_path / "photos.cbz", {"a.png": picture(1)})
    write_table(tmp_path / "part.pq", [picture(1)])
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    (tmp_path / "arrays.npz").rename(tmp_path / "arrays.numpy")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x"))
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    (tmp_path / "photo.jpg").write_bytes(picture(1))
    (tmp_path / "broken.jpg").write_bytes(b"")
    (tmp_path / "words.doc").write_bytes(b"words")
    for name, message in {
        "shard.000": "is a tar archive; rename it to end in .tar",
        "photos.cbz": "is a zip archive; rename it to end in .zip",
        "part.pq": "is a Parquet file; rename it to end in .parquet",
        "arrays.numpy": "is a NumPy archive; rename it to end in .npz",
        "a.gz": "is compressed with gzip; unpack it first",
        "a.h5": "is an HDF5 file; save its images",
        "photo.jpg": "is one image; a dataset is a folder of images",
        "broken.jpg": "is one image; a dataset is a folder of images",
        "words.doc": "is a file; give a folder",
    }.items():
        with pytest.raises(SourceError) as caught:
            open_source("real", str(tmp_path / name))
        assert f"{name} {message}" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_shard_that_is_gone_from_the_folder_is_a_rejected_read(tmp_path: Path, picture: Picture) -> None:
    for name in ("a", "b"):
        write_tar(tmp_path / f"{name}.tar", {"0.png": picture(1)})
    entries = open_and_list(tmp_path)[1]
    (tmp_path / "b.tar").unlink()
    with pytest.raises(Rejected) as caught:
        open_source("real", str(tmp_path)).read(entries[1])
    assert caught.value.status == "missing"


def test_a_zip_behind_a_url_is_read(tmp_path: Path, picture: Picture) -> None:
    write_zip(tmp_path / "a.zip", {f"{number}.png": picture(number) for number in range(3)})
    fsspec.filesystem("memory").put(f"{tmp_path}/a.zip", f"/{tmp_path.name}/a.zip")
    source, entries = open_and_list(f"images:memory://{tmp_path.name}/a.zip")
    assert source.location == f"images:memory://{tmp_path.name}/a.zip"
    assert contents(source, entries) == [picture(number) for number in range(3)]
