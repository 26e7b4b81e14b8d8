"""Images that a Python program gives: what is one, how it is encoded, named and kept, and what becomes of errors."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from recording_progress import RecordingProgress
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gapscope import OptionError, RunError, SourceError
from gapscope.decode.picture import decode
from gapscope.progress import Silent
from gapscope.settings import Preprocess
from gapscope.sources import Source
from gapscope.sources.given.encode import encode
from gapscope.sources.kept_images import FILE_ROWS
from gapscope.sources.rejects import Rejected
from gapscope.stages.given import GivenImages, GivenPaths, open_given
from gapscope.store.given import open_in_run
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore

COUNT = 12
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 20, 24, 3), dtype=np.uint8)
PICTURES = [Image.fromarray(pixels) for pixels in PIXELS]


def a_run(folder: Path) -> RunStore:
    folder.mkdir(exist_ok=True)
    return RunStore(folder, RunRecord.of_embeddings({"real": COUNT}, {"P5": 8}, block_rows=32))


def keep(folder: Path, given: Any, *, update: bool = False) -> Source:
    source = open_given("real", given)
    assert isinstance(source, GivenImages | GivenPaths)
    return source.keep(a_run(folder), Silent(), update=update)


def pixels_of(source: Source) -> list[NDArray[np.uint8]]:
    images = []
    for entry in source.entries():
        data = source.read(entry)
        if data.startswith(b"\x93NUMPY"):
            values = np.load(io.BytesIO(data))
            images.append((values * 255).round().astype(np.uint8))
        else:
            images.append(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    return images


class Tensors(Dataset[tuple[Tensor, int]]):
    """As torchvision's datasets: a tensor with its channels first, and a class."""

    def __init__(self, broken: int | None = None) -> None:
        self.broken = broken

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        if number == self.broken:
            raise ValueError("no\nsuch file")
        if number >= COUNT:
            raise IndexError
        return torch.from_numpy(PIXELS[number]).permute(2, 0, 1), number % 3


def tables() -> dict[str, Any]:
    encoded = [encode(picture) for picture in PICTURES]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog", "fox"])})
    rows = {"image": [{"bytes": data, "path": None} for data in encoded], "label": [row % 3 for row in range(COUNT)]}
    return {"hugging face": datasets.Dataset.from_dict(rows, features=features), "bytes": encoded}


