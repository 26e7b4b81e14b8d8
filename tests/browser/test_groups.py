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
    items, toggles = page.locator("#gallery-items > li"), page.locator("#gallery-items .behind")
    shown = items.count()
    assert toggles.count() == shown == 24
    assert toggles.first.inner_text() == "3 more of this group"
    assert re.search(r"24 of \d+ real groups, \d+ images in all", page.inner_text("#gallery-note"))
    toggles.nth(1).click()
    page.wait_for_selector(".behind[aria-expanded='true']")
    assert items.count() == shown + FRAMES - 1
    # The frames of the second clip stand behind its first, with its rank.
    assert page.locator("#gallery-items .item strong").all_inner_texts()[:6] == ["1", "2", "2", "2", "2", "3"]
    assert page.evaluate("document.activeElement.classList.contains('behind')")
    page.locator(".behind[aria-expanded='true']").click()
    page.wait_for_function(f"document.querySelectorAll('#gallery-items > li').length === {shown}")
    assert "480 images in 120 groups" in page.inner_text("#counts")
    assert "real: 480 images in 120 groups" in page.inner_text("#notes")
    page.locator("#gallery-items .item").first.click()
    page.wait_for_selector("#pinned.filled")
    assert "One of 4 images of the group drives/" in page.inner_text("#pinned")


def test_too_few_clips_give_a_ranking_that_says_it_is_not_sure(visit: Visit, few_page: Path) -> None:
    page = visit(few_page)
    assert "too few to list anything at 10%" in page.inner_text("#notes")
    assert page.inner_text("#gallery-title").startswith("Ranking of")
    assert "None of these is sure" in page.inner_text("#gallery-note")
    assert page.locator("#gallery-items > li").count() == 6
    assert page.locator("#gallery-items .behind").count() == 0
    assert page.locator("#gallery-items .item-head").first.inner_text().split()[:2] == ["1", "p"]
    assert page.locator("#select-list").is_hidden()
