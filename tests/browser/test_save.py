"""What is taken along from the page: pictures of the map, tables, and the page as one file."""

import csv
import datetime
import io
import xml.etree.ElementTree as ET
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fake_run import FakeRunSpec, write_fake_run
from PIL import Image

from gapscope.progress import Silent
from gapscope.sources import Folder
from gapscope.stages.report import write_report
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.index import write_index

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., "Page"]

PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "brick.png", "grass.png", "gravel.png"]
STATS: ImageStats = {"format": "JPEG", "width": 400, "height": 300, "status": "ok", "error": ""}
SVG = "{http://www.w3.org/2000/svg}"


def saved(page: "Page", button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click(button)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.mark.slow
def test_a_saved_picture_says_what_it_shows(visit: Visit, hostile_page: Path, tmp_path: Path) -> None:
    page = visit(hostile_page, scheme="dark")
    page.locator("#readings label").first.click()
    page.wait_for_selector("body[data-reading='as-is']")
    page.select_option("#color", "column:weather")
    page.wait_for_selector("#color-key .key-entry")
    path = saved(page, "#save-svg", tmp_path)
    assert path.name == "gapscope-P2-as-is.svg"
    picture = ET.parse(path).getroot()
    tags = {element.tag.removeprefix(SVG) for element in picture.iter()}
    assert tags <= {"svg", "rect", "g", "path", "circle", "text"}
    assert not [
        name for element in picture.iter() for name in element.attrib if name.startswith("on") or "href" in name
    ]
    texts = [element.text or "" for element in picture.iter(f"{SVG}text")]
    assert texts[0] == "real vs synthetic"
    assert texts[1].startswith("Level P2, as it is; real against synthetic")
    # The legend counts both datasets with what is listed of each, and the key of colors has what strangers wrote.
    assert texts[2:6] == ["real 0", "real, outliers 10", "synthetic 0", "synthetic, outliers 2"]
    assert any(text.startswith("</script><b>bold</b>") for text in texts)
    assert "missing" in texts
    assert f"picture of {datetime.datetime.now(datetime.UTC).date()}" in texts[-1]
    assert any("real against synthetic: listed" in text for text in texts)
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    points = next(group for group in picture.iter(f"{SVG}g") if len(group.findall(f"{SVG}path")) > 1)
    assert len(points) == 12
    # The dark theme's ground and text.
    ground = picture.find(f"{SVG}rect")
    assert ground is not None
    assert int(ground.attrib["fill"][1:3], 16) < 60

    path = saved(page, "#save", tmp_path)
    assert path.name == "gapscope-P2-as-is.png"
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == (2 * width, 2 * height)
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    # Texts at the top, points in the middle, notes at the bottom: nowhere one color.
    for part in np.array_split(pixels, 3):
        assert np.ptp(part, axis=(0, 1)).max() > 100


def test_the_table_of_numbers_sorts_and_is_saved(visit: Visit, measured_page: Path, tmp_path: Path) -> None:
    page = visit(measured_page)
    head = page.locator("#numbers th[data-column=level]")
    levels = page.locator("#numbers th[scope=rowgroup]")
    assert (head.get_attribute("aria-sort"), levels.all_inner_texts()) == ("ascending", ["P2", "P3", "P4"])
    head.locator("button.sort").click()
    assert (head.get_attribute("aria-sort"), levels.all_inner_texts()) == ("descending", ["P4", "P3", "P2"])
    # By keyboard too; the largest number first.
    head = page.locator("#numbers th[data-column=outliers]")
    head.locator("button.sort").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    path = saved(page, "#save-numbers", tmp_path)
    assert path.name == "gapscope-numbers-as-is.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert [(row["level"], row["query"], row["reference"]) for row in rows[:2]] == [
        ("P2", "real", "synthetic"),
        ("P2", "synthetic", "real"),
    ]
    assert len(rows) == 6
    for row in rows:
        assert (int(row["images"]), int(row["outliers"])) == (24, 5)
        assert [float(row[f"share_outside{end}"]) for end in ("", "_low", "_high")] == [0.25, 0.2, 0.3]


def take_photographs(folder: Path, names: list[str], seed: int) -> None:
    """Write crops of photographs, as JPEG files of 400 x 300 pixels."""
    random = np.random.default_rng(seed)
    sources = [
        Image.open(io.BytesIO((files("skimage") / "data" / name).read_bytes())).convert("RGB") for name in PHOTOGRAPHS
    ]
    for number, name in enumerate(names):
        source = sources[number % len(sources)]
        width = int(random.integers(min(source.width, source.height) // 2, min(source.width, source.height)))
        height = 3 * width // 4
        left, top = (int(random.integers(0, most + 1)) for most in (source.width - width, source.height - height))
        source.crop((left, top, left + width, top + height)).resize((400, 300)).save(folder / name, "JPEG", quality=92)


@pytest.mark.slow
def test_eight_hundred_photographs_are_a_file_for_mailing(visit: Visit, tmp_path: Path) -> None:
    names = [f"{at:03d}.jpg" for at in range(400)]
    run = write_fake_run(
        tmp_path / "work",
        FakeRunSpec(images={"real": names, "synthetic": names}, outliers=60, kinds=True, measured=True),
    )
    for seed, dataset in enumerate(("real", "synthetic")):
        folder = tmp_path / "work" / "images" / dataset
        take_photographs(folder, names, seed)
        write_index(run.store, dataset, sorted(Folder(str(folder)).entries(), key=lambda entry: entry.uri))
        write_image_stats(run.store, dataset, 0, [STATS] * len(names))
        merge_image_stats(run.store, dataset)
    single = tmp_path / "mailed.html"
    write_report(run.store, Silent(), single_file=single)
    assert 2_000_000 < single.stat().st_size < 8_000_000
    # It needs nothing of its run, and says nothing of where that was.
    (tmp_path / "work").rename(tmp_path / "elsewhere")
    assert str(tmp_path) not in single.read_text(encoding="utf-8")
    page = visit(single)
    assert page.evaluate("gapscope.images.count") == 800
    page.wait_for_function("() => gapscope.map().pointsDrawn === 800")
    picture = page.locator("#grid-items .thumbnail").first
    picture.scroll_into_view_if_needed()
    page.wait_for_function(
        "() => document.querySelector('#grid-items .thumbnail').style.backgroundImage.includes('blob:')"
    )
    with Image.open(io.BytesIO(picture.screenshot())) as shot:
        assert np.asarray(shot.convert("L"), dtype=float).std() > 5
    page.locator("#grid-items .item").first.click()
    page.wait_for_selector("#pinned.filled .neighbor")
    assert page.locator("#pinned .thumbnail.missing").count() == 0
