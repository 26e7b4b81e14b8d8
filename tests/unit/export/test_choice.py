"""Which images an export holds."""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

import gapscope
from gapscope.errors import OptionError
from gapscope.export import ImageChoice, export_run
from gapscope.export.diverse import k_center
from gapscope.progress import Silent
from gapscope.settings import Reading
from gapscope_cli.main import app


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def exported(
    run: gapscope.Run, folder: Path, progress: Silent | None = None, **choice: object
) -> list[dict[str, object]]:
    """Return what an export says of its images."""
    images = ImageChoice(**choice)  # type: ignore[arg-type]
    written = Path(str(export_run(run, "fiftyone", folder, progress, images=images)))
    samples: list[dict[str, object]] = json.loads((written / "samples.json").read_text(encoding="utf-8"))["samples"]
    return samples


def test_a_list_is_exported_as_it_is_ranked(small_run: gapscope.Run, tmp_path: Path) -> None:
    manifest = small_run.outliers("P5", "real", "synthetic")
    samples = exported(small_run, tmp_path / "one", list="P5.real-vs-synthetic")
    assert [sample["uri"] for sample in samples] == manifest["uri"].tolist()
    assert [sample["rank"] for sample in samples] == manifest["rank"].tolist()
    assert [sample["score"] for sample in samples] == pytest.approx(manifest["score"].tolist(), rel=1e-4)
    assert {sample["list"] for sample in samples} == {"P5.real-vs-synthetic"}
    level, aside = next(
        (level, table)
        for level in small_run.levels
        if len(table := small_run.outliers(level, "real", "synthetic", "style-aside").query("listed"))
    )
    samples = exported(small_run, tmp_path / "two", list=f"{level}.real-vs-synthetic.style-aside")
    assert [sample["uri"] for sample in samples] == aside["uri"].tolist()
    across = small_run.outliers_across_levels("real", "synthetic").query("within_fdr")
    samples = exported(small_run, tmp_path / "three", list="all.real-vs-synthetic")
    assert [sample["uri"] for sample in samples] == across["uri"].tolist()


def test_a_kind_is_exported_whole(small_run: gapscope.Run, tmp_path: Path) -> None:
    kind = small_run.gaps["id"][0]
    samples = exported(small_run, tmp_path / "out", kind=kind)
    assert {sample["row"] for sample in samples} == set(small_run.gap_images(kind)["row"])
    assert {sample["kind"] for sample in samples} == {kind}
    ranks = [sample["rank"] for sample in samples if sample["rank"] is not None]
    assert ranks == sorted(ranks, key=lambda rank: int(str(rank)))


def test_a_selection_of_the_page_is_exported(small_run: gapscope.Run, tmp_path: Path) -> None:
    real, synthetic = (small_run.index(name)["uri"].tolist() for name in ("real", "synthetic"))
    names = [real[9], synthetic[4], real[2]]
    listed = tmp_path / "gapscope-brush.txt"
    listed.write_text("".join(f"{uri}\n" for uri in [*names, "/data/of/another/run.png"]), encoding="utf-8")
    notes = Notes()
    samples = exported(small_run, tmp_path / "one", notes, selection=listed)
    assert [sample["uri"] for sample in samples] == names
    assert f"{listed}: 1 of 4 images are not in this run" in notes.notes
    table = tmp_path / "gapscope-brush.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([["dataset", "row", "uri"], ["synthetic", "4", synthetic[4]], ["real", "9", real[9]]])
    assert [sample["uri"] for sample in exported(small_run, tmp_path / "two", selection=table)] == names[1::-1]
    for content, words in (
        ("dataset,uri\nother,/a.png\n", "holds images of 'other'; this run has real, synthetic"),
        ("name\n/a.png\n", "has no column `uri`"),
        ("uri\n/a.png\n", "holds not one image of this run"),
    ):
        table.write_text(content, encoding="utf-8")
        with pytest.raises(OptionError, match=words):
            exported(small_run, tmp_path / "three", selection=table)


def test_few_are_picked_from_a_list(small_run: gapscope.Run, tmp_path: Path) -> None:
    manifest = small_run.outliers("P5", "real", "synthetic")["uri"].tolist()
    few, more = (
        [
            sample["uri"]
            for sample in exported(small_run, tmp_path / str(count), list="P5.real-vs-synthetic", pick=count)
        ]
        for count in (4, 9)
    )
    assert few == more[:4]
    assert few[0] == manifest[0]
    assert len({*more}) == 9
    assert {*more} <= {*manifest}
    every = exported(small_run, tmp_path / "all", list="P5.real-vs-synthetic", pick=1000)
    assert [sample["uri"] for sample in every] == manifest
    # Of the images of all maps too.
    assert len({sample["uri"] for sample in exported(small_run, tmp_path / "maps", pick=6)}) == 6


def radius(vectors: NDArray[np.float32], chosen: list[int]) -> float:
    """How far the farthest vector is from the nearest chosen one."""
    distances = np.linalg.norm(vectors[:, None] - vectors[chosen][None], axis=2)
    return float(distances.min(axis=1).max())


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_no_choice_of_as_many_is_twice_as_near_to_all(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    # Some are equal.
    vectors = random.integers(0, 4, size=(9, 2)).astype(np.float32)
    chosen = k_center(vectors, count)
    assert len({*chosen.tolist()}) == count
    best = min(radius(vectors, list(others)) for others in itertools.combinations(range(9), count))
    assert radius(vectors, chosen.tolist()) <= 2 * best + 1e-5


def test_what_is_not_there_is_said(small_run: gapscope.Run, tmp_path: Path) -> None:
    for options, words in (
        (
            ["--list", "P9.real-vs-synthetic"],
            "this run has no such list; it has all.real-vs-synthetic",
        ),
        (["--kind", "K99"], "this run has no such kind; it has K1"),
        (["--kind", "K1", "--list", "P5.real-vs-synthetic"], "give one of list and kind, not both"),
        (["--kind", "K1", "--pick", "0"], "must be 1 or more"),
        (["--selection", str(tmp_path / "no.txt")], "cannot be read"),
    ):
        ended = CliRunner().invoke(
            app, ["export", str(small_run.path), "--to", "coco", "--out", str(tmp_path / "new"), *options]
        )
        assert ended.exit_code == 2, ended.output
        assert words in ended.stderr.replace("--list ", "list=").replace("--kind ", "kind=").replace("--pick ", "pick=")
    with pytest.raises(
        OptionError, match="holds the whole run; a list, a kind, a selection or a few picked images go to"
    ):
        export_run(small_run, "parquet", tmp_path / "new", images=ImageChoice(pick=5))


def test_an_export_of_nothing_is_an_error(small_run: gapscope.Run, tmp_path: Path) -> None:
    reading: Reading = "style-aside"
    empty = next(
        f"{level}.{pair.name}.{reading}"
        for level in small_run.levels
        for pair in small_run.pairs
        if not small_run.outliers(level, *pair, reading)["listed"].any()
    )
    for to in ("fiftyone", "coco", "spotlight"):
        with pytest.raises(OptionError, match=f"list {empty} has no images, so that there is nothing to export"):
            export_run(small_run, to, tmp_path / "new", images=ImageChoice(list=empty))
    assert not (tmp_path / "new").exists() or not any((tmp_path / "new").iterdir())
