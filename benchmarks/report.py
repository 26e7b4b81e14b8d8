"""How fast the report is written, and how it feels: time until the page can be used, frames per second while turning.

    python benchmarks/report.py --images 50000 --images 1000000 --out benchmarks/results/report.json

It makes a run of that many images, with layouts, neighbors, outliers and thumbnails but without embeddings, writes its
report, and opens the page in headless Chromium. There WebGL is drawn by the processor (SwiftShader), which is the
slowest way there is: a laptop's graphics chip is far faster. Takes some minutes per size, and needs Chromium.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from gapscope.bench.machine import machine
from gapscope.bench.subprocess_case import peak_gib
from gapscope.progress import Silent
from gapscope.run import Run, open_run
from gapscope.sources import Entry
from gapscope.stages.report import write_report
from gapscope.store.atomic import write_json
from gapscope.store.index import merge_image_stats, write_image_stats, write_index
from gapscope.store.manifests import write_manifest
from gapscope.store.results import pair_name, write_layout, write_neighbors
from gapscope.store.run_record import RunRecord
from gapscope.store.thumbnails import is_kept, share_kept, write_thumbnails

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEVELS = ("P3", "P5")
NAMES = ("real", "synthetic")
BLOCK = 8192
NEIGHBOURS = 10
LISTED = 0.02
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SECONDS = 5.0


def main() -> None:
    """Measure every size, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, action="append", help="images of both datasets together")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    results = []
    for images in sorted(options.images or [50_000]):
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(Path(folder) / "run", images, options.repeats))
        print(json.dumps(results[-1], indent=2))
    options.out.write_text(json.dumps({"machine": machine(), "results": results}, indent=2) + "\n", encoding="utf-8")


