"""Every kind of source: what it lists, and that each entry opens the image that it names."""

import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from gapscope.decode.picture import decode
from gapscope.errors import SourceError
from gapscope.settings import Preprocess
from gapscope.sources import Entry, Source, open_source
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.patterns import expand_braces
from gapscope.sources.rejects import STATUSES, Rejected
from gapscope.store.index import indexed_entries, write_index
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore

Picture = Callable[[int], bytes]


def open_and_list(location: object, *, objects: bool = False) -> tuple[Source, list[Entry]]:
    """A source as a worker gets it, and its entries, which must be the same each time."""
    source: Source = pickle.loads(pickle.dumps(open_source("real", str(location), objects=objects)))
    entries = list(source.entries())
    assert list(source.entries()) == entries
    assert len({entry.uri for entry in entries}) == len(entries)
    assert {entry.status for entry in entries} <= set(STATUSES)
    again = open_source("real", source.location, objects=objects)
    assert list(again.entries()) == entries
    return source, entries


def names(entries: list[Entry]) -> list[str]:
    return [entry.uri.rpartition("/")[2] for entry in entries]


def contents(source: Source, entries: list[Entry]) -> list[bytes]:
    return [source.read(entry) for entry in entries]


def test_a_glob_takes_what_it_matches_whatever_its_ending(folder: Path, picture: Picture) -> None:
    (folder / "deep" / "deeper").mkdir()
    (folder / "deep" / "deeper" / "e.data").write_bytes(picture(9))
    source, entries = open_and_list(folder / "*.png")
    assert names(entries) == ["a.png", "b.png"]
    assert contents(source, entries) == [picture(1), picture(0)]
    assert source.folder == str(folder)
    assert names(open_and_list(folder / "**" / "*.[jp]*g")[1]) == ["a.png", "b.png", "d.jpg"]
    assert names(open_and_list(folder / "**" / "e.data")[1]) == ["e.data"]
    with pytest.raises(SourceError, match="there is no folder"):
        open_source("real", str(folder / "nowhere" / "*.png"))


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "set [1]").mkdir()
    (tmp_path / "set [1]" / "a.png").write_bytes(picture(1))
    assert names(open_and_list(tmp_path / "set [1]")[1]) == ["a.png"]


def test_a_text_list_names_a_path_per_line(folder: Path, picture: Picture) -> None:
    (folder / "list.txt").write_text(f"# mine\n\nb.png\n{folder}/deep/d.jpg\nb.png\ngone.png\n../photos/a.png\ndeep\n")
    source, entries = open_and_list(folder / "list.txt")
    assert names(entries) == ["b.png", "d.jpg", "b.png#2", "gone.png", "a.png", "deep"]
    assert [entry.status for entry in entries] == ["listed"] * 3 + ["missing", "listed", "not-a-file"]
    assert contents(source, [entry for entry in entries if entry.status == "listed"]) == [
        picture(0),
        picture(3),
        picture(0),
        picture(1),
    ]


