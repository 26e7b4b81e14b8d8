"""The same photographs in two file formats must raise a warning; random halves must not."""

import io
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gapscope.compare.confounders import confounders, file_properties
from gapscope.decode.picture import decode
from gapscope.settings import Preprocess
from gapscope.sources import Entry
from gapscope.stages.block import _image_stats
from gapscope.store.datasets import Pair
from gapscope.store.groups import read_groups
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.index import write_index
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore

PHOTOGRAPHS = ("brick.png", "grass.png", "chelsea.png", "coffee.png", "astronaut.png")


def crops(count: int) -> list[Image.Image]:
    random = np.random.default_rng(0)
    crops = []
    for number in range(count):
        data = (files("skimage") / "data" / PHOTOGRAPHS[number % len(PHOTOGRAPHS)]).read_bytes()
        image = Image.open(io.BytesIO(data)).convert("RGB")
        left, top = (int(random.integers(0, side - 128)) for side in image.size)
        crops.append(image.crop((left, top, left + 128, top + 128)))
    return crops


def properties(folder: Path, name: str, images: list[Image.Image], kind: str, **options: int) -> pd.DataFrame:
    """File properties of images as a run has them, by way of their encoded bytes."""
    run = RunStore(folder, RunRecord.of_embeddings({name: len(images)}, {"P2": 1}, block_rows=8192))
    entries: list[Entry] = []
    stats: list[ImageStats] = []
    for number, image in enumerate(images):
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        # As listed by a source that does not know sizes, such as a list of URLs.
        entries.append(Entry(f"https://{name}/{number}", -1, 0))
        stats.append(_image_stats(decode(stream.getvalue(), Preprocess(size=96))))
    write_index(run, name, entries)
    write_image_stats(run, name, 0, stats)
    merge_image_stats(run, name)
    return file_properties(run, name, read_groups(run, name))


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    return crops(80)


def test_the_same_photographs_as_png_and_as_poor_jpeg_are_told_apart(
    photographs: list[Image.Image], tmp_path: Path
) -> None:
    query = properties(tmp_path, "png", photographs, "PNG")
    reference = properties(tmp_path, "jpeg", photographs, "JPEG", quality=30)
    actual = confounders(query, reference, Pair("png", "jpeg"))
    assert actual["auc"] > 0.99
    assert actual["warning"] is not None
    assert actual["warning"].startswith("the files alone tell png and jpeg apart (AUC 1.00)")
    by_name = {fact["name"]: fact for fact in actual["facts"]}
    assert by_name["format"] == {"name": "format", "effect": 1, "query": "PNG (100%)", "reference": "JPEG (100%)"}
    assert by_name["jpeg_quality"]["reference"] == pytest.approx(30, abs=1)
    assert by_name["jpeg_quality"]["query"] == "none"
    assert by_name["bytes_per_pixel"]["effect"] > 0.9
    assert by_name["megapixels"]["effect"] == 0


def test_a_format_apart_the_quality_alone_gives_them_away(photographs: list[Image.Image], tmp_path: Path) -> None:
    query = properties(tmp_path, "fine", photographs, "JPEG", quality=92)
    reference = properties(tmp_path, "poor", photographs, "JPEG", quality=30)
    assert "jpeg_quality 92 against 30" in str(confounders(query, reference, Pair("fine", "poor"))["warning"])


@pytest.mark.parametrize(
    ("levels", "reached", "text"),
    [
        ({}, [], "the gap may be one of files, not of what they show"),
        ({"P2": ("ranking", 0.9, 0)}, [], "the gap may be one of files, not of what they show"),
        (
            {"P2": ("calibrated", 0.3, 0.3), "P3": ("calibrated", 0, 0)},
            [],
            "at no level is clearly more listed as it is than with each set's overall look taken out",
        ),
        (
            {"P2": ("calibrated", 0.66, 0.07), "P3": ("suggested", 0.88, 0.01), "P4": ("calibrated", 0.02, 0)},
            ["P2", "P3"],
            "that may be what is listed at P2, P3: at P3 88% as it is, 1% with each set's overall look taken out",
        ),
        (
            {
                "P2": ("calibrated", 0.66, 0.07),
                "P3": ("ranking", 0.92, 0),
                "P4": ("ranking", 0.74, 0),
                "P5": ("calibrated", 0.05, 0),
                "P6": ("ranking", 0.01, 0),
            },
            ["P2", "P3", "P4", "P5"],
            (
                "that may be what is listed at P2, P5: at P2 66% as it is, 7% with each set's overall look taken out; "
                "at P3, P4, where up to 92% is listed as it is, files and missing content cannot be told apart"
            ),
        ),
        (
            {"P2": ("ranking", 0.9, 0), "P3": ("calibrated", 0, 0)},
            ["P2"],
            "at P2, where up to 90% is listed as it is, files and missing content cannot be told apart",
        ),
    ],
)
def test_the_warning_names_the_levels_that_files_may_have_reached(
    photographs: list[Image.Image],
    tmp_path: Path,
    levels: dict[str, tuple[str, float, float]],
    reached: list[str],
    text: str,
) -> None:
    pair = Pair("fine", "poor")
    query, reference = (
        properties(tmp_path, name, photographs, "JPEG", quality=quality)
        for name, quality in zip(pair, (92, 30), strict=True)
    )
    # One side lists; the other lists nothing, and is sure of it.
    metrics: Any = {
        level: {
            "pairs": {pair.name: {"outlier_share": as_is}, pair.reversed.name: {"outlier_share": 0}},
            "style_aside": {
                pair.name: {"basis": basis, "outlier_share": aside},
                pair.reversed.name: {"basis": "calibrated", "outlier_share": 0},
            },
        }
        for level, (basis, as_is, aside) in levels.items()
    }
    actual = confounders(query, reference, pair, levels=metrics)
    assert str(actual["warning"]).endswith(f"; {text}")
    assert actual["levels"] == reached


def test_random_halves_raise_no_warning(photographs: list[Image.Image], tmp_path: Path) -> None:
    every = properties(tmp_path, "all", photographs, "JPEG", quality=80)
    areas = []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(every))
        query, reference = (every.iloc[part].reset_index(drop=True) for part in np.array_split(order, 2))
        actual = confounders(query, reference, Pair("one", "other"))
        assert actual["warning"] is None
        areas.append(actual["auc"])
    assert np.mean(areas) == pytest.approx(0.5, abs=0.15)


def test_a_handful_of_images_never_raises_one(photographs: list[Image.Image], tmp_path: Path) -> None:
    query = properties(tmp_path, "png", photographs[:5], "PNG")
    reference = properties(tmp_path, "jpeg", photographs[:5], "JPEG", quality=30)
    assert confounders(query, reference, Pair("png", "jpeg"))["warning"] is None


def test_sharpness_is_the_variance_of_the_laplacian(photographs: list[Image.Image]) -> None:
    def sharpness(image: Image.Image) -> float:
        stream = io.BytesIO()
        image.save(stream, "PNG")
        return decode(stream.getvalue(), Preprocess(size=128)).sharpness

    image = photographs[0]
    gray = np.asarray(image, dtype=np.float64).mean(axis=2)
    around = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * gray[1:-1, 1:-1]
    assert sharpness(image) == pytest.approx(around.var())
    assert sharpness(image.resize((32, 32)).resize((128, 128))) < sharpness(image) / 4
    assert sharpness(Image.new("RGB", (128, 128))) == 0
