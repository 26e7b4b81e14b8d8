"""Lists as people have them: what is plainly meant is read, a guess is told, and no row is lost."""

import gzip
import json
import os
import pickle
import resource
import unicodedata
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gapscope.errors import SourceError
from gapscope.sources import Entry, Source, open_source
from gapscope.sources.notes import ListingNotes

Form = Literal["NFC", "NFD"]
FORMS: tuple[Form, ...] = get_args(Form)
NAMES = ["images/000.jpg", "images/my photo 1.png", "images/Köln é.webp"]


class Listing(NamedTuple):
    source: Source
    entries: list[Entry]
    told: str

    @property
    def labels(self) -> list[object]:
        return [entry.values.get("label") for entry in self.entries]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with three images in a folder of theirs."""
    (tmp_path / "images").mkdir()
    for name in NAMES:
        (tmp_path / name).write_bytes(b"x" * len(name))
    return tmp_path


def list_images(location: object) -> Listing:
    """What a worker lists, which must be the same each time, and what is said about it."""
    source: Source = pickle.loads(pickle.dumps(open_source("real", str(location))))
    notes = ListingNotes()
    entries = list(source.entries(notes))
    assert list(open_source("real", source.location).entries()) == entries
    assert len({entry.uri for entry in entries}) == len(entries)
    for entry in entries:
        assert "://" in entry.uri or os.path.normpath(entry.uri) in (entry.uri, entry.uri[:-1])
        assert entry.uri.startswith("/") or "://" in entry.uri
        entry.uri.encode()
        if entry.status == "listed" and "://" not in entry.uri:
            assert len(source.read(entry)) == entry.bytes
    assert "\n" not in notes.describe()
    return Listing(source, entries, notes.describe())


def all_found(listing: Listing, data: Path, names: list[str] = NAMES) -> bool:
    return [(entry.uri, entry.status) for entry in listing.entries] == [(f"{data}/{name}", "listed") for name in names]


ENCODINGS = {
    "utf-8": "",
    "utf-8-sig": "",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16-LE",
    "utf-16-be": "UTF-16-BE",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252",
}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_list_may_be_in_any_encoding_and_packed(data: Path, encoding: str, newline: str) -> None:
    rows = ["Path ; Größe;weather", *(f'"{name}";{number};"rain; Föhn"' for number, name in enumerate(NAMES))]
    contents = {
        "list.txt": "".join(f'"{name}"{newline}' for name in NAMES),
        "list.csv": newline.join(rows),
        "list.jsonl": "".join(json.dumps({"file_name": name}, ensure_ascii=False) + newline for name in NAMES),
    }
    for name, content in contents.items():
        for packed in (False, True):
            encoded = content.encode(encoding)
            (data / name).write_bytes(gzip.compress(encoded) if packed else encoded)
            os.utime(data / name, ns=(0, packed))
            listing = list_images(data / name)
            assert all_found(listing, data)
            assert ENCODINGS[encoding] in listing.told
            assert ("read as" in listing.told) == bool(ENCODINGS[encoding])
            if name == "list.csv":
                assert listing.source.columns == {"Größe": "number", "weather": "text"}
                assert [entry.values["weather"] for entry in listing.entries] == ["rain; Föhn"] * 3
                assert "semicolons" in listing.told


def test_utf_16_without_a_mark_may_hold_few_ascii_characters(data: Path) -> None:
    names = [f"図面/雪の中の猫{number}.jpg" for number in range(3)]
    (data / "図面").mkdir()
    for name in names:
        (data / name).write_bytes(b"x")
    (data / "list.txt").write_bytes("\n".join(names).encode("utf-16-le"))
    assert all_found(list_images(data / "list.txt"), data, names)


def test_a_line_that_is_not_utf_8_spoils_no_other(data: Path) -> None:
    (data / "images" / "grün.png").write_bytes(b"x")
    (data / os.fsdecode(b"images/\xffraw.png")).write_bytes(b"x")
    lines = [NAMES[2].encode(), "images/grün.png".encode("latin-1"), b"images/\xffraw.png", b"images/\xe9.png"]
    (data / "list.txt").write_bytes(b"\n".join(lines))
    listing = list_images(data / "list.txt")
    assert [(entry.uri.rpartition("/")[2], entry.status) for entry in listing.entries] == [
        ("Köln é.webp", "listed"),
        ("grün.png", "listed"),
        ("\\xffraw.png", "bad-name"),
        ("é.png", "missing"),
    ]
    assert "Windows-1252" in listing.told


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("{}", None),
        ("{} {n}", 0.0),
        ("{}\t{n}", 0.0),
        ("{},{n}", 0.0),
        ("{} ; {n}", 0.0),
        ("{} big cat, {n}", "big cat, 0"),
        ("{} {n} 1 1", "0 1 1"),
        ("'{}' {n}", 0.0),
        ('"{}"', None),
        ('"{}",{n}', 0.0),
        ("{} masks/{n}.png", "masks/0.png"),
        ("./{}", None),
        ('"{}";class {n}', "class 0"),
    ],
)
@pytest.mark.parametrize("backslashes", [False, True])
def test_a_label_may_follow_the_path(data: Path, line: str, label: object, backslashes: bool) -> None:
    names = [name.replace("/", "\\") if backslashes else name for name in NAMES]
    lines = [line.format(name, n=number) for number, name in enumerate(names)]
    (data / "list.txt").write_text("# a comment\n\n" + "\n".join(lines))
    listing = list_images(data / "list.txt")
    assert all_found(listing, data)
    assert listing.labels[0] == label
    assert ("a label follows" in listing.told) == (label is not None)
    assert ("backslashes" in listing.told) == backslashes
    assert ("quotes" in listing.told) == (line[0] in "\"'")


def test_a_label_is_seen_where_no_image_exists(data: Path) -> None:
    (data / "gone.txt").write_text("a b.jpg 1\nc.jpg 2\n")
    listing = list_images(data / "gone.txt")
    assert [(entry.uri, entry.status) for entry in listing.entries] == [
        (f"{data}/a b.jpg", "missing"),
        (f"{data}/c.jpg", "missing"),
    ]
    assert listing.labels == [1.0, 2.0]
    (data / "urls.txt").write_text("https://host/a.jpg 1\nhttps://host/b.jpg?x=1 2\n")
    listing = list_images(data / "urls.txt")
    assert [entry.uri for entry in listing.entries] == ["https://host/a.jpg", "https://host/b.jpg?x=1"]
    assert listing.labels == [1.0, 2.0]


def test_a_name_without_a_suffix_and_one_with_two_have_labels(data: Path) -> None:
    for name in ("cat/1005649", "cat/a.jpg copy.jpg", "cat/b.jpg"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes(b"x")
    (data / "words.txt").write_text("cat/1005649 3\ncat/1005649 4\n")
    listing = list_images(data / "words.txt")
    assert listing.labels == [3.0, 4.0]
    assert listing.entries[1].uri == f"{data}/cat/1005649#2"
    assert f"named again is another row, such as {data}/cat/1005649" in listing.told
    (data / "two.txt").write_text("cat/a.jpg copy.jpg 3\ncat/b.jpg 4\n")
    listing = list_images(data / "two.txt")
    assert all_found(listing, data, ["cat/a.jpg copy.jpg", "cat/b.jpg"])
    assert listing.labels == [3.0, 4.0]


@pytest.mark.parametrize(
    ("content", "labels", "told"),
    [
        ("# timestamp name\n1.5 {0}\n2.5 {1}\n", [1.5, 2.5], "a label stands before the path"),
        ("filename label\n{0} 4\n{1} 5\n", [4.0, 5.0], "first line names columns, and no image"),
        ("/{0} 1\n/{1} 2\n", [1.0, 2.0], "absolute names that do not exist"),
        ('{{"path": "{0}", "label": 3}}\n{{"path": "{1}"}}\n', [3.0, None], ""),
        ("sep=|\nimage|label\n{0}|8\n{1}|9\n", [8.0, 9.0], "vertical bars"),
        ("{0},\n{1},\n", [None, None], ""),
        ("3 big cat {0}\n4 cat {0}\n", ["3 big cat", "4 cat"], "labels stand around the path"),
        ("017\t{0}\tcat\n018\t'{0}'\tbig dog\n", ["017 cat", "018 big dog"], "labels stand around the path"),
    ],
)
def test_what_split_files_look_like(data: Path, content: str, labels: list[object], told: str) -> None:
    (data / "split.txt").write_text(content.format(*NAMES))
    listing = list_images(data / "split.txt")
    assert [entry.status for entry in listing.entries] == ["listed"] * 2
    assert listing.labels == labels
    assert told in listing.told


def test_comments_before_a_table_are_no_header(data: Path) -> None:
    (data / "list.csv").write_text(
        "# made by hand; on a Monday\n#\n# path;label\n" + "".join(f"{n};1\n" for n in NAMES)
    )
    listing = list_images(data / "list.csv")
    assert all_found(listing, data)
    assert "column path of" in listing.source.origin
    assert "begin with #" in listing.told
    (data / "#1.jpg").write_bytes(b"x")
    (data / "bare.csv").write_text("#1.jpg,4\nimages/000.jpg,5\n")
    assert all_found(list_images(data / "bare.csv"), data, ["#1.jpg", NAMES[0]])


def test_rows_that_differ_from_the_first_are_rows(data: Path) -> None:
    odd = [f'"{NAMES[1]}" 4', NAMES[2], NAMES[0].replace("/", "\\") + ",7", "'gone.jpg'", "words", "#4.jpg"]
    (data / "list.txt").write_text("\n".join([f"{NAMES[0]} 3"] * 200 + odd))
    listing = list_images(data / "list.txt")
    assert [entry.status for entry in listing.entries[200:]] == ["listed"] * 3 + ["missing"] * 2
    assert listing.labels[199:204] == [3.0, 4.0, None, 7.0, None]
    assert "images behind a # (1, such as #4.jpg)" in listing.told
    (data / "plain.txt").write_text("\n".join([NAMES[0]] * 300 + odd[:3]))
    listing = list_images(data / "plain.txt")
    assert [entry.status for entry in listing.entries[300:]] == ["listed"] * 3
    assert "the labels in some lines are left out" in listing.told


def test_a_list_may_name_its_columns_whatever_its_ending(data: Path) -> None:
    (data / "list.txt").write_text(
        "image_path|label\n" + "".join(f"{name}|{number}\n" for number, name in enumerate(NAMES))
    )
    listing = list_images(data / "list.txt")
    assert all_found(listing, data)
    assert listing.labels == [0.0, 1.0, 2.0]
    assert "column image_path" in listing.source.origin


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
def test_what_separates_the_columns_is_seen(data: Path, suffix: str, delimiter: str) -> None:
    other = ";" if delimiter != ";" else ","
    rows = [["n", " Image-Path ", "caption"], *([str(n), name, f"a{other} b {n}"] for n, name in enumerate(NAMES))]
    content = "\n".join(delimiter.join(row) for row in rows)
    path = data / f"list{suffix}"
    path.write_bytes(gzip.compress(content.encode()) if suffix.endswith(".gz") else content.encode())
    listing = list_images(path)
    assert all_found(listing, data)
    assert listing.source.columns == {"n": "number", "caption": "text"}
    assert listing.entries[1].values == {"n": 1.0, "caption": f"a{other} b 1"}
    assert "column Image-Path" in listing.source.origin
    usual = "\t" if suffix == ".tsv" else ","
    assert ("are separated by" in listing.told) == (delimiter != usual)
    assert list_images(f"{path}::image_path").entries == listing.entries


def test_excel_says_itself_what_separates_the_columns(data: Path) -> None:
    (data / "list.csv").write_text("sep=;\npath;speed\n" + "".join(f"{name};3,5\n" for name in NAMES))
    listing = list_images(data / "list.csv")
    assert all_found(listing, data)
    assert listing.source.columns == {"speed": "text"}


@pytest.mark.parametrize(
    "name", ["image_path", "img_path", "ImagePath", "file name", "FilePath", "image_url", "abs-path"]
)
def test_a_column_of_paths_is_known_by_its_name(data: Path, name: str) -> None:
    (data / "list.csv").write_text(f"where,{name}\n" + "".join(f"{n}.jpg,{one}\n" for n, one in enumerate(NAMES)))
    listing = list_images(data / "list.csv")
    assert all_found(listing, data)
    assert f"column {name} of" in listing.source.origin


@pytest.mark.parametrize("rows", [[], [",3"], [",3", ",2,rain"]])
def test_the_first_image_of_a_table_without_names_of_columns_is_not_lost(data: Path, rows: list[str]) -> None:
    end = rows[-1] if rows else ""
    (data / "list.csv").write_text("\n".join(name + end for name in NAMES))
    listing = list_images(data / "list.csv")
    assert all_found(listing, data)
    assert "column_1 of" in listing.source.origin
    assert list(listing.source.columns) == [f"column_{number}" for number in range(2, end.count(",") + 2)]
    assert "names no columns" in listing.told
    assert list_images(f"{data}/list.csv::column_1").entries == listing.entries


def test_a_label_that_is_called_like_a_column_of_paths_makes_no_header(data: Path) -> None:
    for name, separator in (("list.csv", ","), ("list.txt", ","), ("words.txt", " ")):
        (data / name).write_text("\n".join(f"{one}{separator}image" for one in ("gone.jpg", *NAMES)))
        listing = list_images(data / name)
        assert [entry.status for entry in listing.entries] == ["missing"] + ["listed"] * 3


def test_names_with_commas_in_a_table_of_one_column(data: Path) -> None:
    names = ["Smith, John.jpg", "b.jpg"]
    for name in names:
        (data / name).write_bytes(b"x")
    for header in ("path\n", ""):
        (data / "list.csv").write_text(header + "\n".join(names))
        os.utime(data / "list.csv", ns=(0, len(header)))
        assert all_found(list_images(data / "list.csv"), data, names)
    (data / "two.csv").write_text("path,label\nSmith, John.jpg,3\nb.jpg,4\n")
    listing = list_images(data / "two.csv")
    assert all_found(listing, data, names)
    assert listing.labels == ["3", "4"]
    assert "put together" in listing.told


def test_columns_of_one_name_are_kept_apart(data: Path) -> None:
    rows = "".join(f"{name},gone.jpg,a,b,\n" for name in NAMES)
    (data / "list.csv").write_text(f"path,path,tag,tag,\n{rows}")
    listing = list_images(data / "list.csv")
    assert all_found(listing, data)
    assert listing.source.columns == {"path_2": "text", "tag": "text", "tag_2": "text"}
    assert listing.entries[0].values == {"path_2": "gone.jpg", "tag": "a", "tag_2": "b"}
    assert "column path occurs again, and is called path_2 there" in listing.told


@pytest.mark.parametrize(
    ("header", "row", "column", "told"),
    [
        ("id,where,tag", "7,{},x", "where", "where is the only column that seems to hold paths"),
        ("image,where", "17,{}", "where", "and image does not (17)"),
        ("id,file,place", "1,a cat,{}", "place", "and file does not (a cat)"),
        ("format,where", "jpg,{}", "where", "where is the only column that seems to hold paths"),
        ("path,file_name", "{},b.jpg", "path", "file_name holds paths as well"),
        ("a", "{}", "a", ""),
        ("file,folder", "{},/data", "file", ""),
        ("path,filename", "/data,{}", "filename", ""),
        ("Path,path", "{},b.jpg", "Path", "column path holds paths as well"),
        ("image_path,img_path", "gone.jpg,{}", "img_path", "column image_path holds paths as well"),
    ],
)
def test_values_decide_where_names_do_not(data: Path, header: str, row: str, column: str, told: str) -> None:
    (data / "list.csv").write_text("\n".join([header, *(row.format(name) for name in NAMES)]))
    table = {
        name: [row.format(image).split(",")[index] for image in NAMES] for index, name in enumerate(header.split(","))
    }
    pq.write_table(pa.table(table), data / "list.parquet")
    for name in ("list.csv", "list.parquet"):
        listing = list_images(data / name)
        assert all_found(listing, data)
        assert f"in column {column} of" in listing.source.origin
        assert told in listing.told
        assert bool(told) == ("column" in listing.told)


def test_several_columns_of_paths_are_refused_with_an_example_of_each(data: Path) -> None:
    (data / "list.csv").write_text("n,left,right\n1,a/l.jpg,a/r.jpg\n")
    (data / "bare.csv").write_text("a/l.jpg,a/r.jpg\n")
    with pytest.raises(
        SourceError, match=r"2 columns .*left \(a/l.jpg\), right \(a/r.jpg\); name one, such as list.csv::left"
    ):
        open_source("real", f"{data}/list.csv")
    with pytest.raises(SourceError, match=r"column_1 \(a/l.jpg\), column_2 \(a/r.jpg\)"):
        open_source("real", f"{data}/bare.csv")
    assert list_images(f"{data}/bare.csv::column_2").entries[0].uri == f"{data}/a/r.jpg"


def test_no_row_of_a_ragged_table_is_lost(data: Path) -> None:
    rows = [
        "path,tag,note",
        NAMES[0],
        "",
        f'{NAMES[1]},"never closed,x',
        f"{NAMES[2]},a,b,too,much",
        f'{NAMES[0]},"two\nlines, ""quoted""",y',
        f'{NAMES[0]},5" disk,"odd" quote',
        ",,",
        "images/0\0.jpg,a,b",
        f'{NAMES[1]},"open to the end',
    ]
    (data / "list.csv").write_text("\n".join(rows))
    listing = list_images(data / "list.csv")
    assert [entry.status for entry in listing.entries] == ["listed"] * 5 + ["missing", "bad-name", "listed"]
    tags = [entry.values["tag"] for entry in listing.entries]
    assert tags[2:5] == ["a", 'two\nlines, "quoted"', '5" disk']
    assert "rows' values beyond the last column (1, such as line 5)" in listing.told
    assert "a quote that is not closed" in listing.told
    assert "missing at the end of a row are taken as empty (line 2)" in listing.told