def test_a_table_brings_its_other_columns_along(folder: Path, picture: Picture) -> None:
    (folder / "list.csv").write_text('id,image,city,speed\n1,a.png,"Köln, Rhein",3.5\n2,b.png,,\n3,deep/d.jpg,Ulm,4\n')
    pq.write_table(
        pa.table({"image_path": ["a.png", "b.png"], "speed": [1, None], "on": [True, False], "tags": [["x"], []]}),
        folder / "list.parquet",
    )
    source, entries = open_and_list(folder / "list.csv")
    assert source.columns == {"id": "number", "city": "text", "speed": "number"}
    assert contents(source, entries) == [picture(1), picture(0), picture(3)]
    assert [entry.values for entry in entries] == [
        {"id": 1.0, "city": "Köln, Rhein", "speed": 3.5},
        {"id": 2.0, "city": None, "speed": None},
        {"id": 3.0, "city": "Ulm", "speed": 4.0},
    ]
    source, entries = open_and_list(f"{folder}/list.parquet::image_path")
    assert source.columns == {"speed": "number", "on": "number"}
    assert [entry.values for entry in entries] == [{"speed": 1.0, "on": 1.0}, {"speed": None, "on": 0.0}]
    assert contents(source, entries) == [picture(1), picture(0)]


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("list.csv", "name the column that holds the images' paths.*there are a, b"),
        ("list.csv::c", "there are a, b"),
        ("list.txt::c", "no columns"),
        ("none.csv", "no such file"),
        ("bad.parquet", "cannot be read as Parquet"),
        ("bad.npy", "cannot be read as a NumPy file"),
        ("bad.json", "cannot be read as JSON"),
        ("list.json", "not a COCO annotation file"),
        ("empty.json", "lists no images"),
        ("flat.npy", r"shape \(N, H, W\)"),
        ("objects.npy", "of unsigned integers"),
        ("columns.npy", "Fortran order"),
        ("group.zarr", "name one"),
        ("none.zarr", "cannot be read as Zarr"),
        ("a.tar.gz", "unpack it"),
        ("*.tar", "no file matches"),
        ("words.doc", "is a file; give"),
        ("nowhere", "there is no folder"),
        ("s3://user:secret@bucket/folder", "a password in a URL"),
        ("what://bucket/folder", "what"),
    ],
)
def test_what_cannot_be_a_source_is_one_line(tmp_path: Path, location: str, message: str) -> None:
    (tmp_path / "list.csv").write_text("a,b\n1,2\n")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "empty.json").write_text('{"images": []}')
    for name in ("list.txt", "bad.parquet", "bad.npy", "bad.json", "words.doc"):
        (tmp_path / name).write_text("words")
    np.save(tmp_path / "flat.npy", np.zeros((3, 4), np.uint8))
    np.save(tmp_path / "objects.npy", np.zeros((3, 4, 4), "datetime64[s]"))
    np.save(tmp_path / "columns.npy", np.asfortranarray(np.zeros((3, 4, 4), np.uint8)))
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    with pytest.raises(SourceError, match=message) as caught:
        open_source("real", location if "://" in location else str(tmp_path / location))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


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
    source, entries = open_and_list(folder / "a.tar")
    for entry in entries:
        if entry.status == "listed":
            assert len(source.read(entry)) == entry.bytes


def test_a_header_that_claims_to_be_huge_is_not_believed(tmp_path: Path, picture: Picture) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**40
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + picture(1))
    assert [entry.status for entry in open_and_list(tmp_path / "a.tar")[1]] == ["broken"]


def test_a_list_in_another_encoding_or_with_holes_can_be_indexed(folder: Path, tmp_path: Path) -> None:
    (folder / "old.csv").write_bytes("image,größe,city\ngrün.png,1,Köln\n".encode("latin-1"))
    (folder / "old.txt").write_bytes("http://host/grün.png\nb.png\n".encode("latin-1"))
    (folder / "wide.txt").write_bytes("a.png\n".encode("utf-16"))
    (folder / "short.csv").write_text("number,image\n1\n2,a.png\n")
    pq.write_table(pa.table({"image": [None, "a.png"], "number": [1, 2]}), folder / "holes.parquet")
    expected = {
        "old.csv": ["missing"],
        "old.txt": ["listed", "listed"],
        "wide.txt": ["listed"],
        "short.csv": ["missing", "listed"],
        "holes.parquet": ["missing", "listed"],
    }
    run = RunStore(tmp_path, RunRecord.of_embeddings(dict.fromkeys(expected, 2), {}, block_rows=32))
    for name, statuses in expected.items():
        source, entries = open_and_list(folder / name)
        assert [entry.status for entry in entries] == statuses
        write_index(run, name, entries, source.columns)
        assert [entry.uri for entry in indexed_entries(run, name)] == [entry.uri for entry in entries]
    assert next(indexed_entries(run, "old.csv")).values == {"größe": 1.0, "city": "Köln"}


def test_names_that_come_again_are_counted_however_long_the_list() -> None:
    counter = NameCounter()
    for number in range(2 * 2**16 + 5):
        assert counter.add(f"{number}.png") == 1
    assert [counter.add(name) for name in ("0.png", "131072.png", "0.png", "new.png", "new.png")] == [2, 2, 3, 1, 2]


