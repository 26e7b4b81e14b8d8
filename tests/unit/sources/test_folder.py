import os
import pickle
from pathlib import Path

import pytest

from gapscope.errors import SourceError
from gapscope.sources import Entry, Folder, open_source
from gapscope.sources.rejects import Rejected
from gapscope.stages.listing import check_not_empty


def names(folder: Path) -> list[str]:
    return [os.path.relpath(entry.uri, folder) for entry in Folder(str(folder)).entries()]


def test_lists_images_of_all_sub_folders_sorted_and_passes_over_the_rest(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "a/10.png", "a/9.jpeg", "a/notes.txt", "c.webp", "mask", ".hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names(tmp_path) == [".hidden.png", "a/10.png", "a/9.jpeg", "b/2.JPG", "c.webp"]


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


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SourceError, match="dataset real"):
        check_not_empty("real", open_source("real", str(tmp_path)))