def test_a_quote_that_is_never_closed_does_not_hide_thousands_of_rows(data: Path) -> None:
    rows = [f'{NAMES[0]},"' if number % 100 == 5 else NAMES[0] + ",x" for number in range(3000)]
    (data / "list.csv").write_text("path,tag\n" + "\n".join(rows[:1000]) + "\n" + '"x"y,"\n' * 500)
    entries = list_images(data / "list.csv").entries
    assert len(entries) >= 1000 - 2 * 10
    (data / "one.csv").write_text("path,tag\n" + "\n".join([rows[5], *rows[6:100] * 20]))
    assert len(list_images(data / "one.csv").entries) == 1 + 94 * 20


def test_numbers_of_rows_as_r_and_pandas_write_them_are_no_paths(data: Path) -> None:
    rows = "".join(f"{number},{name},x\n" for number, name in enumerate(NAMES))
    for header, first in ((",path,tag\n", "column_1"), ("path,tag\n", "column_1")):
        (data / "list.csv").write_text(header + rows)
        os.utime(data / "list.csv", ns=(0, len(header)))
        listing = list_images(data / "list.csv")
        assert all_found(listing, data)
        assert listing.source.columns == {first: "number", "tag": "text"}


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".jsonl.gz"])
def test_json_lines_are_rows(data: Path, suffix: str) -> None:
    objects = [
        {"file_name": NAMES[0], "n": 1, "text": "a\nb", "objects": {"bbox": [[1, 2]]}, "ok": True},
        {"file_name": NAMES[1], "n": 2.5, "late": "x"},
        {"file_name": NAMES[2], "n": None, "ok": False, "mixed": 1},
        {"text": "no image", "mixed": "x"},
    ]
    lines = [
        *map(json.dumps, objects),
        '{"file_name": ',
        "[1]",
        "",
        "[" * 100_000,
        "{}",
        '{"file_name": "\\ud800.jpg"}',
    ]
    content = "\n".join(lines).encode()
    path = data / f"metadata{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    listing = list_images(path)
    assert [entry.status for entry in listing.entries] == ["listed"] * 3 + ["missing"] * 5 + ["bad-name"]
    assert all_found(Listing(listing.source, listing.entries[:3], ""), data)
    assert listing.source.columns == {"n": "number", "text": "text", "ok": "text", "late": "text", "mixed": "text"}
    first = {"n": 1.0, "text": "a\nb", "ok": "true", "late": None, "mixed": None}
    assert listing.entries[0].values == first
    assert listing.entries[2].values["mixed"] == "1"
    assert listing.entries[4].uri == f"{path}#5"
    assert "line 5 of the list is no JSON" in listing.entries[4].error
    assert "line 8" in listing.entries[6].error
    assert "left out: objects" in listing.told