def measure(folder: Path, images: int, repeats: int) -> dict[str, Any]:
    """Make a run, write its report, and use its page."""
    run = make_run(folder, images // len(NAMES))
    before = peak_gib()
    start = time.monotonic()
    page = write_report(run, Silent())
    seconds = time.monotonic() - start
    sizes = [path.stat().st_size for path in page.parent.rglob("*") if path.is_file()]
    facts = (page.parent / "data" / "facts.js").read_text(encoding="utf-8")
    drawn = json.loads(json.loads(facts[facts.index("JSON.parse(") + 11 : facts.rindex("));")]))["drawn"]
    # A dataset's share of the points is rounded down.
    if not 0 <= min(images, 50_000) - drawn < len(NAMES):
        raise SystemExit(f"{drawn} points are drawn")
    return {
        "images": images,
        "load_average": round(os.getloadavg()[0], 1),
        "levels": len(LEVELS),
        "points_drawn": drawn,
        "report_seconds": round(seconds, 1),
        "report_megabytes": round(sum(sizes) / 1e6, 1),
        "peak_memory_megabytes_before_report": int(before * 1024),
        "peak_memory_megabytes": int(peak_gib() * 1024),
        "browser": browse(page, drawn, repeats),
    }


def browse(path: Path, drawn: int, repeats: int) -> dict[str, Any]:
    """Open the page several times; every repeat is kept."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for _ in range(repeats):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            rows.append(use(page, path, drawn))
            page.close()
        about = {"browser": f"Chromium {browser.version}", "rendering": "software (SwiftShader), 1440 x 900"}
        browser.close()
    medians = {f"median_{name}": statistics.median(row[name] for row in rows) for name in rows[0]}
    return about | medians | {"repeats": rows}


def use(page: "Page", path: Path, drawn: int) -> dict[str, float]:
    """Open, switch the level, and turn the map with the mouse."""
    load = os.getloadavg()[0]
    start = time.monotonic()
    page.goto(path.as_uri(), timeout=120_000)
    page.wait_for_selector("body[data-level]", timeout=120_000)
    # Interactive: the map stands, and the page answers.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    interactive = time.monotonic() - start
    shown = page.evaluate("document.getElementById('map')._fullData.slice(0, 2).reduce((n, { x }) => n + x.length, 0)")
    if shown != drawn:
        raise SystemExit(f"the map has {shown} points")
    start = time.monotonic()
    other = page.evaluate("1 - gapscope.state.level")
    page.evaluate(f"gapscope.update({{ level: {other} }})")
    page.wait_for_selector(f"body[data-level='{other}']", timeout=120_000)
    switch = time.monotonic() - start
    turned = turn(page)
    # What Plotly's own choice of shape would cost.
    page.evaluate("Plotly.restyle('map', { 'marker.symbol': 'circle' }, [0])")
    circles = turn(page)["frames_per_second"]
    # Whatever else the machine was doing slows all of this down.
    times = {"load_average": round(load, 1), "interactive_s": round(interactive, 2), "level_switch_s": round(switch, 2)}
    return times | turned | {"frames_per_second_with_circles": circles}


def turn(page: "Page") -> dict[str, float]:
    """Drag the map in circles and count the frames that are drawn meanwhile."""
    page.evaluate("document.querySelector('.stage').scrollIntoView()")
    box = page.locator("#map").bounding_box()
    if box is None:
        raise SystemExit("the map is not there")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("""() => {
      const frames = window.frames_ = [];
      const note = (now) => { frames.push(now); if (frames === window.frames_) requestAnimationFrame(note); };
      requestAnimationFrame(note);
    }""")
    start = time.monotonic()
    step = 0
    while time.monotonic() - start < SECONDS:
        step += 1
        page.mouse.move(x + 160 * np.cos(step / 12), y + 60 * np.sin(step / 12))
    page.mouse.up()
    frames = np.diff(np.array(page.evaluate("[window.frames_, window.frames_ = null][0]")))
    return {
        "frames_per_second": round(float(len(frames) / (frames.sum() / 1000)), 1),
        "slowest_frame_ms": round(float(frames.max()), 1),
    }


def make_run(folder: Path, rows: int) -> Run:
    """Write a run without embeddings: two datasets of `rows` images in twelve clumps."""
    random = np.random.default_rng(0)
    facts = {name: {"listed": rows, "read": rows, "rejected": 0} for name in NAMES}
    config = {
        "datasets": {name: f"/images/{name}" for name in NAMES},
        "sources": {"objects": False},
        "embed": {"levels": list(LEVELS), "size": 224, "fit": "crop", "max_pixels": 10**8},
        "compare": {"k": 5, "k_local": 30, "fdr": 0.1},
        "layout": {},
    }
    levels = [{"name": level, "stride": 8 << 2 * at, "channels": 1} for at, level in enumerate(LEVELS)]
    record = RunRecord(config=config, model={"levels": levels}, versions={}, datasets=facts, block_rows=BLOCK)
    record.write(folder)
    for name in NAMES:
        write_index(folder, name, entries(name, rows))
        write_blocks(folder, name, rows, random)
    numbers = {level: make_level(folder, level, rows, random) for level in LEVELS}
    about = {name: {**facts[name], "statuses": {}} for name in NAMES}
    write_json(folder / "metrics.json", {"datasets": about, "levels": numbers})
    return open_run(folder)


def entries(name: str, rows: int) -> Iterator[Entry]:
    """List images by numbered names."""
    return (Entry(f"/images/{name}/{row // 1000:05d}/{row:08d}.jpg", 50_000) for row in range(rows))


def write_blocks(folder: Path, name: str, rows: int, random: np.random.Generator) -> None:
    """Write every row's facts, and the thumbnails that a run of that size keeps."""
    pictures = [thumbnail(random) for _ in range(64)]
    for block, start in enumerate(range(0, rows, BLOCK)):
        here = range(start, min(rows, start + BLOCK))
        fact = {"format": "JPEG", "width": 640, "height": 480, "status": "ok", "error": ""}
        write_image_stats(folder, name, block, [fact] * len(here))
        uris = [f"/images/{name}/{row // 1000:05d}/{row:08d}.jpg" for row in here]
        wanted = np.flatnonzero(is_kept(name, uris, share_kept(rows)))
        write_thumbnails(folder, name, block, {start + int(at): pictures[at % 64] for at in wanted})
    merge_image_stats(folder, name, BLOCK)


def thumbnail(random: np.random.Generator) -> bytes:
    """Return a JPEG about as hard to compress as a photograph."""
    coarse = Image.fromarray(random.integers(0, 256, (20, 27, 3), dtype=np.uint8)).resize((160, 120))
    data = io.BytesIO()
    coarse.save(data, "JPEG", quality=85)
    return data.getvalue()


def make_level(folder: Path, level: str, rows: int, random: np.random.Generator) -> dict[str, Any]:
    """Write a level's layout, neighbors and manifests; return its numbers."""
    clump = random.integers(0, 12, 2 * rows)
    points = random.normal(scale=6.0, size=(12, 3))[clump] + random.normal(size=(2 * rows, 3))
    write_layout(folder, level, points.astype(np.float32), clump.astype(np.int32))
    pairs = {}
    for query, reference in permutations(NAMES, 2):
        distances = np.sort(random.gamma(4.0, 0.1, (rows, NEIGHBOURS)).astype(np.float32), axis=1)
        indices = random.integers(0, rows, (rows, NEIGHBOURS))
        write_neighbors(folder, level, query, reference, distances, indices)
        listed = random.choice(rows, round(LISTED * rows), replace=False)
        write_manifest(folder, level, query, reference, manifest(query, listed, distances), pa.schema([]))
        numbers = {"images": rows, "reference_images": rows, "outliers": len(listed), "outlier_share": LISTED}
        pairs[pair_name(query, reference)] = {"query": query, "reference": reference, **numbers}
    return {"pairs": pairs, "clusters": {"count": 12, "one_sided": []}}


def manifest(query: str, listed: NDArray[np.int64], distances: NDArray[np.float32]) -> pd.DataFrame:
    """Return a manifest of the rows `listed`."""
    count = len(listed)
    numbers = dict.fromkeys(("p", "q", "outside_p", "outside_q", "under_p", "under_q"), np.linspace(0, 0.1, count))
    nowhere = dict.fromkeys("xyz", np.zeros(count))
    return pd.DataFrame(
        {
            "rank": np.arange(1, count + 1),
            "uri": [f"/images/{query}/{row // 1000:05d}/{row:08d}.jpg" for row in listed],
            "row": listed,
            "reason": "outside",
            "score": distances[listed, 4],
            **numbers,
            "nearest_distance": distances[listed, 0],
            "neighbors": pd.Series([[]] * count, dtype=object),
            **nowhere,
            "cluster": 0,
        }
    )


if __name__ == "__main__":
    main()
