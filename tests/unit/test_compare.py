"""The main job through the library, on real photographs with a planted kind that one dataset lacks."""

import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import zarr
from PIL import Image

import gapscope
from gapscope.sources import Entry, Folder
from gapscope.stages import pipeline

KIND = "chelsea"


def test_the_run_has_what_is_promised(small_run: gapscope.Run) -> None:
    names = {path.name for path in small_run.path.iterdir()}
    assert names >= {"run.json", "index", "pyramid.zarr", "layout.zarr", "neighbors.zarr", "manifests", "metrics.json"}
    assert small_run.report == small_run.path / "report" / "index.html"
    assert small_run.report.is_file()
    assert small_run.levels == ("P2", "P3", "P4", "P5", "P6")
    index = pq.read_table(small_run.path / "index" / "real.parquet").to_pandas()
    stored = zarr.open_group(small_run.path / "pyramid.zarr", mode="r")
    assert set(stored["real"].array_keys()) == {*small_run.levels, "done"}  # type: ignore[union-attr]
    for level in small_run.levels:
        layout = zarr.open_array(small_run.path / "layout.zarr", path=level, mode="r")
        assert layout.shape == (len(index) + 60, 3)
        for pair in ("real-vs-synthetic", "synthetic-vs-real"):
            manifest = pq.read_table(small_run.path / "manifests" / f"{level}.{pair}.parquet").to_pandas()
            assert "uri" in manifest
            assert len(pd.read_csv(str(small_run.path / "manifests" / f"{level}.{pair}.csv"))) == len(manifest)


def test_every_listed_image_is_read_or_rejected_with_its_reason(small_run: gapscope.Run) -> None:
    index = small_run.index("real").set_index("uri")
    statuses = {Path(str(uri)).name: status for uri, status in index["status"].items() if status != "ok"}
    assert statuses == {"cut.jpg": "damaged", "empty.png": "empty", "words.png": "not-an-image"}
    assert index[index["status"] != "ok"]["error"].str.len().min() > 0
    assert (index[index["status"] == "ok"][["width", "height"]] == 96).all().all()
    numbers = small_run.metrics["datasets"]["real"]
    assert (numbers["listed"], numbers["read"], numbers["rejected"]) == (75, 72, 3)
    assert (numbers["groups"], numbers["group_rule"]) == (72, "none")
    assert numbers["statuses"] == {"damaged": 1, "empty": 1, "not-an-image": 1}
    rejects = pd.read_csv(str(small_run.path / "rejects.csv"))
    assert sorted(Path(uri).name for uri in rejects["uri"]) == ["cut.jpg", "empty.png", "words.png"]


def test_embeddings_are_where_their_images_are(small_run: gapscope.Run) -> None:
    read = (small_run.index("real")["status"] == "ok").to_numpy()
    for level, channels in zip(small_run.levels, (24, 40, 112, 320, 1280), strict=True):
        found = small_run.embeddings("real", level)
        assert found.shape == (75, channels)
        assert found.dtype == np.float16
        np.testing.assert_array_equal(np.isfinite(found).all(axis=1), read)
        layout = small_run.layout(level)
        assert layout["dataset"].value_counts().to_dict() == {"real": 72, "synthetic": 60}
        assert np.isfinite(layout[["x", "y", "z"]].to_numpy()).all()


def test_the_manifest_names_the_kind_that_the_reference_lacks(small_run: gapscope.Run) -> None:
    listed = small_run.outliers("P5", "real", "synthetic")
    planted = listed["uri"].str.contains(KIND)
    assert planted.sum() >= 0.9 * 24
    assert (~planted).sum() <= 0.2 * len(listed)
    assert listed["rank"].tolist() == list(range(1, len(listed) + 1))
    assert (listed["q"].diff().dropna() >= 0).all()
    assert (listed["q"] <= 0.1).all()
    assert (listed["p"] <= listed["q"] + 1e-12).all()
    assert set(listed["reason"]) <= {"outside", "under-represented", "both"}
    assert all(len(uris) == 5 and all("synthetic" in uri for uri in uris) for uris in listed["neighbors"])
    back = small_run.outliers("P5", "synthetic", "real")
    assert len(back) <= 0.1 * 60