def test_json_lines_without_an_object_are_refused(data: Path) -> None:
    (data / "list.jsonl").write_text("[\n1\n]\n")
    with pytest.raises(SourceError, match="line 1 of the list is no JSON"):
        open_source("real", f"{data}/list.jsonl")


def test_a_caption_is_no_path_where_lists_or_objects_may_hold_it(data: Path) -> None:
    rows = [{"caption": "a cat", "images": [name]} for name in NAMES]
    (data / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), data / "list.parquet")
    for name in ("list.jsonl", "list.parquet"):
        with pytest.raises(SourceError, match=r"name the column.* caption, images \(lists or objects"):
            open_source("real", f"{data}/{name}")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\x89PNG\r\n\x1a\n" + bytes(40), "it is one image"), (b"PAR1" + bytes(9), "rename it to end in .parquet")],
)
def test_a_list_that_is_no_text_says_what_it_is(data: Path, content: bytes, message: str) -> None:
    (data / "list.csv").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        open_source("real", f"{data}/list.csv")


def test_rows_with_a_value_more_than_the_header_keep_their_columns(data: Path) -> None:
    (data / "list.csv").write_text("\n".join(["path,label", *(f"{name},cat,black" for name in NAMES)]))
    listing = list_images(data / "list.csv")
    assert all_found(listing, data)
    assert listing.labels == ["cat"] * 3
    assert "rows' values beyond the last column (3, such as line 2)" in listing.told


