"""The page where images belong together: one picture per clip, and a ranking where there are too few of them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from vector_run import compare_vectors

from gapscope.progress import Silent
from gapscope.stages.report import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., "Page"]
FRAMES = 4


def clips(count: int, odd: int, seed: int) -> NDArray[np.float64]:
    """Frames of clips, the last of which are of another kind."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(count, 16))
    centers[count - odd :, :4] += 8
    return np.repeat(centers, FRAMES, axis=0) + random.normal(scale=0.05, size=(count * FRAMES, 16))


def page_of(folder: Path, count: int, odd: int) -> Path:
    vectors = {"real": {"P5": clips(count, odd, 1)}, "synthetic": {"P5": clips(count, 0, 2)}}
    group = {
        name: [f"{prefix}/{row // FRAMES:03d}" for row in range(count * FRAMES)]
        for name, prefix in (("real", "drives"), ("synthetic", "jobs"))
    }
    run = compare_vectors(folder / "run", vectors, group=group)
    return Path(str(write_report(run.store, Silent())))


@pytest.fixture(scope="module")
def listed_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_of(tmp_path_factory.mktemp("listed"), count=120, odd=30)


@pytest.fixture(scope="module")
def few_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_of(tmp_path_factory.mktemp("few"), count=6, odd=0)


def test_a_clip_is_one_picture_with_its_other_frames_behind_it(visit: Visit, listed_page: Path) -> None:
    page = visit(listed_page)
    page.select_option("#pair", label="real vs synthetic")
    items, toggles = page.locator("#grid .item"), page.locator("#grid .behind")
    ranks = "#grid .item-head strong"
    page.wait_for_selector(ranks)
    pictures = int(re.search(r"in (\d+) pictures", page.inner_text("#grid-count"))[1])  # type: ignore[index]
    shown = items.count()
    assert 12 <= toggles.count() == shown <= pictures
    assert toggles.first.inner_text() == "3 more of this group"
    assert re.search(r"(\d+) real groups, \d+ images in all", page.inner_text("#grid-note"))
    toggles.nth(1).click()
    page.wait_for_selector(".behind[aria-expanded='true']")
    # The frames of the second clip stand behind its first, with its rank.
    assert page.locator(ranks).all_inner_texts()[:6] == ["1", "2", "2", "2", "2", "3"]
    assert page.evaluate("document.activeElement.classList.contains('behind')")
    page.locator(".behind[aria-expanded='true']").click()
    page.wait_for_selector(".behind[aria-expanded='true']", state="detached")
    assert page.locator(ranks).all_inner_texts()[:3] == ["1", "2", "3"]
    assert "480 images in 120 groups" in page.inner_text("#counts")
    assert "real: 480 images in 120 groups" in page.inner_text("#notes")
    items.first.click()
    page.wait_for_selector("#pinned.filled")
    assert "One of 4 images of the group" in page.inner_text("#pinned")
    assert "drives/" in page.inner_text("#pinned")


def test_too_few_clips_give_a_ranking_that_says_it_is_not_sure(visit: Visit, few_page: Path) -> None:
    page = visit(few_page)
    assert "too few to list anything at 10%" in page.inner_text("#notes")
    assert page.inner_text("#grid-what").startswith("Ranking of")
    assert page.locator("#scopes .segment").first.inner_text().split() == ["Ranked", "6"]
    assert "None of these is sure" in page.inner_text("#grid-note")
    assert page.locator("#grid .item").count() == 6
    assert page.locator("#grid .behind").count() == 0
    assert page.locator("#grid .item-head").first.inner_text().split()[:2] == ["1", "p"]