GIVEN: dict[str, Any] = {
    "pictures": PICTURES,
    "arrays": PIXELS,
    "list of arrays": list(PIXELS),
    "channels first": torch.from_numpy(PIXELS).permute(0, 3, 1, 2),
    "floats": PIXELS.astype(np.float32) / 255,
    "dataset": Tensors(),
    "loader": DataLoader(Tensors(), batch_size=5),
    "pairs": [(f"name-{row}", picture) for row, picture in enumerate(PICTURES)],
    "dicts": [{"image": picture, "id": f"name-{row}", "weather": "rain"} for row, picture in enumerate(PICTURES)],
    "generator": ((f"name-{row}", picture) for row, picture in enumerate(PICTURES)),
    **tables(),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_whatever_holds_pictures_gives_their_pixels(kind: str, tmp_path: Path) -> None:
    source = keep(tmp_path, GIVEN[kind])
    for own, expected in zip(pixels_of(source), PIXELS, strict=True):
        np.testing.assert_array_equal(own, expected)
    first = next(iter(source.entries()))
    assert first.uri == ("name-0" if kind in ("pairs", "dicts", "generator") else "real#0")
    values = {
        "dataset": {"label": "0"},
        "loader": {"label": "0"},
        "hugging face": {"label": "cat"},
        "dicts": {"weather": "rain"},
    }
    assert dict(first.values) == values.get(kind, {})


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I;16", "I", "F"])
def test_a_picture_of_any_mode_decodes_to_its_pixels(mode: str) -> None:
    kinds = {"F": np.float32, "I": np.int32, "I;16": np.uint16}
    if mode in kinds:
        values = PIXELS[0, :, :, 0].astype(kinds[mode])
        encoded = encode(Image.fromarray(values))
        decoded = (
            np.load(io.BytesIO(encoded)) if encoded[:1] == b"\x93" else np.asarray(Image.open(io.BytesIO(encoded)))
        )
        np.testing.assert_array_equal(decoded, values)
        return
    picture = PICTURES[0].convert(mode)
    decoded = np.asarray(Image.open(io.BytesIO(encode(picture))).convert("RGB"), int)
    assert np.abs(decoded - np.asarray(picture.convert("RGB"), int)).max() <= 1


def test_the_decoder_takes_what_is_kept() -> None:
    for picture in (PICTURES[0], PIXELS[0], torch.from_numpy(PIXELS[0])):
        square = decode(encode(picture), Preprocess(size=64)).pixels
        assert square.shape == (64, 64, 3)


@pytest.mark.parametrize("value", [3, None, "a.jpg", np.zeros((5, 6, 7)), np.zeros((0, 5)), np.array(["a"])])
def test_what_is_no_picture_is_rejected(value: Any) -> None:
    with pytest.raises(Rejected):
        encode(value)


def test_a_picture_that_cannot_be_had_is_a_row_with_the_reason(tmp_path: Path) -> None:
    source = keep(tmp_path, Tensors(broken=3))
    entries = list(source.entries())
    assert [entry.status for entry in entries].count("listed") == COUNT - 1
    assert (entries[3].status, entries[3].error) == ("unreadable", "the Dataset raised ValueError: no such file")


def numbered(count: int, stop: int | None = None) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for number in range(count):
        if number == stop:
            raise RuntimeError("camera gone")
        yield f"{number}", np.full((4, 4), number % 256, np.uint8)


@pytest.mark.parametrize("stop", [5, FILE_ROWS, FILE_ROWS + 40])
def test_a_generator_that_stops_is_given_again_and_goes_on(stop: int, tmp_path: Path) -> None:
    count = FILE_ROWS + 100
    with pytest.raises(SourceError, match=rf"raised RuntimeError: camera gone after {stop:,} images"):
        keep(tmp_path, numbered(count, stop))
    # Another process cannot go on: what gives the images is gone.
    with pytest.raises(SourceError, match="run it again with the same `out`"):
        open_in_run(tmp_path, "real", "run:images/real")
    again = keep(tmp_path, numbered(count))
    (tmp_path / "whole").mkdir()
    whole = keep(tmp_path / "whole", numbered(count))
    assert [entry.uri for entry in again.entries()] == [str(number) for number in range(count)]
    assert list(again.entries()) == list(whole.entries())
    assert [again.read(entry) for entry in again.entries()][:: FILE_ROWS // 4] == [
        whole.read(entry) for entry in whole.entries()
    ][:: FILE_ROWS // 4]


def test_rows_that_were_written_and_not_counted_are_not_kept_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match="camera gone"):
        keep(tmp_path, numbered(90, 30))

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    # Stopped between the file and its count.
    with monkeypatch.context() as context:
        context.setattr("gapscope.store.given.write_kept", stop)
        with pytest.raises(KeyboardInterrupt):
            keep(tmp_path, numbered(90))
    source = keep(tmp_path, numbered(90))
    assert [entry.uri for entry in source.entries()] == [str(number) for number in range(90)]


def test_what_is_kept_is_not_read_again(tmp_path: Path) -> None:
    keep(tmp_path, numbered(40))
    taken: list[int] = []

    def counting() -> Iterator[Any]:
        for number, item in enumerate(numbered(40)):
            taken.append(number)
            yield item

    progress = RecordingProgress()
    source = open_given("real", counting())
    assert isinstance(source, GivenImages)
    source.keep(a_run(tmp_path), progress, update=False)
    assert len(taken) < 20
    assert "real: its 40 images are kept in the run, and not read again" in progress.notes


def test_other_images_are_refused_until_they_are_to_be_taken_over(tmp_path: Path) -> None:
    keep(tmp_path, list(PIXELS))
    for other in (PIXELS[::-1], PIXELS[:-1]):
        with pytest.raises(RunError, match="gives other images than this run has kept"):
            keep(tmp_path, list(other))
    source = keep(tmp_path, list(PIXELS[::-1]), update=True)
    np.testing.assert_array_equal(pixels_of(source)[0], PIXELS[-1])


def test_a_generator_that_raises_at_once_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"raised RuntimeError: camera gone$"):
        keep(tmp_path, numbered(5, 0))
    assert len(list(keep(tmp_path, numbered(5)).entries())) == 5


def test_a_name_that_comes_again_is_another_row(tmp_path: Path) -> None:
    source = keep(tmp_path, [("a", picture) for picture in PICTURES[:3]])
    assert [entry.uri for entry in source.entries()] == ["a", "a#2", "a#3"]


def test_paths_are_a_list_with_the_columns_of_their_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for row, picture in enumerate(PICTURES):
        picture.save(f"{row}.png")
    names = [f"{row}.png" for row in range(COUNT)]
    frame = pd.DataFrame({"file": names, "weather": ["sun", "rain"] * 6, "angle": np.arange(COUNT) / 2})
    paths = [Path(name) for name in names]
    for given in (names, paths, tuple(names), iter(paths), pd.Series(names), np.array(names), frame):
        source = keep(tmp_path / "run", given, update=True)
        entries = list(source.entries())
        assert [entry.uri for entry in entries] == [str(tmp_path / name) for name in names]
        assert Image.open(io.BytesIO(source.read(entries[2]))).size == (24, 20)
    assert entries[3].values == {"weather": "rain", "angle": 1.5}
    with pytest.raises(RunError, match="the list of its images has changed"):
        keep(tmp_path / "run", names[:-1])


def one_picture() -> Iterator[NDArray[np.uint8]]:
    yield np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (3, OptionError, "cannot read images from int"),
        (one_picture, OptionError, "cannot read images from function; call it: give one_picture()"),
        ([], SourceError, "there are no images in what was given"),
        (iter(()), SourceError, "there are no images in what was given"),
        (["a.jpg", 3], OptionError, "3 among the paths is none"),
        (np.zeros((4, 5)), OptionError, "shape (4, 5) holds no images"),
        (pd.DataFrame({"x": [1, 2]}), OptionError, "no column of the table holds paths; there are x"),
        (
            pd.DataFrame({"clip": [np.ones(3)] * 4}),
            OptionError,
            "there are clip: call one path; vectors are given as {'clip': np.stack(table['clip'])}",
        ),
        (datasets.DatasetDict({"train": tables()["hugging face"]}), OptionError, "give one of its splits, train"),
    ],
)
def test_what_holds_no_images_is_refused_in_a_line(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refused:
        open_given("real", given)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