def test_names_start_at_the_list_or_else_where_the_command_runs(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "lists").mkdir()
    for name, content in (("a.txt", "\n".join(["gone.jpg", *NAMES])), ("a.csv", "path,n\n" + "\n".join(NAMES))):
        (data / "lists" / name).write_text(content)
        assert {entry.status for entry in list_images(data / "lists" / name).entries} == {"missing"}
        monkeypatch.chdir(data)
        listing = list_images(data / "lists" / name)
        assert all_found(Listing(listing.source, listing.entries[-3:], ""), data)
        assert f"the working directory, {data}" in listing.told
        monkeypatch.chdir("/")
    monkeypatch.chdir(data)
    (data / "lists" / "gone.jpg").write_bytes(b"x")
    (data / "lists" / "b.txt").write_text("\n".join(["gone.jpg", *NAMES]))
    listing = list_images(data / "lists" / "b.txt")
    assert [entry.status for entry in listing.entries] == ["listed"] + ["missing"] * 3
    assert not listing.told


def test_file_urls_are_paths(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "100%25.jpg").write_bytes(b"x")
    monkeypatch.setenv("HOME", str(data))
    escaped = str(data / "images" / "my%20photo%201.png")
    lines = [
        f"file://{escaped}",
        f"file://localhost{escaped}",
        f"FILE:{escaped}",
        f"file://{data}/images/K%C3%B6ln%20%c3%a9.webp",
        f"file://{data}/100%25.jpg",
        f'"file://{escaped}"',
        "~/images/000.jpg",
        f"file://{data}/%00.jpg",
        "file://",
    ]
    (data / "list.csv").write_text("url\n" + "\n".join(lines))
    listing = list_images(data / "list.csv")
    assert [entry.status for entry in listing.entries] == ["listed"] * 7 + ["bad-name", "not-a-file"]
    assert listing.entries[3].uri == f"{data}/{NAMES[2]}"
    assert listing.entries[4].uri == f"{data}/100%25.jpg"
    assert "percent signs" in listing.told


