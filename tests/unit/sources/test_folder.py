import ast
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from gapscope.errors import SourceError
from gapscope.sources import Entry, Folder, open_source
from gapscope.sources.notes import ListingNotes
from gapscope.sources.rejects import Rejected
from gapscope.stages.listing import check_not_empty


def names(folder: Path) -> list[str]:
    return [os.path.relpath(entry.uri, folder) for entry in Folder(str(folder)).entries()]


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_lists_images_of_all_sub_folders_sorted_and_passes_over_the_rest(tmp_path: Path) -> None:
    fill(tmp_path, "b/2.JPG", "a/10.png", "a/9.jpeg", "a/notes.txt", "c.webp", "mask", ".hidden.png")
    fill(tmp_path, "jpg", "png/d.png")
    assert names(tmp_path) == [".hidden.png", "a/10.png", "a/9.jpeg", "b/2.JPG", "c.webp", "png/d.png"]


BESIDE = (
    ".ipynb_checkpoints/1-checkpoint.jpg",
    "a/.cache/1.jpg",
    "a/.cache/deep/2.jpg",
    "a/@eaDir/1.jpg/SYNO@.jpg",
    "__MACOSX/a/._1.jpg",
    "a/._1.jpg",
)


def test_what_systems_and_programs_leave_beside_images_is_passed_over_and_counted(tmp_path: Path) -> None:
    fill(tmp_path, "1.jpg", "a/1.jpg", "depth.exr", "scan.dcm", "b.EXR", *BESIDE)
    (tmp_path / ".loop").symlink_to("/")
    notes = ListingNotes()
    listed = [os.path.relpath(entry.uri, tmp_path) for entry in Folder(str(tmp_path)).entries(notes)]
    assert listed == ["1.jpg", "a/1.jpg"]
    counts = {what: passed.count for what, passed in notes.passed_over.items()}
    assert counts["files named ._*"] == 1
    assert counts["images in folders named @eaDir"] == 1
    assert counts["images in folders named __MACOSX"] == 1
    assert counts["images in hidden folders"] >= 3
    assert notes.suffixes == {".exr": 2, ".dcm": 1}
    assert ".exr files (2), .dcm files (1)" in notes.describe()


def test_whoever_names_a_hidden_folder_gets_it(tmp_path: Path) -> None:
    fill(tmp_path, "1.jpg", *BESIDE)
    for location, count in (
        (tmp_path / "a" / ".cache", 2),
        (f"{tmp_path}/**/.cache/**/*.jpg", 2),
        (f"{tmp_path}/**", 1),
    ):
        assert len(list(open_source("real", str(location)).entries())) == count


def test_names_are_utf_8_under_any_locale(tmp_path: Path) -> None:
    fill(tmp_path, "café/é.jpg", "café/日本.jpg")
    code = (
        "import sys; from gapscope.sources import open_source\n"
        "source = open_source('real', sys.argv[1])\n"
        "for entry in source.entries(): print(ascii((entry.uri, entry.status, source.read(entry))))"
    )
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (tmp_path / "list.txt").write_text("café/é.jpg\ncafé/日本.jpg\n", encoding="utf-8")
    # One is found as it stands, the other by its end.
    images = [{"file_name": "é.jpg"}, {"file_name": "/elsewhere/日本.jpg"}]
    (tmp_path / "café" / "coco.json").write_text(json.dumps({"images": images}))
    (tmp_path / "café" / "list.txt").write_text("é.jpg\n日本.jpg\n", encoding="utf-8")
    for location in ("café", "list.txt", "café/coco.json", "café/*.txt", "café/*.jpg"):
        command = [sys.executable, "-c", code, str(tmp_path / location)]
        output = subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
        rows = [ast.literal_eval(line) for line in output.splitlines()]
        assert rows == [(f"{tmp_path}/café/{name}", "listed", b"x") for name in ("é.jpg", "日本.jpg")]


def test_what_cannot_be_read_is_listed_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    (tmp_path / "fine.png").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(b"x")
    statuses = {Path(entry.uri).name: entry.status for entry in Folder(str(tmp_path)).entries()}
    assert statuses == {
        "folder.png": "not-a-file",
        "pipe.png": "not-a-file",
        "dangling.png": "missing",
        "circle.png": "missing",
        "fine.png": "listed",
        "\\xff.png": "bad-name",
    }


def test_follows_links_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "1.png").write_bytes(b"x")
    (tmp_path / "in" / "deep" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "other").symlink_to(tmp_path / "in" / "deep")
    assert names(tmp_path) == ["in/deep/1.png", "other/1.png"]


def test_reads_bytes_and_rejects_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"bytes")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    source = pickle.loads(pickle.dumps(open_source("real", str(tmp_path))))
    assert source.read(Entry(str(tmp_path / "1.png"))) == b"bytes"
    for name, status in (("2.png", "missing"), ("folder.png", "not-a-file"), ("pipe.png", "not-a-file")):
        with pytest.raises(Rejected) as caught:
            source.read(Entry(str(tmp_path / name)))
        assert caught.value.status == status


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_bytes(b"x")])
def test_a_missing_folder_and_a_file_are_refused_by_name(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "missing")
    with pytest.raises(SourceError, match=r"dataset real: .*missing"):
        open_source("real", str(tmp_path / "missing"))


def test_a_url_of_a_folder_whose_name_is_not_utf_8_leads_there(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    fill(folder, "1.jpg")
    (entry,) = open_source("real", f"file://{tmp_path}/caf%E9").entries()
    assert entry.uri == f"{tmp_path}/caf\\xe9/1.jpg"
    assert entry.status == "bad-name"


@pytest.mark.parametrize("prefix", ["", "images:"])
def test_an_empty_folder_is_refused(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "notes.txt").touch()
    source = open_source("real", f"{prefix}{tmp_path}")
    with pytest.raises(SourceError, match=rf"no file in {tmp_path} has .*\.txt files \(1\).*'{tmp_path}/\*\*' takes"):
        check_not_empty("real", source)
    assert source.origin == f"in {tmp_path}"
    assert source.location == f"{prefix}{tmp_path}"


def test_a_suffix_that_is_not_utf_8_can_be_stored(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a.\xff")).touch()
    notes = ListingNotes()
    assert not list(Folder(str(tmp_path)).entries(notes))
    assert notes.describe() == "passed over: files without a suffix (1)"
