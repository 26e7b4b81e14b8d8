"""Objects through the whole command: cut out, large enough, with their annotations, in every form."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from annotated_forms import FORMS, AnnotatedImage
from annotated_shapes import draw_set
from PIL import Image
from quick_compare import quick_compare

import gapscope
from gapscope.errors import DamageError, OptionError, RunError, SourceError
from gapscope.store.annotations import annotations_path, read_annotations
from gapscope.store.index import read_index

OPTIONS: dict[str, Any] = {"levels": ["P5"], "heat_maps": "off", "objects": True, "group": "none"}


def write_coco(folder: Path, images: list[AnnotatedImage], **more: Any) -> str:
    """Write a COCO file with its images beside it."""
    folder.mkdir(parents=True)
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images):
        image.picture.save(folder / image.name)
        for each in image.objects:
            assert each.edges is not None
            assert each.outline is not None
            left, top, right, bottom = each.edges
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1 + (each.category == "triangle"),
                    "bbox": [left, top, right - left, bottom - top],
                    "segmentation": [list(each.outline.polygons[0])],
                    **more,
                }
            )
    content = {
        "images": [
            {"id": number, "file_name": image.name, "width": 128, "height": 96} for number, image in enumerate(images)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "square"}, {"id": 2, "name": "triangle"}],
    }
    (folder / "coco.json").write_text(json.dumps(content))
    return f"{folder}/coco.json"


@pytest.mark.slow
def test_without_their_backgrounds_the_same_objects_are_alike(tmp_path: Path) -> None:
    datasets = {
        "real": write_coco(tmp_path / "real", draw_set(24, 0, "noise")),
        "synthetic": write_coco(tmp_path / "synthetic", draw_set(24, 1, "stripes")),
    }
    plain = quick_compare(datasets, tmp_path / "plain", **OPTIONS)
    cut = quick_compare(datasets, tmp_path / "cut", **OPTIONS, mask=True)
    kid = [run.metrics["levels"]["P5"]["pairs"]["real-vs-synthetic"]["measures"]["kid"] for run in (plain, cut)]
    assert kid[0]["beyond_noise"]
    assert kid[1]["value"] < kid[0]["value"] / 4
    backgrounds = [dataset.background for dataset in cut.record.datasets.values()]
    assert backgrounds[0] is not None
    assert backgrounds[1] is not None
    assert np.abs(np.subtract(backgrounds[0], backgrounds[1])).max() < 25
    log = (cut.path / "log.txt").read_text()
    assert "outside of its polygon or mask, an object gets the mean color" in log
    # The same command goes on with the same colors.
    again = quick_compare(datasets, tmp_path / "cut", **OPTIONS, mask=True)
    assert [dataset.background for dataset in again.record.datasets.values()] == backgrounds
    with pytest.raises(RunError, match="mask was True, now False"):
        quick_compare(datasets, tmp_path / "cut", **OPTIONS)


def test_small_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    images = draw_set(20, 0, "noise")
    datasets = {"a": write_coco(tmp_path / "a", images), "b": write_coco(tmp_path / "b", images[:14])}
    run = quick_compare(datasets, tmp_path / "run", **OPTIONS, min_side=34)
    sides = [
        min(each.edges.right - each.edges.left, each.edges.bottom - each.edges.top)
        for image in images
        for each in image.objects
        if each.edges is not None
    ]
    small = sum(side < 34 for side in sides)
    assert 0 < small < len(sides)
    assert run.record.datasets["a"].listed == len(sides) - small
    assert f"objects with a side below 34 pixels ({small}" in run.record.datasets["a"].listing


@pytest.mark.parametrize(("option", "value"), [("mask", True), ("min_side", 10)])
def test_what_is_for_objects_needs_objects(tmp_path: Path, option: str, value: object) -> None:
    source = write_coco(tmp_path / "a", draw_set(2, 0, "noise"))
    with pytest.raises(OptionError, match="is for objects: add `objects=True`"):
        quick_compare({"a": source, "b": source}, tmp_path / "run", **{option: value})


def test_a_dataset_without_outlines_cannot_be_cut_out(tmp_path: Path) -> None:
    images = draw_set(3, 0, "noise")
    datasets = {"a": write_coco(tmp_path / "a", images), "b": write_coco(tmp_path / "b", images, segmentation=[])}
    with pytest.raises(SourceError, match="none of its objects has a polygon or mask; leave out `mask=True`"):
        quick_compare(datasets, tmp_path / "run", **OPTIONS, mask=True)


def test_annotations_are_kept_follow_changes_and_embed_nothing_again(tmp_path: Path) -> None:
    images = draw_set(36, 0, "noise")
    images.append(AnnotatedImage("empty.png", Image.new("RGB", (128, 96)), ()))
    folders = {"a": tmp_path / "a", "b": tmp_path / "b"}
    datasets = {name: write_coco(folder, images) for name, folder in folders.items()}
    options = OPTIONS | {"objects": False}
    run = quick_compare(datasets, tmp_path / "run", **options)
    table = read_annotations(run.store, "a")
    assert table is not None
    count = sum(len(image.objects) for image in images)
    assert len(table) == count + 1
    assert pc.count_distinct(table["row"]).as_py() == 37
    assert table.filter(pc.is_null(table["id"]))["uri"].to_pylist() == [f"{folders['a']}/empty.png"]
    assert run.metrics["datasets"]["a"]["class_rule"] == "annotations"

    content = json.loads((folders["a"] / "coco.json").read_text())
    content["annotations"] = content["annotations"][1:]
    (folders["a"] / "coco.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match="a has changed since this run was begun: what is annotated in its images"):
        quick_compare(datasets, tmp_path / "run", **options)
    before = read_index(run.store, "a")
    again = quick_compare(datasets, tmp_path / "run", **options, update=True)
    assert len(read_annotations(again.store, "a") or ()) == count
    assert read_index(again.store, "a").equals(before)

    annotations_path(run.path, "a").unlink()
    with pytest.raises(DamageError, match=r"a\.parquet is missing"):
        read_annotations(gapscope.open_run(run.path).store, "a")
    (fault,) = gapscope.verify(run.path).faults
    assert (fault.path, fault.part) == ("annotations/a.parquet", "comparison")
    gapscope.verify(run.path, repair=True)
    mended = quick_compare(datasets, tmp_path / "run", **options)
    assert len(read_annotations(mended.store, "a") or ()) == count
    assert gapscope.verify(run.path).sound


def test_images_without_objects_count_among_the_annotations_of_objects(tmp_path: Path) -> None:
    images = draw_set(12, 0, "noise")
    images += [AnnotatedImage(f"empty{number}.png", Image.new("RGB", (128, 96)), ()) for number in range(3)]
    source = write_coco(tmp_path / "a", images)
    run = quick_compare({"a": source, "b": source}, tmp_path / "run", **OPTIONS)
    table = read_annotations(run.store, "a")
    assert table is not None
    assert table["row"].null_count == 3
    assert len(table) == sum(len(image.objects) for image in images) + 3
    assert pc.count_distinct(table["image"]).as_py() == 15


@pytest.mark.slow
@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_form_gives_the_same_run_of_objects(tmp_path: Path, form: str) -> None:
    images = draw_set(24, 0, "noise")
    other = write_coco(tmp_path / "other", draw_set(24, 1, "stripes"))
    manifests = []
    for number, source in enumerate((write_coco(tmp_path / "coco", images), FORMS[form](images, tmp_path / form))):
        run = quick_compare({"real": source, "synthetic": other}, tmp_path / f"run{number}", **OPTIONS)
        scores = run.scores("P5", "real", "synthetic")
        categories = run.index("real")["meta.category"].tolist()
        manifests.append((categories, scores["score"].to_numpy(), scores["listed"].tolist()))
    assert manifests[0][0] == manifests[1][0]
    assert np.allclose(manifests[0][1], manifests[1][1], atol=0.02)
    assert np.mean(np.equal(manifests[0][2], manifests[1][2])) > 0.95
