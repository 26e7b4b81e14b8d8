"""Every kind of source: what it lists, and that each entry opens the image that it names."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from open_and_list import contents, names, open_and_list

from gapscope.errors import SourceError
from gapscope.sources import open_source
from gapscope.sources.kinds import is_missing
from gapscope.sources.name_counter import NameCounter
from gapscope.sources.patterns import expand_braces
from gapscope.sources.rejects import Rejected
from gapscope.store.index import indexed_entries, write_index
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore

Picture = Callable[[int], bytes]


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


def test_suffixes_in_capitals_are_those_in_small_letters(folder: Path, picture: Picture) -> None:
    (folder / "LIST.CSV").write_text("path\na.png\nb.png\n")
    (folder / "SPLIT.TXT").write_text("a.png 1\nb.png 2\n")
    np.save(folder / "a.npy", np.zeros((2, 4, 4, 3), np.uint8))
    (folder / "a.npy").rename(folder / "A.NPY")
    pq.write_table(pa.table({"image": [picture(1), picture(2)]}), folder / "T.PARQUET")
    with zipfile.ZipFile(folder / "Z.ZIP", "w") as archive:
        archive.writestr("a.png", picture(1))
        archive.writestr("b.png", picture(2))
    for name in ("LIST.CSV", "SPLIT.TXT", "A.NPY", "T.PARQUET", "Z.ZIP"):
        source, entries = open_and_list(folder / name)
        assert [entry.status for entry in entries] == ["listed", "listed"]
        assert all(contents(source, entries))


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "set [1]").mkdir()
    (tmp_path / "set [1]" / "a.png").write_bytes(picture(1))
    assert names(open_and_list(tmp_path / "set [1]")[1]) == ["a.png"]


def test_a_folder_with_the_separator_in_its_name_is_there(tmp_path: Path) -> None:
    (tmp_path / "a::b").mkdir()
    assert not is_missing(f"{tmp_path}/a::b")
    assert is_missing(f"{tmp_path}/c::b")


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
    assert source.columns == {"speed": "number", "on": "text"}
    assert [entry.values for entry in entries] == [{"speed": 1.0, "on": "true"}, {"speed": None, "on": "false"}]
    assert contents(source, entries) == [picture(1), picture(0)]


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("list.csv", "name the column that holds the images' paths.*there are a, b"),
        ("list.csv::c", "there are a, b"),
        ("list.txt::c", "no columns"),
        ("none.csv", "no such file"),
        ("bad.parquet", "cannot be read as Parquet"),
        ("bad.json", "cannot be read as JSON"),
        ("list.json", "not a COCO annotation file"),
        ("empty.json", "lists no images"),
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
    for name in ("list.txt", "bad.parquet", "bad.json", "words.doc"):
        (tmp_path / name).write_text("words")
    with pytest.raises(SourceError, match=message) as caught:
        open_source("real", location if "://" in location else str(tmp_path / location))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


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


def test_an_image_that_changes_or_goes_after_the_listing_is_rejected(folder: Path, picture: Picture) -> None:
    source, entries = open_and_list(folder)
    (folder / "a.png").write_bytes(picture(1) + b"more")
    (folder / "b.png").unlink()
    for entry, status in zip(entries[:2], ("changed", "missing"), strict=True):
        with pytest.raises(Rejected) as caught:
            source.read(entry)
        assert caught.value.status == status


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
