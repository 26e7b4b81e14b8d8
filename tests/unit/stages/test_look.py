"""What is said of a dataset before it is embedded: what was taken, whether it can be read, which numbers are black."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from quick_compare import OPTIONS, quick_compare, read_run_files
from recording_progress import RecordingProgress

import gapscope
from gapscope.errors import OptionError, RunError, SourceError
from gapscope.progress import Silent
from gapscope.settings import ValueRange
from gapscope.sources import open_source
from gapscope.stages.listing import Listing

FAST: dict[str, Any] = {"levels": ["P3"], "heat_maps": "off", "readings": "as-is", "thumbnails": "off"}


def pictures(count: int, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 6, 8), dtype=np.uint8)
    return [np.asarray(Image.fromarray(each).resize((40, 30))) for each in coarse]


def write_deep(folder: Path, count: int, seed: int, start: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(pictures(count, seed), start):
        Image.fromarray(each.astype(np.uint16) * 3 + 291).save(folder / f"{number:03d}.tif")
    return folder


def write_plain(folder: Path, count: int, seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(pictures(count, seed)):
        Image.fromarray(each).save(folder / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("deep")
    return {"camera": str(write_deep(folder / "camera", 40, 1)), "plain": str(write_plain(folder / "plain", 40, 1))}


@pytest.fixture(scope="module")
def deep(folders: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> gapscope.Run:
    return quick_compare(folders, tmp_path_factory.mktemp("runs") / "deep", **FAST)


def test_deep_grays_embed_as_their_8_bit_twins(deep: gapscope.Run) -> None:
    camera, plain = (deep.embeddings(name, "P3").astype(float) for name in ("camera", "plain"))
    nearest = np.linalg.norm(camera[:, None] - plain[None], axis=2).argmin(axis=1)
    assert (nearest == np.arange(40)).mean() > 0.95


def test_the_range_is_kept_and_told(deep: gapscope.Run, folders: dict[str, str]) -> None:
    (value_range,) = deep.record.datasets["camera"].value_ranges or ()
    assert (value_range.kind, value_range.low) == ("uint16", 288)
    assert 1040 <= value_range.high <= 1088
    assert deep.record.datasets["plain"].value_ranges == ()
    assert deep.metrics["datasets"]["camera"]["value_ranges"][0]["low"] == 288
    log = (deep.path / "log.txt").read_text()
    assert "camera: of its 16-bit grays, 288 is taken as black and" in log
    assert f"camera: 40 images (.tif 40) in {folders['camera']}" in log


class StoppedError(Exception):
    """Stops a run where a kill would."""


@pytest.mark.slow
def test_a_run_that_goes_on_has_the_range_that_it_was_begun_with(
    folders: dict[str, str], deep: gapscope.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr("gapscope.stages.pipeline.embed_datasets", stop)
        with pytest.raises(StoppedError):
            quick_compare(folders, tmp_path / "run", **FAST)
    again = quick_compare(folders, tmp_path / "run", **FAST)
    assert again.record.datasets["camera"].value_ranges == deep.record.datasets["camera"].value_ranges
    ours, theirs = read_run_files(again.path), read_run_files(deep.path)
    assert {name for name in ours if ours[name] != theirs.get(name)} == set()


@pytest.mark.slow
def test_every_worker_reads_by_the_same_range(folders: dict[str, str], deep: gapscope.Run, tmp_path: Path) -> None:
    local = quick_compare(folders, tmp_path / "run", **FAST | {"cluster": "local"})
    ours, theirs = read_run_files(local.path), read_run_files(deep.path)
    assert {name for name in ours if ours[name] != theirs.get(name)} == set()


@pytest.mark.slow
def test_new_images_are_read_by_the_range_of_the_old(tmp_path: Path) -> None:
    folders = {
        "camera": str(write_deep(tmp_path / "camera", 12, 1)),
        "plain": str(write_plain(tmp_path / "plain", 9, 2)),
    }
    first = quick_compare(folders, tmp_path / "run", **FAST)
    for each in range(12, 20):
        Image.fromarray(np.full((30, 40), 60_000, np.uint16)).save(tmp_path / "camera" / f"{each:03d}.tif")
    second = quick_compare(folders, tmp_path / "run", update=True, **FAST)
    assert second.record.datasets["camera"].value_ranges == first.record.datasets["camera"].value_ranges
    assert second.index("camera")["mean_red"].tail(8).min() == 255


@pytest.mark.slow
def test_images_of_a_kind_that_the_sample_lacked_are_told(
    folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_plain(tmp_path / "mixed", 20, 3)
    Image.fromarray(np.full((30, 40), 900, np.uint16)).save(folder / "rare.png")
    monkeypatch.setattr("gapscope.stages.look._look", lambda *_: [])
    run = quick_compare({"plain": folders["plain"], "mixed": str(folder)}, tmp_path / "run", **FAST)
    (warning,) = run.metrics["datasets"]["mixed"]["warnings"]
    assert (warning["what"], warning["images"]) == ("no-range", 1)
    assert "give a value range by hand" in warning["sentence"]


def test_a_range_by_hand(folders: dict[str, str], tmp_path: Path) -> None:
    run = quick_compare(folders, tmp_path / "run", value_range={"camera": (0, 4095)}, **FAST)
    assert run.record.datasets["camera"].value_ranges == (ValueRange("", 0, 4095, "as given by hand"),)
    assert run.record.config.value_range == {"camera": "0:4095"}
    assert run.index("camera")["mean_red"].max() < 70
    with pytest.raises(RunError, match=r"value_range.camera was 0:4095"):
        quick_compare(folders, tmp_path / "run", **FAST)


@pytest.mark.parametrize("wrong", ["white", "5:1", "0:nan", "3", {"nobody": "0:1"}, (1, 2, 3), "nobody=0:1"])
def test_what_is_no_range_is_refused(wrong: Any, folders: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="value_range"):
        quick_compare(folders, tmp_path / "run", value_range=wrong, **FAST)
    assert not (tmp_path / "run").exists()


def test_numbers_that_are_no_pictures_are_refused_and_may_be_given_a_range(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", random.normal(size=(12, 40, 30, 3)).astype(np.float32))
    folders = {name: str(tmp_path / f"{name}.npy") for name in ("a", "b")}
    with pytest.raises(
        SourceError, match=r"dataset a: floats from .* normalized for a network.*value_range='a=LOW:HIGH'"
    ):
        quick_compare(folders, tmp_path / "run", **FAST)
    # Nothing depends on the range yet: the run goes on with one.
    run = quick_compare(folders, tmp_path / "run", value_range="-3:3", **FAST)
    assert run.index("a")["mean_red"].between(120, 136).all()


def test_more_than_half_missing_stops_before_anything_is_embedded(folders: dict[str, str], tmp_path: Path) -> None:
    names = [f"{folders['plain']}/{number:03d}.png" for number in range(10)]
    (tmp_path / "list.txt").write_text("\n".join([*names, *(f"elsewhere/{number}.jpg" for number in range(20))]))
    datasets = {"plain": folders["plain"], "listed": str(tmp_path / "list.txt")}
    with pytest.raises(SourceError, match=r"only 10 of its 30 images can be read: 20 missing \(.*elsewhere/0.jpg"):
        quick_compare(datasets, tmp_path / "run", **FAST)
    assert not (tmp_path / "run" / "pyramid.zarr").exists()
    run = quick_compare(datasets, tmp_path / "run", allow_missing=True, **FAST)
    assert (run.record.datasets["listed"].read, run.record.datasets["listed"].rejected) == (10, 20)


def test_a_name_without_end_does_not_fill_the_line(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\n" + "f" * 3000 + ".jpg\n")
    source, listing = open_source("real", f"{tmp_path}/list.csv"), Listing()
    with Silent().task("", 0, "") as task:
        list(listing.over(source.entries(listing.notes), task))
    assert len(listing.describe(source)) < 1000


def test_nothing_readable_stops_and_says_why(folders: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join(f"elsewhere/{number}.jpg" for number in range(40)))
    with pytest.raises(SourceError, match=r"dataset listed: none of its 40 images can be read: 40 missing"):
        quick_compare({**folders, "listed": str(tmp_path / "list.txt")}, tmp_path / "run", allow_missing=True, **FAST)
    (tmp_path / "words").mkdir()
    for number in range(40):
        (tmp_path / "words" / f"{number}.png").write_text("an image only by name")
    with pytest.raises(SourceError, match=r"none of its 40 images can be read; most are not-an-image .*words/0.png"):
        quick_compare({**folders, "words": str(tmp_path / "words")}, tmp_path / "other", **FAST)
    assert not (tmp_path / "other" / "pyramid.zarr").exists()


def test_odd_pictures_are_told_after_the_first_block_and_in_the_end(folders: dict[str, str], tmp_path: Path) -> None:
    folder = write_plain(tmp_path / "renders", 60, 3)
    for number in range(8):
        Image.new("RGB", (40, 30), (2, 3, 2)).save(folder / f"{number:03d}.png")
    progress = RecordingProgress()
    run = gapscope.compare(
        {**folders, "renders": str(folder)}, out=tmp_path / "run", progress=progress, **OPTIONS | FAST
    )
    notes = progress.notes
    warned = next(
        number for number, note in enumerate(notes) if note.startswith("warning: in the first block, 8 of 32")
    )
    assert "nearly one color" in notes[warned]
    assert warned < next(number for number, note in enumerate(notes) if "listed = " in note)
    (warning,) = run.metrics["datasets"]["renders"]["warnings"]
    assert (warning["what"], warning["images"]) == ("one-color", 8)
    assert warning["example"].endswith("renders/000.png")
    facts = (run.path / "report" / "data" / "facts.js").read_text()
    assert warning["sentence"] in json.loads(json.dumps(facts))


def write_damaged(folder: Path) -> Path:
    """Write 20 photographs, six of which are damaged inside."""
    folder.mkdir()
    for number, each in enumerate(pictures(20, 5)):
        Image.fromarray(each).resize((160, 120)).save(folder / f"{number:02d}.jpg", quality=92)
    for number in range(6):
        data = (folder / f"{number:02d}.jpg").read_bytes()
        (folder / f"{number:02d}.jpg").write_bytes(data[: len(data) * 2 // 3] + b"\xff\xd9")
    return folder


def test_damaged_files_are_left_out_and_counted(folders: dict[str, str], tmp_path: Path) -> None:
    datasets = {"plain": folders["plain"], "photos": str(write_damaged(tmp_path / "photos"))}
    run = quick_compare(datasets, tmp_path / "run", **FAST)
    assert run.metrics["datasets"]["photos"]["statuses"] == {"damaged": 6}
    (warning,) = run.metrics["datasets"]["photos"]["warnings"]
    assert "6 of 20 images of photos are damaged inside and left out" in warning["sentence"]


@pytest.mark.slow
def test_damaged_files_are_kept_and_marked_on_demand(folders: dict[str, str], tmp_path: Path) -> None:
    datasets = {"plain": folders["plain"], "photos": str(write_damaged(tmp_path / "photos"))}
    kept = quick_compare(datasets, tmp_path / "kept", keep_damaged=True, **FAST)
    index = kept.index("photos")
    assert (index["status"] == "ok").all()
    assert index["damage"].notna().tolist() == [True] * 6 + [False] * 14
    assert "damaged inside and kept" in kept.metrics["datasets"]["photos"]["warnings"][-1]["sentence"]
