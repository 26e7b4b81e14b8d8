"""Runs that grow: embeddings shared through a cache, datasets that are added and dropped, and the log."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from recording_progress import RecordingProgress

import gapscope
from gapscope.sources import Entry, Folder
from gapscope.sources.rejects import Rejected

OPTIONS: dict[str, Any] = {"model": "bundled", "levels": ["P3", "P5"], "size": 64, "n_epochs": 11, "cluster": "inline"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four datasets of a few images, each with an image that cannot be read."""
    folders, random = {}, np.random.default_rng(3)
    for name, count in zip("abcd", (5, 6, 4, 7), strict=True):
        folders[name] = tmp_path_factory.mktemp(name)
        for number in range(count):
            pixels = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((40, 30)).save(folders[name] / f"{number}.png")
        (folders[name] / "broken.jpg").write_bytes(b"no image")
    return folders


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets the dataset's name of every image that is read for embedding."""
    names: list[str] = []

    def counted(self: Folder, entry: Entry, read: Callable[[Folder, Entry], bytes] = Folder.read) -> bytes:
        names.append(Path(entry.uri).parent.name[0])
        return read(self, entry)

    monkeypatch.setattr(Folder, "read", counted)
    # The look at a sample reads images, too, and so does the report for its thumbnails.
    monkeypatch.setattr("gapscope.stages.look._look", lambda *_: [])
    monkeypatch.setattr("gapscope.stages.pipeline.write_report", lambda *_: None)
    return names


def subset(folders: dict[str, Path], names: str) -> dict[str, Path]:
    return {name: folders[name] for name in names}


def assert_same(run: gapscope.Run, other: gapscope.Run, dataset: str) -> None:
    for level in run.levels:
        np.testing.assert_array_equal(run.embeddings(dataset, level), other.embeddings(dataset, level))
    assert run.index(dataset).equals(other.index(dataset))


@pytest.mark.parametrize("where", ["folder", pytest.param("memory", marks=pytest.mark.slow)])
def test_comparing_a_with_b_and_then_with_c_embeds_a_once(
    folders: dict[str, Path], read: list[str], tmp_path: Path, where: str
) -> None:
    cache = str(tmp_path / "cache") if where == "folder" else f"memory://cache-of-{tmp_path.name}"
    first = gapscope.compare(subset(folders, "ab"), out=tmp_path / "ab", cache=cache, **OPTIONS)
    assert sorted(read) == ["a"] * 6 + ["b"] * 7
    read.clear()
    progress = RecordingProgress()
    second = gapscope.compare(subset(folders, "ac"), out=tmp_path / "ac", cache=cache, progress=progress, **OPTIONS)
    assert sorted(read) == ["c"] * 5
    assert f"a: its embeddings are in {cache}" in progress.notes
    assert_same(second, first, "a")
    read.clear()
    # Another preprocessing is another key, and so is another listing.
    gapscope.compare(subset(folders, "ab"), out=tmp_path / "pad", cache=cache, fit="pad", **OPTIONS)
    assert sorted(read) == ["a"] * 6 + ["b"] * 7
    read.clear()
    (folders["a"] / "0.png").touch()
    gapscope.compare(subset(folders, "ab"), out=tmp_path / "again", cache=cache, **OPTIONS)
    assert sorted(read) == ["a"] * 6


@pytest.mark.slow
def test_a_cache_grows_by_the_levels_that_it_lacks(folders: dict[str, Path], read: list[str], tmp_path: Path) -> None:
    for number, (level, expected) in enumerate([("P3", 13), ("P5", 13), ("P3", 0), ("P5", 0)]):
        read.clear()
        options = OPTIONS | {"levels": [level], "cache": tmp_path / "cache"}
        gapscope.compare(subset(folders, "ab"), out=tmp_path / str(number), **options)
        assert len(read) == expected


def test_what_another_run_could_not_read_is_read_again(
    folders: dict[str, Path], read: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Folder, entry: Entry) -> bytes:
        if entry.uri.endswith("3.png") and Path(entry.uri).parent.name.startswith("b"):
            raise Rejected("unreadable", "the disk stutters")
        return read_file(self, entry)

    read_file = Folder.read

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "read", fails)
        run = gapscope.compare(subset(folders, "ab"), out=tmp_path / "one", cache=tmp_path / "cache", **OPTIONS)
        assert run.record.datasets["b"].rejected == 2
    read.clear()
    run = gapscope.compare(subset(folders, "ab"), out=tmp_path / "two", cache=tmp_path / "cache", **OPTIONS)
    assert read == ["b"]
    assert run.record.datasets["b"].rejected == 1


@pytest.mark.slow
def test_a_dataset_is_added_to_a_run_and_another_dropped(
    folders: dict[str, Path], read: list[str], tmp_path: Path
) -> None:
    first = gapscope.compare(subset(folders, "ab"), out=tmp_path / "run", **OPTIONS)
    scaler = first.record.scaler
    with pytest.raises(gapscope.RunError, match=r"datasets\.c was not there.*`update=True` to add and drop"):
        gapscope.compare(subset(folders, "abc"), out=tmp_path / "run", **OPTIONS)
    read.clear()
    progress = RecordingProgress()
    # The order of the arguments does not reorder existing datasets.
    grown = gapscope.compare(subset(folders, "cba"), out=tmp_path / "run", update=True, progress=progress, **OPTIONS)
    assert sorted(read) == ["c"] * 5
    assert grown.datasets == ("a", "b", "c")
    assert "c: added" in progress.notes
    assert grown.record.scaler == scaler
    assert set(grown.metrics["levels"]["P3"]["pairs"]) == {f"{x}-vs-{y}" for x in "abc" for y in "abc" if x != y}
    assert len(grown.layout("P3")) == 5 + 6 + 4
    read.clear()
    shrunk = gapscope.compare(subset(folders, "ac"), out=tmp_path / "run", update=True, progress=progress, **OPTIONS)
    assert read == []
    assert "b: dropped" in progress.notes
    assert shrunk.datasets == ("a", "c")
    assert [path for path in (tmp_path / "run").rglob("*") if "b" in path.name.split(".")[0].split("-vs-")] == []
    # The dropped name can be used for another dataset, and nothing of the old one is reused.
    other = {"a": folders["a"], "c": folders["c"], "b": folders["d"]}
    back = gapscope.compare(other, out=tmp_path / "run", update=True, **OPTIONS)
    assert sorted(read) == ["d"] * 8
    fresh = gapscope.compare(subset(folders, "ad"), out=tmp_path / "fresh", **OPTIONS)
    np.testing.assert_array_equal(back.embeddings("b", "P5"), fresh.embeddings("d", "P5"))
    moved = {"a": folders["a"], "c": folders["c"], "b": folders["b"]}
    with pytest.raises(gapscope.RunError, match=r"datasets\.b was .* Use another `out`$"):
        gapscope.compare(moved, out=tmp_path / "run", update=True, **OPTIONS)


def test_the_log_holds_every_command(folders: dict[str, Path], read: list[str], tmp_path: Path) -> None:
    del read
    for _ in range(2):
        gapscope.compare(subset(folders, "ab"), out=tmp_path / "run", **OPTIONS)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert log.count(f"gapscope {gapscope.__version__} on ") == 2
    for words in ("embedding: 13 images in", "2 rejected", " blocks, 13 images; read ", "idle ", "time: listing "):
        assert log.count(words) >= 1, words