def test_paths_of_windows_are_missing_and_the_reason_says_so(data: Path) -> None:
    (data / "C:\\odd.jpg").write_bytes(b"x")
    lines = ["C:\\data\\a.jpg", "d:/data/a.jpg", "\\\\server\\share\\a.jpg", "file:///C:/a.jpg", "C:\\odd.jpg"]
    (data / "list.txt").write_text("\n".join(lines))
    entries = list_images(data / "list.txt").entries
    assert [entry.status for entry in entries] == ["missing"] * 4 + ["listed"]
    assert all("Windows" in entry.error for entry in entries[:4])


@pytest.mark.parametrize("written", FORMS)
def test_accents_match_however_they_are_encoded(data: Path, written: Form) -> None:
    for folder, name in product(FORMS, FORMS):
        path = data / unicodedata.normalize(folder, f"Zoë-{folder}{name}") / unicodedata.normalize(name, "é.jpg")
        path.parent.mkdir()
        path.write_bytes(b"x")
    names = [f"Zoë-{kind}/é.jpg" for kind in ("NFCNFC", "NFDNFD", "NFCNFD", "NFDNFC")]
    (data / "list.csv").write_text(
        "\n".join(["path;n", *(unicodedata.normalize(written, f'"{name}";1') for name in names)])
    )
    listing = list_images(data / "list.csv")
    assert [entry.status for entry in listing.entries] == ["listed"] * 4
    assert all(Path(entry.uri).exists() for entry in listing.entries)
    assert "accents" in listing.told


