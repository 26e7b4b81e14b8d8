"""Exports of annotated images: what they say is what the source said, and what reads that form reads them."""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from annotated import covered, objects_of, read_images
from annotated_forms import as_coco
from annotated_shapes import draw_set
from PIL import Image
from quick_compare import quick_compare

import gapscope
from gapscope.errors import OptionError
from gapscope.export import ImageChoice, export_run
from gapscope.export.choice import Standing
from gapscope.export.image_files import ImageFiles
from gapscope.progress import Silent
from gapscope.sources import Entry, open_source
from gapscope.sources.annotations.annotation import Outline
from gapscope.sources.annotations.source import AnnotatedImages

OPTIONS: dict[str, Any] = {"levels": ["P5"], "heat_maps": "off", "thumbnails": "off", "group": "none"}
FEW = ImageChoice(list="P5.real-vs-synthetic", pick=7)
Box = tuple[str | None, float, float, float, float]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Shapes on noise, and on stripes, as COCO."""
    folder = tmp_path_factory.mktemp("data")
    backgrounds = {"real": "noise", "synthetic": "stripes"}
    return {
        name: as_coco(draw_set(20, seed, background), folder / name)
        for seed, (name, background) in enumerate(backgrounds.items())
    }


@pytest.fixture(scope="module")
def images_run(data: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> gapscope.Run:
    return quick_compare(data, tmp_path_factory.mktemp("runs") / "images", **OPTIONS)


@pytest.fixture(scope="module")
def objects_run(data: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> gapscope.Run:
    return quick_compare(data, tmp_path_factory.mktemp("runs") / "objects", objects=True, mask=True, **OPTIONS)


def rounded(category: str | None, edges: tuple[float, float, float, float]) -> Box:
    left, top, right, bottom = (round(edge, 1) for edge in edges)
    return category, left, top, right, bottom


def source_boxes(location: str) -> dict[str, set[Box]]:
    """Return the boxes of every image by the end of its uri."""
    source = open_source("x", location)
    assert isinstance(source, AnnotatedImages)
    entries, _ = read_images(source.reader)
    return {
        Path(entry.uri).stem.rpartition("-")[2]: {
            rounded(each.category, each.edges) for each in objects_of(entry) if each.edges
        }
        for entry in entries
    }


@pytest.mark.parametrize(
    ("to", "file"), [("coco", "annotations.json"), ("yolo", "data.yaml"), ("cvat", "annotations.xml")]
)
def test_what_reads_a_form_reads_its_export(
    images_run: gapscope.Run, data: dict[str, str], tmp_path: Path, to: str, file: str
) -> None:
    folder = Path(str(export_run(images_run, to, tmp_path / "out", images=FEW)))
    known = source_boxes(data["real"])
    found = source_boxes(str(folder / file))
    assert len(found) == 7
    assert found == {name: known[name] for name in found}


def test_tasks_for_label_studio_have_the_picture_its_boxes_and_its_score(
    images_run: gapscope.Run, data: dict[str, str], tmp_path: Path
) -> None:
    folder = Path(str(export_run(images_run, "label-studio", tmp_path / "out", images=FEW)))
    known, manifest = source_boxes(data["real"]), images_run.outliers("P5", "real", "synthetic").set_index("uri")
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    assert len(tasks) == 7
    for task in tasks:
        path = "/" + unquote(task["data"]["image"]).removeprefix("/data/local-files/?d=")
        assert path == task["data"]["uri"]
        assert task["data"]["rank"] == manifest.loc[path, "rank"]
        assert task["predictions"][0]["score"] == pytest.approx(manifest.loc[path, "score"], rel=1e-4)
        boxes = set()
        for region in task["annotations"][0]["result"]:
            value = region["value"]
            across, down = (region[f"original_{side}"] / 100 for side in ("width", "height"))
            left, top = value["x"] * across, value["y"] * down
            edges = left, top, left + value["width"] * across, top + value["height"] * down
            boxes.add(rounded(value["rectanglelabels"][0], edges))
        assert boxes == known[Path(path).stem]


def test_objects_that_were_chosen_are_marked_among_the_others_of_their_image(
    objects_run: gapscope.Run, data: dict[str, str], tmp_path: Path
) -> None:
    folder = Path(str(export_run(objects_run, "coco", tmp_path / "out", images=ImageChoice(pick=9))))
    content = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    assert sum("gapscope" in each for each in content["annotations"]) == 9
    known = {name: source_boxes(location) for name, location in data.items()}
    for image in content["images"]:
        own = [each for each in content["annotations"] if each["image_id"] == image["id"]]
        assert any("gapscope" in each for each in own)
        assert len(own) == len(known[image["gapscope"]["dataset"]][Path(image["gapscope"]["uri"]).stem])
        with Image.open(folder / "images" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
        for each in own:
            if "gapscope" in each:
                (polygon,) = each["segmentation"]
                pixels = covered(Outline(polygons=(tuple(polygon),)), *picture.size)
                left, top, width, height = each["bbox"]
                assert 0.3 < pixels[int(top) :, int(left) :][: int(height) + 1, : int(width) + 1].mean() <= 1
    folder = Path(str(export_run(objects_run, "fiftyone", tmp_path / "two", images=ImageChoice(pick=9))))
    samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))["samples"]
    assert [len(sample["ground_truth"]["detections"]) for sample in samples] == [1] * 9


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[gapscope.Run, Path]:
    """A run whose images are in tar files, and their folder."""
    folder = tmp_path_factory.mktemp("packed")
    random = np.random.default_rng(0)
    for name, spread in (("real", 255), ("synthetic", 60)):
        with tarfile.open(folder / f"{name}.tar", "w") as archive:
            for number in range(14):
                path = folder / f"{number:02}.png"
                Image.fromarray(random.integers(0, spread, (40, 40, 3), dtype=np.uint8)).save(path)
                archive.add(path, f"some/{path.name}")
    sources = {name: str(folder / f"{name}.tar") for name in ("real", "synthetic")}
    return quick_compare(sources, folder / "run", **OPTIONS), folder


@pytest.mark.parametrize("to", ["coco", "cvat", "label-studio", "fiftyone", "spotlight", "embedding-atlas"])
def test_images_of_an_archive_are_in_the_export(packed: tuple[gapscope.Run, Path], tmp_path: Path, to: str) -> None:
    run, _ = packed
    # Into the run itself, and elsewhere.
    for out in (None, tmp_path / "out"):
        folder = Path(str(export_run(run, to, out, images=ImageChoice(pick=5))))
        files = list(folder.rglob("*.png"))
        assert len(files) == (0 if to == "embedding-atlas" else 5)
        if to == "label-studio":
            tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
            named = ["/" + unquote(task["data"]["image"]).removeprefix("/data/local-files/?d=") for task in tasks]
            assert {Path(name) for name in named} == {*files}
    with pytest.raises(OptionError, match="none of these images has annotations, which is what YOLO's labels hold"):
        export_run(run, "yolo", tmp_path / "yolo", images=ImageChoice(pick=5))


@pytest.mark.slow
def test_rows_of_an_array_become_pictures_and_what_is_no_image_is_not_copied(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    arrays = {name: random.integers(0, 4096, (14, 40, 48), dtype=np.uint16) for name in ("real", "synthetic")}
    for name, values in arrays.items():
        np.save(tmp_path / f"{name}.npy", values)
    sources = {name: f"images:{tmp_path / name}.npy" for name in arrays}
    run = quick_compare(sources, tmp_path / "run", value_range="0:4095", **OPTIONS)
    folder = Path(str(export_run(run, "coco", tmp_path / "coco", images=ImageChoice(pick=5))))
    content = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    for image in content["images"]:
        dataset, row = image["gapscope"]["dataset"], int(image["gapscope"]["uri"].rpartition("#")[2])
        with Image.open(folder / "images" / image["file_name"]) as picture:
            values = np.asarray(picture.convert("L"), float)
        np.testing.assert_allclose(values, arrays[dataset][row] / 4095 * 255, atol=1.5)
    secret = tmp_path / "secret.txt"
    secret.write_text("a password")
    files = ImageFiles(run.store, tmp_path / "out", Silent())
    (tmp_path / "folder").mkdir()
    folders = {name: str(tmp_path / "folder") for name in ("real", "synthetic")}
    run.store.record.config.datasets.update(folders)
    assert files.write("real", 0, Entry(str(secret))) is None
    assert not (tmp_path / "out").exists()


def test_images_that_are_out_of_reach_are_exported_by_name(images_run: gapscope.Run, tmp_path: Path) -> None:
    # A copy of the run elsewhere, whose record names images that are not there.
    shutil.copytree(str(images_run.path), tmp_path / "run")
    record = tmp_path / "run" / "run.json"
    record.write_text(record.read_text(encoding="utf-8").replace("/data0/", "/nowhere/"), encoding="utf-8")
    run = gapscope.open_run(tmp_path / "run")
    moved = Path(images_run.record.config.datasets["real"].split("::")[0]).parents[1]
    away = moved.with_name("away")
    moved.rename(away)
    try:
        folder = Path(str(export_run(run, "fiftyone", tmp_path / "fiftyone", images=FEW)))
        samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))["samples"]
        assert [sample["filepath"] for sample in samples] == [sample["uri"] for sample in samples]
        assert len(samples) == 7
        folder = Path(str(export_run(run, "coco", tmp_path / "coco", images=FEW)))
        content = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
        assert [image["file_name"] for image in content["images"]] == [sample["uri"] for sample in samples]
        assert all(image["width"] == 128 for image in content["images"])
        with pytest.raises(OptionError, match="not one of these images can be read"):
            export_run(run, "yolo", tmp_path / "yolo", images=FEW)
    finally:
        away.rename(moved)


def test_data_issues_name_the_rows_of_kinds_and_lists(small_run: gapscope.Run, tmp_path: Path) -> None:
    import pandas as pd

    folder = Path(str(export_run(small_run, "spotlight", tmp_path / "out")))
    table = pd.read_parquet(folder / "images.parquet")
    issues = json.loads((folder / "issues.json").read_text(encoding="utf-8"))
    kinds = {issue["title"].split(":")[0]: issue for issue in issues if issue["title"].startswith("K")}
    assert set(kinds) == set(small_run.gaps["id"])
    for kind, issue in kinds.items():
        assert set(table["uri"][issue["rows"]]) == set(small_run.gap_images(kind)["uri"])
    of_list = next(issue for issue in issues if issue["title"] == "P4: real images that synthetic lacks")
    assert set(table["uri"][of_list["rows"]]) == set(small_run.outliers("P4", "real", "synthetic")["uri"])
    compile((folder / "show.py").read_text(encoding="utf-8"), "show.py", "exec")


def test_a_list_says_what_it_knows() -> None:
    from gapscope.export.annotated_images import standing_facts

    facts = standing_facts(Standing("P5.a-vs-b", "P5", "as-is", "b", 3, 0.0123456789, float("nan")))
    assert facts == {"list": "P5.a-vs-b", "reference": "b", "rank": 3, "q": 0.0123457, "score": None}
    assert set(standing_facts(None).values()) == {None}
