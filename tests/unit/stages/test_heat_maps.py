"""Heat maps of a whole run: planted squares are found, and what cannot be made says why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_run
import numpy as np
import pytest
from PIL import Image

import gapscope
from gapscope.demo.photographs import open_photograph
from gapscope.errors import UserError
from gapscope.heat_maps.squares import Square, pointing_of
from gapscope.progress import Silent
from gapscope.report.heat_maps import read_page_heat_maps
from gapscope.run import open_run
from gapscope.settings import HeatMaps, ReportSettings
from gapscope.stages import heat_maps as stage
from gapscope.stages.report import rewrite_report, write_report
from gapscope.store.heat_maps import NAME, read_heat_maps, write_heat_maps

SIZE, COUNT = 128, 40
SIDE = SIZE // 4


def places(count: int) -> list[Square]:
    random = np.random.default_rng(3)
    return [Square(0, *map(int, random.integers(0, SIZE - SIDE + 1, 2))) for _ in range(count)]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> gapscope.Run:
    """Grass, and grass with a square of bricks in every picture."""
    folder, random = tmp_path_factory.mktemp("planted"), np.random.default_rng(0)
    grass, brick = ((open_photograph(f"{name}.png") * 255).astype(np.uint8) for name in ("grass", "brick"))
    for name in ("real", "synthetic"):
        (folder / name).mkdir()
        for number, square in enumerate(places(COUNT)):
            top, left = random.integers(0, 512 - SIZE, 2)
            pixels = grass[top : top + SIZE, left : left + SIZE].copy()
            if name == "synthetic":
                patch = brick[top : top + SIDE, left : left + SIDE]
                pixels[square.top : square.top + SIDE, square.left : square.left + SIDE] = patch
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")
    return gapscope.compare(
        {name: folder / name for name in ("real", "synthetic")},
        out=folder / "run",
        model="bundled",
        size=SIZE,
        levels=["P2", "P3", "P4"],
        n_epochs=11,
        cluster="inline",
        reference="real",
    )


def test_planted_squares_are_where_the_heat_is(planted: gapscope.Run) -> None:
    table = planted.heat_maps
    found = table[(table["dataset"] == "synthetic") & table["reason"].isna()]
    areas = {}
    for level, rows in found.groupby("level"):
        assert len(rows) >= 8
        squares = [places(COUNT)[row] for row in rows["row"]]
        areas[level] = pointing_of(np.stack(list(rows["map"])).astype(np.float32), squares, SIZE)
    assert max(areas.values()) > 0.95
    page = read_page_heat_maps(planted.store, "all", *_selected(planted))
    assert page.facts is not None
    kind = next(number for number, gap in enumerate(planted.gaps_record["kinds"]) if gap["query"] == "synthetic")
    opens = page.facts["kinds"][kind]["level"]  # type: ignore[index]
    assert areas[planted.levels[opens]] > max(areas.values()) - 0.03


def _selected(run: gapscope.Run) -> tuple[Any, Any, Any, Any]:
    from gapscope.report.kinds import read_page_kinds
    from gapscope.report.lists import read_outlier_lists
    from gapscope.report.names import Names
    from gapscope.report.points import read_point_index
    from gapscope.report.selection import select_images

    index = read_point_index(run.store)
    kinds = read_page_kinds(run.store, index)
    lists = read_outlier_lists(run.store, index)
    return index, kinds, select_images(index, lists, shown=kinds.shown, max_drawn=1000), Names()


def test_a_page_that_is_written_again_does_not_make_them_again(
    planted: gapscope.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("they were made again")

    monkeypatch.setattr(stage, "_make", fail)
    before = (planted.path / NAME).read_bytes()
    page = rewrite_report(planted.path, Silent())
    assert (page.parent / "data" / "heat-maps.js").exists()
    assert (planted.path / NAME).read_bytes() == before


@pytest.mark.parametrize(("which", "has"), [("off", False), ("kinds", True), ("all", True)])
def test_the_option_says_which_images_have_them(planted: gapscope.Run, which: HeatMaps, has: bool) -> None:
    page = rewrite_report(planted.path, Silent(), ReportSettings(heat_maps=which))
    assert (page.parent / "data" / "heat-maps.js").exists() == has
    shown = read_page_heat_maps(planted.store, which, *_selected(planted))
    if which == "kinds":
        assert shown.data is not None
        pictures = sum(len(gap["pictures"]) for gap in planted.gaps_record["kinds"])
        assert len(shown.data["images"]) + len(shown.data["reasons"]) == pictures  # type: ignore[arg-type]


def make(run: gapscope.Run) -> None:
    stage.make_heat_maps(run.store, "all", Silent())


@pytest.fixture
def kept(planted: gapscope.Run) -> Iterator[bytes]:
    """The table as it is, which comes back after the test."""
    data = (planted.path / NAME).read_bytes()
    yield data
    (planted.path / NAME).write_bytes(data)


def test_what_is_damaged_is_noticed_and_made_again_with_the_same_bytes(planted: gapscope.Run, kept: bytes) -> None:
    (planted.path / NAME).write_bytes(b"PAR1 no table")
    assert [fault.path for fault in gapscope.verify(planted.path).faults] == [NAME]
    make(planted)
    assert (planted.path / NAME).read_bytes() == kept
    assert gapscope.verify(planted.path).sound


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("map", b"12"),
        ("map", b"123"),
        ("map", None),
        ("map", np.full((28, 28), np.nan, "<f2").tobytes()),
        ("level", "P9"),
        ("level", None),
        ("row", 10**6),
        ("row", None),
        ("reference", "elsewhere"),
        ("focus", float("nan")),
        ("pointing", None),
        ("uri", "elsewhere.png"),
    ],
)
@pytest.mark.usefixtures("kept")
def test_a_table_that_somebody_changed_is_not_shown(planted: gapscope.Run, column: str, value: object) -> None:
    rows = read_heat_maps(planted.store).to_pylist()
    next(row for row in rows if row["reason"] is None)[column] = value
    write_heat_maps(planted.path, rows)
    assert planted.heat_maps.empty


def test_a_reference_out_of_reach_is_the_reason_and_what_was_made_before_stays(
    planted: gapscope.Run, kept: bytes
) -> None:
    images = Path(str(planted.path.parent / "real"))
    elsewhere = images.rename(images.parent / "elsewhere")
    try:
        make(planted)
        assert (planted.path / NAME).read_bytes() == kept
        (planted.path / NAME).unlink()
        make(planted)
    finally:
        elsewhere.rename(images)
    table = planted.heat_maps
    assert table["reason"].notna().all()
    assert table[table["reference"] == "real"]["reason"].str.contains("of real can be read").any()
    # What is out of reach is tried again.
    make(planted)
    assert (planted.path / NAME).read_bytes() == kept


@pytest.mark.usefixtures("kept")
def test_an_image_that_cannot_be_read_again_has_no_heat_map_and_the_reason(planted: gapscope.Run) -> None:
    image = Path(planted.gaps_record["kinds"][0]["pictures"][0]["uri"])
    data = image.read_bytes()
    (planted.path / NAME).unlink()
    image.unlink()
    try:
        make(planted)
    finally:
        image.write_bytes(data)
    (row,) = planted.heat_maps[planted.heat_maps["uri"] == str(image)].to_dict("records")
    assert "no such file" in row["reason"]
    assert planted.heat_maps["map"].notna().any()


@pytest.mark.parametrize(
    ("function", "error"),
    [("_fit", RuntimeError("out of memory")), ("load_pyramid", UserError("the weights do not fit"))],
)
@pytest.mark.usefixtures("kept")
def test_a_network_that_fails_leaves_a_page_without_heat_maps(
    planted: gapscope.Run, monkeypatch: pytest.MonkeyPatch, function: str, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    (planted.path / NAME).unlink()
    monkeypatch.setattr(stage, function, fail)
    make(planted)
    reasons = set(planted.heat_maps["reason"])
    assert str(error) in reasons
    assert planted.heat_maps["map"].isna().all()


def test_a_run_without_its_network_says_so(tmp_path: Path) -> None:
    names = [f"{at:02d}.png" for at in range(24)]
    spec = fake_run.FakeRunSpec(images={"real": names, "synthetic": names}, outliers=5, kinds=True)
    run = fake_run.write_fake_run(tmp_path, spec)
    write_report(run.store, Silent())
    assert open_run(run.path).heat_maps["reason"].str.contains("network|weights").all()