def test_an_existing_name_is_never_read_in_another_way(data: Path) -> None:
    names = ['"a.jpg"', "b\\c.jpg", "d.jpg 3", unicodedata.normalize("NFD", "é.jpg"), "e%20.jpg"]
    for name in [*names, "a.jpg", "b/c.jpg", "d.jpg", "é.jpg", "e .jpg"]:
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes(b"x")
    (data / "list.txt").write_text("\n".join(names))
    listing = list_images(data / "list.txt")
    assert all_found(listing, data, names)
    assert not listing.told


def test_what_is_packed_is_read_in_little_memory(data: Path) -> None:
    bomb = data / "bomb.csv.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        file.write(f"path,tag\n{NAMES[0]},a\n".encode())
        for _ in range(30):
            file.write(b"x" * 2**20)
        file.write(f"\n{NAMES[1]},b\n".encode())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    listing = list_images(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    assert [entry.status for entry in listing.entries] == ["listed", "missing", "listed"]
    assert listing.entries[1].uri == f"{bomb}#3"
    assert "line 3 of the list is longer" in listing.entries[1].error


def test_a_damaged_archive_of_a_list_is_one_line(data: Path) -> None:
    content = gzip.compress("\n".join(f"images/{number * 7919 % 10_007}.jpg" for number in range(9_000)).encode())
    for name, damaged in (("cut.txt.gz", content[:-200]), ("bad.txt.gz", content[:-8] + b"12345678")):
        (data / name).write_bytes(damaged)
        with pytest.raises(SourceError, match=f"{name}: cannot be read to its end"):
            list(open_source("real", f"{data}/{name}").entries())
    (data / "book.csv").write_bytes(b"PK\x03\x04 a workbook")
    with pytest.raises(SourceError, match="save the list as CSV"):
        open_source("real", f"{data}/book.csv")


def test_long_values_and_names_do_not_fill_memory(data: Path) -> None:
    (data / "list.csv").write_text(f"path,a,b\n{NAMES[0]},{'x' * 60_000},{'y' * 60_000}\n{'n' * 100_000},1,2\n")
    listing = list_images(data / "list.csv")
    assert [len(str(entry.values["b"])) for entry in listing.entries] == [len("None"), 1]
    assert "values beyond a row's first 65,536 characters (1, such as" in listing.told
    assert listing.entries[1].status == "missing"
    assert len(listing.entries[1].uri) < 1000
    (data / "wide.csv").write_text("a," * 5000)
    with pytest.raises(SourceError, match="5,001 columns"):
        open_source("real", f"{data}/wide.csv")


def test_a_list_that_changes_is_read_anew(data: Path) -> None:
    (data / "list.csv").write_text("path\n" + "\n".join(NAMES))
    list_images(data / "list.csv")
    (data / "list.csv").write_text("n;where\n" + "\n".join(f"1;{name}" for name in NAMES))
    os.utime(data / "list.csv", ns=(0, 1))
    assert all_found(list_images(data / "list.csv"), data)
