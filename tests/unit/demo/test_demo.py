"""The demo as a user runs it: its manifests must list the planted kinds."""

import hashlib
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import gapscope
from gapscope.demo import Demo, make_demo_data
from gapscope.demo.photographs import open_photograph
from gapscope.errors import UserError
from gapscope_cli.main import app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def output(folder: Path) -> str:
    invocation = CliRunner().invoke(app, ["demo", "--out", str(folder)])
    assert invocation.exit_code == 0, invocation.output
    return invocation.stdout


@pytest.fixture(scope="module")
def demo(folder: Path, output: str) -> Demo:
    assert output
    return Demo(make_demo_data(folder / "images"), gapscope.open_run(folder / "run"))


def count_kinds(pictures: Path) -> Counter[str]:
    return Counter(path.parent.name for path in pictures.rglob("*.jpg"))


def listed_kinds(demo: Demo, level: str, query: str, reference: str) -> list[str]:
    return [Path(uri).parent.name for uri in demo.run.outliers(level, query, reference)["uri"]]


def test_it_ends_with_the_path_of_a_page(folder: Path, output: str) -> None:
    page = Path(output.splitlines()[-1].split()[-1])
    assert page == folder / "run" / "report" / "index.html"
    assert "<html" in page.read_text(encoding="utf-8")


def test_a_few_hundred_pictures_of_each_and_the_planted_kinds_in_one_only(demo: Demo) -> None:
    real, rendered = count_kinds(demo.data.photographs), count_kinds(demo.data.rendered)
    assert 250 <= real.total() <= 400
    assert 250 <= rendered.total() <= 400
    assert set(real) - set(rendered) == set(demo.data.planted_real)
    assert set(rendered) - set(real) == set(demo.data.planted_rendered)
    assert demo.data.planted_real
    assert demo.data.planted_rendered


@pytest.mark.parametrize("level", ["P4", "P5", "P6"])
def test_the_manifest_lists_the_planted_kinds(demo: Demo, level: str) -> None:
    for pictures, planted, pair in (
        (demo.data.photographs, demo.data.planted_real, ("real", "synthetic")),
        (demo.data.rendered, demo.data.planted_rendered, ("synthetic", "real")),
    ):
        images, listed = count_kinds(pictures), Counter(listed_kinds(demo, level, *pair))
        for kind in planted:
            assert listed[kind] >= 0.8 * images[kind], (level, kind)


def test_planted_kinds_rank_first_and_few_images_of_other_kinds_are_listed(demo: Demo) -> None:
    listed = listed_kinds(demo, "P5", "real", "synthetic")
    every = (*demo.data.planted_real, *demo.data.rare, *demo.data.rearranged)
    planted = [kind in every for kind in listed]
    assert sum(planted[:20]) >= 18
    assert sum(planted) > 0.6 * len(planted)
    images = count_kinds(demo.data.photographs)
    not_planted = images.total() - sum(images[kind] for kind in every)
    assert len(planted) - sum(planted) < 0.25 * not_planted


def test_a_blur_shows_most_where_texture_is_fine(demo: Demo) -> None:
    images = count_kinds(demo.data.rendered)
    for kind in demo.data.soft:
        assert demo.n_listed("P2", "synthetic", kind) >= 0.8 * images[kind]
        assert demo.n_listed("P5", "synthetic", kind) < demo.n_listed("P2", "synthetic", kind)


def test_the_planted_kinds_are_the_first_each_whole_pure_named_by_its_folder_and_of_its_sort(demo: Demo) -> None:
    real, rendered = count_kinds(demo.data.photographs), count_kinds(demo.data.rendered)
    planted: dict[tuple[str, str], tuple[str, int]] = {}
    for kinds, sort in (
        (demo.data.planted_real, "absent"),
        (demo.data.rare, "rare"),
        (demo.data.soft, "looks-different"),
        (demo.data.rearranged, "arranged-differently"),
    ):
        planted |= {("real", kind): (sort, real[kind]) for kind in kinds}
    planted |= {("synthetic", kind): ("only-here", rendered[kind]) for kind in demo.data.planted_rendered}
    # A look or an arrangement is seen from both sides.
    both = {("synthetic", kind) for kind in (*demo.data.soft, *demo.data.rearranged)}

    gaps = demo.run.gaps_record["kinds"]
    first = gaps[: len(planted) + len(both)]
    assert {(gap["query"], gap["name"]) for gap in first} == set(planted) | both
    for gap in first:
        members = [Path(uri).parent.name for uri in demo.run.gap_images(gap["id"])["uri"]]
        assert set(members) == {gap["name"]}
        assert gap["name_source"] == "folder"
        if (gap["query"], gap["name"]) in planted:
            sort, images = planted[gap["query"], gap["name"]]
            assert gap["sort"] == sort
            assert len(members) >= (1.0 if sort in ("absent", "only-here") else 0.9) * images
    mirrored = [gap for gap in first if gap["mirror"]]
    assert {(gap["query"], gap["name"]) for gap in mirrored} >= both