def test_numbers_say_the_same_as_the_manifests(small_run: gapscope.Run) -> None:
    for level in small_run.levels:
        for query, reference in small_run.pairs:
            numbers = small_run.metrics["levels"][level]["pairs"][f"{query}-vs-{reference}"]
            listed = small_run.outliers(level, query, reference)
            assert numbers["outliers"] == len(listed)
            assert numbers["outlier_share"] == pytest.approx(len(listed) / numbers["images"])
            assert numbers["outside"] == listed["reason"].isin(["outside", "both"]).sum()
            assert numbers["under_represented"] == listed["reason"].isin(["under-represented", "both"]).sum()
            assert 0 <= numbers["coverage"] <= 1
    numbers = small_run.metrics["levels"]["P5"]["pairs"]["real-vs-synthetic"]
    assert numbers["reference_neighbors"] < numbers["reference_neighbors_expected"]


def test_asking_for_what_the_run_lacks_is_a_clear_error(small_run: gapscope.Run) -> None:
    with pytest.raises(gapscope.OptionError, match="level 'P9'"):
        small_run.layout("P9")
    with pytest.raises(gapscope.OptionError, match="dataset 'fake'"):
        small_run.embeddings("fake", "P3")
    with pytest.raises(gapscope.OptionError, match="dataset 'real'"):
        small_run.outliers("P3", "real", "real")


