import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner
from vector_run import compare_vectors

import gapscope
from gapscope.errors import OptionError, RunError
from gapscope.export import IMAGE_EXPORTS, RUN_EXPORTS, ImageChoice, export_run
from gapscope_cli.main import app


def test_parquet_holds_what_the_run_knows(small_run: gapscope.Run, tmp_path: Path) -> None:
    folder = Path(str(export_run(small_run, "parquet", tmp_path / "out")))
    images = pd.read_parquet(folder / "images.parquet")
    assert images.groupby("dataset").size().to_dict() == {"real": 72, "synthetic": 60}
    layout = small_run.layout("P3")
    np.testing.assert_array_equal(images[["P3.x", "P3.y", "P3.z"]].to_numpy(), layout[["x", "y", "z"]].to_numpy())
    assert images["uri"].tolist() == layout["uri"].tolist()
    vectors = pd.read_parquet(folder / "embeddings.P3.parquet")
    assert vectors["uri"].tolist() == images["uri"].tolist()
    expected = small_run.embeddings("real", "P3")[images["row"][images["dataset"] == "real"]]
    np.testing.assert_array_equal(np.stack(vectors["embedding"][vectors["dataset"] == "real"].to_list()), expected)
    outliers = pd.read_parquet(folder / "outliers.parquet")
    of_pair = (outliers["level"] == "P5") & (outliers["query"] == "real")
    as_is = outliers[of_pair & (outliers["reading"] == "as-is")]
    assert as_is["uri"].tolist() == small_run.outliers("P5", "real", "synthetic")["uri"].tolist()
    style_aside = small_run.outliers("P5", "real", "synthetic", "style-aside").query("listed")
    assert outliers[of_pair & (outliers["reading"] == "style-aside")]["uri"].tolist() == style_aside["uri"].tolist()


def test_fiftyone_finds_every_image_with_its_place(small_run: gapscope.Run, tmp_path: Path) -> None:
    folder = Path(str(export_run(small_run, "fiftyone", tmp_path / "out")))
    samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))["samples"]
    assert len(samples) == 132
    layout = small_run.layout("P4").set_index(["dataset", "row"])
    outliers = set(small_run.outliers("P4", "real", "synthetic")["uri"])
    for sample in samples:
        with Image.open(folder / sample["filepath"]) as picture:
            assert picture.size == (96, 96)
        coordinates = layout.loc[(sample["dataset"], sample["row"])]
        assert sample["P4_point"] == pytest.approx(coordinates[["x", "y", "z"]].tolist())
        assert sample["P4_cluster"] == coordinates["cluster"]
        assert (sample["P4_outlier"] == "synthetic") == (sample["uri"] in outliers)