def test_without_folders_cat_and_coffee_are_named_by_the_network_and_the_others_are_not(
    demo: Demo, tmp_path: Path
) -> None:
    for dataset, pictures in (("real", demo.data.photographs), ("synthetic", demo.data.rendered)):
        (tmp_path / dataset).mkdir()
        for picture in pictures.rglob("*.jpg"):
            name = hashlib.sha256(f"{picture.parent.name}/{picture.name}".encode()).hexdigest()[:12]
            shutil.copy(picture, tmp_path / dataset / f"{name}.jpg")
    datasets = {name: tmp_path / name for name in ("real", "synthetic")}
    run = gapscope.compare(datasets, out=tmp_path / "run", model="bundled", thumbnails="off")
    named = {
        hashlib.sha256(f"{kind}/{number:03d}.jpg".encode()).hexdigest()[:12]: kind
        for kind in count_kinds(demo.data.photographs)
        for number in range(40)
    }
    names = {}
    for gap in run.gaps_record["kinds"]:
        if gap["query"] == "real":
            (kind,) = {named[Path(uri).stem] for uri in run.gap_images(gap["id"])["uri"]}
            names[kind] = (gap["name"], gap["name_source"])
    assert names["cat"] == ("cat", "network")
    assert names["coffee"] == ("espresso", "network")
    assert names["grass"] == ("", "")


def test_the_summary_agrees_with_the_manifests(demo: Demo, output: str) -> None:
    for kind in demo.data.planted_real:
        (line,) = (line for line in output.splitlines() if line.split()[:1] == [kind])
        assert f"P5 {demo.n_listed('P5', 'real', kind):>2}" in line


def test_the_same_seed_gives_the_same_images_and_complete_data_is_not_rewritten(
    demo: Demo, folder: Path, tmp_path: Path
) -> None:
    pictures = sorted((folder / "images").rglob("*.jpg"))
    before = {path: path.stat().st_mtime_ns for path in pictures}
    make_demo_data(folder / "images")
    assert {path: path.stat().st_mtime_ns for path in pictures} == before
    again = make_demo_data(tmp_path)
    for path in pictures:
        assert (tmp_path / path.relative_to(folder / "images")).read_bytes() == path.read_bytes()
    with Image.open(pictures[0]) as picture:
        assert picture.size == (240, 240)
    assert again.planted_real == demo.data.planted_real
    assert all(kind in (tmp_path / "README.txt").read_text() for kind in demo.data.planted_real)


def test_without_scikit_image_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Path:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("gapscope.demo.photographs.files", missing)
    with pytest.raises(UserError, match=r"gapscope\[demo\]"):
        open_photograph("brick.png")


def test_the_parameter_that_ends_too_soon_is_wanted_more_at_that_end(demo: Demo, output: str) -> None:
    rows = demo.run.metrics["wanted"]["real-vs-synthetic"]
    assert len(rows) >= 5
    assert [(row["column"], row["end"]) for row in rows if row["named"]] == [(demo.data.cut, "high")]
    assert f"what real wants of synthetic: {rows[0]['sentence']}\n" in output


@pytest.mark.parametrize("seed", [1, 2])
def test_with_other_pictures_it_is_the_same_parameter(tmp_path: Path, seed: int) -> None:
    data = make_demo_data(tmp_path / "images", seed)
    run = gapscope.compare(
        {"real": data.photographs, "synthetic": data.parameters},
        out=tmp_path / "run",
        model="bundled",
        cluster="inline",
        n_epochs=11,
        heat_maps="off",
        thumbnails="off",
    )
    rows = run.metrics["wanted"]["real-vs-synthetic"]
    assert [(row["column"], row["end"]) for row in rows if row["named"]] == [(data.cut, "high")]