def test_a_run_opens_again_and_the_same_call_gives_the_same(
    small_run: gapscope.Run, two_folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {
        path: path.read_bytes()
        for path in small_run.path.rglob("*")
        if path.is_file() and path.name not in ("run.json", "log.txt")
    }

    def read(*_: object) -> bytes:
        raise AssertionError("a finished block was read again")

    opened = gapscope.open_run(small_run.path)
    assert opened.metrics == small_run.metrics
    with monkeypatch.context() as patch:
        patch.setattr("gapscope.cluster.launch.open_cluster", read)
        gapscope.compare(
            dict(zip(("real", "synthetic"), two_folders, strict=True)),
            out=str(small_run.path),
            model="bundled",
            size=96,
        )
    after = {
        path: path.read_bytes()
        for path in small_run.path.rglob("*")
        if path.is_file() and path.name not in ("run.json", "log.txt")
    }
    assert after == before


def test_what_defines_a_run_is_written_down(small_run: gapscope.Run, two_folders: tuple[Path, Path]) -> None:
    content = json.loads((small_run.path / "run.json").read_text())
    assert content["config"]["datasets"] == {"real": str(two_folders[0]), "synthetic": str(two_folders[1])}
    assert content["config"]["embed"]["size"] == 96
    assert len(content["config"]["embed"]["weights_sha256"]) == 64
    assert content["versions"]["gapscope"] == gapscope.__version__
    assert content["datasets"]["real"]["listed"] == 75


def write_flat(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (40, 40), (number * 40 % 256, 0, 0)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("counts", [(1, 1), (3, 2), (5, 12)])
def test_a_handful_of_images_is_enough(tmp_path: Path, counts: tuple[int, int]) -> None:
    folders = {name: write_flat(tmp_path / name, count) for name, count in zip("ab", counts, strict=True)}
    run = gapscope.compare(folders, out=tmp_path / "run", model="bundled", levels=["P3"], size=64, cluster="inline")
    assert len(run.layout("P3")) == sum(counts)
    assert run.outliers("P3", "a", "b").columns.tolist()[:3] == ["rank", "uri", "row"]


def test_three_datasets_and_equal_images(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("a", "b", "c")}
    for folder in folders.values():
        folder.mkdir()
        for number in range(12):
            Image.new("RGB", (40, 40)).save(folder / f"{number}.png")
    run = gapscope.compare(folders, out=tmp_path / "run", model="bundled", levels=["P4"], size=64, cluster="inline")
    assert len(run.pairs) == 6
    assert all(run.outliers("P4", *pair).empty for pair in run.pairs)


def test_a_dataset_without_one_readable_image_ends_the_run_with_a_reason(tmp_path: Path) -> None:
    good, bad = write_flat(tmp_path / "good", 3), tmp_path / "bad"
    bad.mkdir()
    (bad / "1.png").write_text("no image")
    options = {"model": "bundled", "size": 64, "cluster": "inline"}
    with pytest.raises(gapscope.SourceError, match=r"dataset bad: none of its 1 images .*no decoder knows"):
        gapscope.compare({"good": good, "bad": bad}, out=tmp_path / "run", **options)  # type: ignore[arg-type]
    # Who goes on all the same finds all reasons.
    with pytest.raises(gapscope.SourceError, match=r"dataset bad: none of its 1 images.*rejects\.csv"):
        gapscope.compare({"good": good, "bad": bad}, out=tmp_path / "run", allow_missing=True, **options)  # type: ignore[arg-type]
    assert "no decoder knows" in (tmp_path / "run" / "rejects.csv").read_text()


def test_a_source_that_changed_is_taken_over_only_where_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {name: write_flat(tmp_path / name, 12) for name in "ab"}
    options = {"model": "bundled", "levels": ["P3"], "size": 64, "cluster": "inline"}
    gapscope.compare(folders, out=tmp_path / "run", **options)  # type: ignore[arg-type]
    before = gapscope.open_run(tmp_path / "run").embeddings("a", "P3")
    Image.new("RGB", (40, 40), (0, 90, 0)).save(folders["a"] / "more.png")
    (folders["a"] / "1.png").unlink()
    with pytest.raises(
        gapscope.RunError,
        match=r"dataset a has changed.*1 added \(\S*more\.png\), 1 removed \(\S*1\.png\)"
        r".*`update=True`",
    ):
        gapscope.compare(folders, out=tmp_path / "run", **options)  # type: ignore[arg-type]

    decoded = []

    def counted(self: Folder, entry: Entry, read: Callable[[Folder, Entry], bytes] = Folder.read) -> bytes:
        decoded.append(Path(entry.uri).name)
        return read(self, entry)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "read", counted)
        patch.setattr("gapscope.stages.look._look", lambda *_: [])
        patch.setattr("gapscope.stages.pipeline.write_report", lambda *_: None)
        updated = gapscope.compare(folders, out=tmp_path / "run", update=True, **options)  # type: ignore[arg-type]
    assert decoded == ["more.png"]
    counts = updated.metrics["datasets"]["a"]
    assert (counts["listed"], counts["read"], counts["statuses"]) == (13, 12, {"removed": 1})
    found = updated.embeddings("a", "P3")
    gone = updated.index("a")["status"].eq("removed").to_numpy()
    np.testing.assert_array_equal(found[:12][~gone[:12]], before[~gone[:12]])
    assert np.isnan(found[gone]).all()
    fresh = gapscope.compare(folders, out=tmp_path / "fresh", **options)  # type: ignore[arg-type]
    by_name = {Path(uri).name: row for row, uri in enumerate(fresh.index("a")["uri"])}
    for row, uri in enumerate(updated.index("a")["uri"]):
        if not gone[row]:
            np.testing.assert_array_equal(found[row], fresh.embeddings("a", "P3")[by_name[Path(uri).name]])


def test_the_run_may_not_lie_inside_a_dataset(tmp_path: Path) -> None:
    folders = {name: write_flat(tmp_path / name, 2) for name in "ab"}
    with pytest.raises(gapscope.OptionError, match="inside dataset a"):
        gapscope.compare(folders, out=tmp_path / "a" / "run", model="bundled")
    assert len(list((tmp_path / "a").iterdir())) == 2


def test_what_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU nothing asks for faiss, and its absence must not end a run."""

    def lacking(name: str) -> str:
        if name == "faiss-cpu":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(pipeline, "version", lacking)
    found = dict(pipeline._versions())
    assert "faiss-cpu" not in found
    assert found["torch"] == version("torch")