def test_parquet_files_hold_images_and_columns(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "beside.png").write_bytes(picture(99))
    for part in range(2):
        rows: list[dict[str, Any]] = [
            {"bytes": picture(part * 100 + number), "path": f"{number}.png"} for number in range(70)
        ]
        rows[3] = {"bytes": None, "path": "beside.png"}
        rows[4] = {"bytes": None, "path": "../../etc/passwd"}
        table = pa.table({"image": rows, "label": [number % 3 for number in range(70)], "caption": ["a"] * 70})
        pq.write_table(table, tmp_path / f"train-{part}.parquet", row_group_size=40)
    source, entries = open_and_list(tmp_path / "train-*.parquet")
    assert source.columns == {"label": "number", "caption": "text"}
    assert len(entries) == 140
    assert entries[75].uri.endswith("train-1.parquet#5")
    assert entries[75].values == {"label": 2.0, "caption": "a"}
    # In any order, also backwards over the ends of batches and row groups.
    for row in (0, 1, 69, 2, 68, 35, 34, 33, 32, 31, 41, 40, 39, 139, 70):
        assert source.read(entries[row]) == picture(row if row < 70 else row + 30)
    assert source.read(entries[3]) == picture(99)
    with pytest.raises(Rejected) as caught:
        source.read(entries[4])
    assert caught.value.status == "missing"


def test_a_column_of_plain_bytes_holds_images_too(tmp_path: Path, picture: Picture) -> None:
    pq.write_table(pa.table({"jpg": [picture(1), picture(2), None], "id": [1, 2, 3]}), tmp_path / "a.parquet")
    source, entries = open_and_list(tmp_path / "a.parquet")
    assert contents(source, entries[:2]) == [picture(1), picture(2)]
    with pytest.raises(Rejected, match="holds no image"):
        source.read(entries[2])


@pytest.mark.parametrize("shape", [(5, 6, 8), (5, 6, 8, 1), (5, 6, 8, 3), (5, 6, 8, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "bool"])
def test_rows_of_an_array_are_images(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    values: Any = (np.random.default_rng(0).random(shape) * (1 if dtype == "float32" else 200)).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    zarr.save_array(tmp_path / "a.zarr", values)
    group = zarr.open_group(tmp_path / "group.zarr", mode="w")
    group.create_array("deep/images", data=values, chunks=(2, *shape[1:]))
    for location in ("a.npy", "a.zarr", "group.zarr::deep/images"):
        source, entries = open_and_list(tmp_path / location)
        assert [entry.uri for entry in entries] == [f"{tmp_path}/{location}#{row}" for row in range(5)]
        for row in (0, 4, 1, 2, 3):
            np.testing.assert_array_equal(np.load(io.BytesIO(source.read(entries[row]))), values[row])


def test_an_image_that_changes_or_goes_after_the_listing_is_rejected(folder: Path, picture: Picture) -> None:
    source, entries = open_and_list(folder)
    (folder / "a.png").write_bytes(picture(1) + b"more")
    (folder / "b.png").unlink()
    for entry, status in zip(entries[:2], ("changed", "missing"), strict=True):
        with pytest.raises(Rejected) as caught:
            source.read(entry)
        assert caught.value.status == status


@pytest.mark.parametrize("kind", ["a.tar", "a.parquet", "a.npy"])
def test_an_image_whose_container_changes_or_goes_after_the_listing_is_rejected(
    tmp_path: Path, picture: Picture, kind: str
) -> None:
    def write(first: int) -> None:
        images = {f"{number}.png": picture(number) + b"x" * (number % 7) for number in range(first, first + 3)}
        write_tar(tmp_path / "a.tar", images)
        pq.write_table(pa.table({"image": list(images.values())}), tmp_path / "a.parquet")
        np.save(tmp_path / "a.npy", np.full((3, 5, 5), first, np.uint8))

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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.tar", ["a.tar"]),
        ("a-{8..10}.tar", ["a-8.tar", "a-9.tar", "a-10.tar"]),
        ("a-{08..10}.tar", ["a-08.tar", "a-09.tar", "a-10.tar"]),
        ("{x,y}-{1..2}", ["x-1", "x-2", "y-1", "y-2"]),
        ("{odd}", ["{odd}"]),
        ("{2..1}", []),
    ],
)
def test_braces_stand_for_many_names(name: str, expected: list[str]) -> None:
    assert expand_braces(name) == expected


def test_rows_of_an_array_decode(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((1, 40, 40, 3), 90, np.uint8))
    source, entries = open_and_list(tmp_path / "a.npy")
    assert (decode(source.read(entries[0]), Preprocess(size=64)).pixels == 90).all()