def test_the_projector_has_a_vector_a_line_and_a_picture_per_image(small_run: gapscope.Run, tmp_path: Path) -> None:
    folder = Path(str(export_run(small_run, "projector", tmp_path / "out")))
    config = (folder / "projector_config.pbtxt").read_text(encoding="utf-8")
    assert config.count("embeddings {") == len(small_run.levels)
    metadata = pd.read_csv(folder / "P5.metadata.tsv", sep="\t", keep_default_na=False)
    vectors = np.loadtxt(folder / "P5.tsv", delimiter="\t")
    assert len(metadata) == len(vectors) == 132
    rows = {uri: row for name in ("real", "synthetic") for row, uri in enumerate(small_run.index(name)["uri"])}
    for number in range(0, 132, 11):
        uri, name = metadata["uri"][number], metadata["dataset"][number]
        np.testing.assert_allclose(vectors[number], small_run.embeddings(name, "P5")[rows[uri]], rtol=1e-3, atol=1e-4)
    with Image.open(folder / "sprite.png") as sprite, Image.open(metadata["uri"][13]) as image:
        across = sprite.width // 64
        tile = sprite.crop((13 % across * 64, 13 // across * 64, 13 % across * 64 + 64, 13 // across * 64 + 64))
        difference = np.asarray(tile, float) - np.asarray(image.convert("RGB").resize((64, 64)), float)
    assert np.abs(difference).mean() < 12


def test_stills_are_pictures_of_every_level_and_the_same_each_time(small_run: gapscope.Run, tmp_path: Path) -> None:
    folder = Path(str(export_run(small_run, "stills", tmp_path / "first")))
    second = Path(str(export_run(small_run, "stills", tmp_path / "second")))
    assert {path.name for path in folder.iterdir()} == {
        f"{level}.{kind}" for level in small_run.levels for kind in ("png", "svg")
    }
    assert all(path.read_bytes() == (second / path.name).read_bytes() for path in folder.iterdir())
    words = "".join(ET.parse(folder / "P3.svg").getroot().itertext())
    assert "real images" in words
    assert "outliers against synthetic" in words
    with Image.open(folder / "P3.png") as picture:
        colors = {tuple(color) for color in np.asarray(picture.convert("RGB")).reshape(-1, 3)[::7].tolist()}
    assert {(0, 114, 178), (213, 94, 0)} <= colors


def test_a_notebook_gets_the_map_as_a_figure(small_run: gapscope.Run) -> None:
    figure = small_run.plot("P3")
    assert sum(len(trace.x) for trace in figure.data) == 132
    listed = sum(len(trace.x) for trace in figure.data if trace.name.endswith("outliers"))
    pairs = small_run.metrics["levels"]["P3"]["pairs"].values()
    assert listed == sum(pair["outliers"] for pair in pairs)
    assert figure.to_json() == small_run.plot("P3").to_json()
    assert sum(len(trace.x) for trace in small_run.plot("P3", max_points=20).data) <= 20
    with pytest.raises(OptionError, match="level 'P9'"):
        small_run.plot("P9")


def test_an_export_goes_into_the_run_or_into_a_folder_that_is_new(small_run: gapscope.Run, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["export", str(small_run.path), "--to", "fiftyone", "--out", str(tmp_path / "new")]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "new")
    for arguments, words in (
        (["--to", "fiftyone", "--out", str(tmp_path)], "is not empty"),
        (["--to", "excel"], f"'excel' is not one of {', '.join(map(repr, [*IMAGE_EXPORTS, *RUN_EXPORTS]))}"),
    ):
        result = CliRunner().invoke(app, ["export", str(small_run.path), *arguments])
        assert result.exit_code == 2
        assert words in result.stderr
    with pytest.raises(OptionError, match=r"to='excel': choose one of coco, yolo, .*, stills$"):
        export_run(small_run, "excel")


def folder_of(run: gapscope.Run, folder: Path, **choice: Any) -> list[dict[str, Any]]:
    """Return what an export says of its images."""
    written = Path(str(export_run(run, "fiftyone", folder, images=ImageChoice(**choice))))
    samples: list[dict[str, Any]] = json.loads((written / "samples.json").read_text(encoding="utf-8"))["samples"]
    return samples


def test_copies_are_exported_with_what_they_are_copies_of(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    vectors = {name: {"P5": random.normal(size=(60, 8))} for name in ("a", "b")}
    vectors["b"]["P5"][7] = vectors["a"]["P5"][11]
    run = compare_vectors(tmp_path / "run", vectors)
    samples = folder_of(run, tmp_path / "out", list="duplicates")
    assert {(sample["dataset"], sample["row"]) for sample in samples} == {("a", 11), ("b", 7)}


def test_an_export_holds_the_groups_of_the_dataset_that_has_some(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    clips = np.repeat(random.normal(size=(60, 8)), 3, axis=0) + random.normal(scale=0.01, size=(180, 8))
    clips[:45, 0] += 9
    vectors = {"drives": {"P5": clips}, "renders": {"P5": random.normal(size=(150, 8))}}
    run = compare_vectors(tmp_path / "run", vectors, group={"drives": [number // 3 for number in range(180)]})
    outliers = pd.read_parquet(Path(str(export_run(run, "parquet", tmp_path / "out"))) / "outliers.parquet")
    of_drives = outliers[(outliers["query"] == "drives") & (outliers["reading"] == "as-is")]
    assert set(of_drives["group"]) >= {str(number) for number in range(15)}
    assert outliers[outliers["query"] == "renders"]["group"].isna().all()
    assert set(run.group_outliers("P5", "drives", "renders").query("listed")["group"]) == set(of_drives["group"])
    samples = folder_of(run, tmp_path / "groups", list="P5.drives-vs-renders.groups")
    listed = run.group_outliers("P5", "drives", "renders").query("listed")
    assert [sample["row"] for sample in samples] == listed["row"].tolist()
    samples = folder_of(run, tmp_path / "few", list="P5.drives-vs-renders", pick=15)
    # Of frames that are nearly the same, as unlike as possible means one of each clip.
    assert len({sample["row"] // 3 for sample in samples}) == 15
    with pytest.raises(OptionError, match="this run has no such list"):
        folder_of(run, tmp_path / "none", list="P5.renders-vs-drives.groups")
    with pytest.raises(RunError, match="the images of renders count one by one"):
        run.group_outliers("P5", "renders", "drives")
