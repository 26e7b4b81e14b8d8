"""Time to write the report, time until its page is interactive and has its map, and the pace of a map that is rotated.

    python benchmarks/speed/report.py --images 50000 --images 1000000 --out benchmarks/results/report.json

The benchmark makes a run of that many images, with layouts and thumbnails, and with neighbors, outliers and scores of
both readings. It writes its report, and opens the page in headless Chromium. There the
processor renders WebGL (SwiftShader), which is the slowest case: a laptop's graphics chip is far faster. Takes some
minutes per size, and needs Chromium.
"""

import io
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from gapscope.bench.subprocess_case import peak_gib
from gapscope.progress import Silent
from gapscope.settings import Reading
from gapscope.sources import Entry
from gapscope.stages.report import write_report
from gapscope.store.datasets import Pair
from gapscope.store.gaps import MEMBERS_SCHEMA, write_gaps, write_members
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.index import write_index
from gapscope.store.layouts import write_layout
from gapscope.store.manifests import write_manifest
from gapscope.store.metrics import (
    DatasetMetrics,
    LevelMetrics,
    Metrics,
    PairMetrics,
    StyleAsideMetrics,
    write_metrics,
)
from gapscope.store.neighbors import create_neighbors, finish_neighbors, write_neighbor_rows, write_neighbors
from gapscope.store.pyramid import create_pyramid, write_embeddings
from gapscope.store.run_record import RunRecord, ScalerRecord, StyleScalerRecord
from gapscope.store.run_store import RunStore
from gapscope.store.scores import write_scores
from gapscope.store.thumbnails import is_kept, share_kept, write_thumbnails

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import argument_parser, write_result

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEVELS = ("P3", "P5")
CHANNELS = 256
NAMES = ("real", "synthetic")
BLOCK_ROWS = 8192
N_NEIGHBORS = 10
OUTLIER_SHARE = 0.02
CHROMIUM_FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
ROTATION_SECONDS = 5.0


def main() -> None:
    """Measure every size, and write the result."""
    parser = argument_parser(__doc__, repeats=3)
    parser.add_argument("--images", type=int, action="append", help="images of both datasets together (default: 50000)")
    options = parser.parse_args()
    results = []
    for images in sorted(options.images or [50_000]):
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(Path(folder) / "run", images, options.repeats))
        print(json.dumps(results[-1], indent=2))
    write_result(options.out, {"results": results})


def measure(folder: Path, images: int, repeats: int) -> dict[str, Any]:
    """Make a run, write its report, and measure its page.

    Raises:
        SystemExit: the page plots another number of points than it should.
    """
    run = make_run(folder, images // len(NAMES))
    peak_before = peak_gib()
    start = time.monotonic()
    page = write_report(run, Silent())
    seconds = time.monotonic() - start
    sizes = [path.stat().st_size for path in page.parent.rglob("*") if path.is_file()]
    script = (page.parent / "data" / "facts.js").read_text(encoding="utf-8")
    plotted = json.loads(json.loads(script[script.index("JSON.parse(") + 11 : script.rindex("));")]))["drawn"]
    if plotted != min(images, 50_000):
        raise SystemExit(f"the page plots {plotted} points")
    return {
        "images": images,
        "load_average": round(os.getloadavg()[0], 1),
        "levels": len(LEVELS),
        "points_drawn": plotted,
        "report_seconds": round(seconds, 1),
        "report_megabytes": round(sum(sizes) / 1e6, 1),
        "script_kilobytes": round(sum(path.stat().st_size for path in page.parent.glob("*.js")) / 1e3),
        "peak_memory_megabytes_before_report": int(peak_before * 1024),
        "peak_memory_megabytes": int(peak_gib() * 1024),
        "browser": measure_page(Path(str(page)), plotted, repeats),
    }


def measure_page(path: Path, plotted: int, repeats: int) -> dict[str, Any]:
    """Open the page several times; return the medians and every repeat."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        for _ in range(repeats):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            rows.append(use_page(page, path, plotted))
            page.close()
        about = {"browser": f"Chromium {browser.version}", "rendering": "software (SwiftShader), 1440 x 900"}
        browser.close()
    medians = {
        f"median_{name.removeprefix('median_')}": statistics.median(row[name] for row in rows) for name in rows[0]
    }
    return about | medians | {"repeats": rows}


def use_page(page: "Page", path: Path, plotted: int) -> dict[str, float]:
    """Open the page, switch the level, and rotate the map with the mouse."""
    load = os.getloadavg()[0]
    start = time.monotonic()
    page.goto(path.as_uri(), timeout=120_000)
    page.wait_for_selector("body[data-level]", timeout=120_000)
    # Interactive: the page handles events.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    interactive = time.monotonic() - start
    page.wait_for_function("() => gapscope.map()?.pointsDrawn > 0", timeout=120_000)
    first_picture = time.monotonic() - start
    rest(page)
    n_points = page.evaluate("gapscope.map().pointsDrawn")
    if n_points != plotted:
        raise SystemExit(f"the map has {n_points} points")
    start = time.monotonic()
    # Until a picture of the other level's points is there; they go on moving to their places.
    page.evaluate(SWITCH_LEVEL)
    switch = time.monotonic() - start
    rest(page)
    # Other programs on the machine slow all of this down.
    return {
        "load_average": round(load, 1),
        "interactive_s": round(interactive, 2),
        "first_picture_s": round(first_picture, 2),
        "level_switch_s": round(switch, 2),
    } | rotate_map(page)


SWITCH_LEVEL = """async () => {
  const { state, map } = gapscope;
  const wanted = 1 - state.levelNumber.value;
  const frame = () => new Promise(requestAnimationFrame);
  state.show({ level: wanted });
  while (document.body.dataset.level !== String(wanted)) await frame();
  const { drawings } = map();
  while (map().drawings === drawings) await frame();
}"""


def rest(page: "Page") -> None:
    """Wait until the map draws no more, as it does when nothing moves."""
    page.evaluate("""async () => {
      for (let before = -1; before !== gapscope.map().drawings;) {
        before = gapscope.map().drawings;
        await new Promise((done) => setTimeout(done, 1000));
      }
    }""")


def rotate_map(page: "Page") -> dict[str, float]:
    """Drag the map in circles, and count the pictures that are drawn meanwhile."""
    page.evaluate("document.querySelector('.stage').scrollIntoView()")
    box = page.locator("#map").bounding_box()
    if box is None:
        raise SystemExit("the page has no map")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    # A browser calls for frames in which nothing is drawn too.
    page.evaluate("""() => {
      const turn = window.turn_ = { times: [], points: [] };
      let before = gapscope.map().drawings;
      const note = (now) => {
        const { drawings, pointsDrawn } = gapscope.map();
        if (drawings !== before) {
          turn.times.push(now);
          turn.points.push(pointsDrawn);
          before = drawings;
        }
        if (turn === window.turn_) requestAnimationFrame(note);
      };
      requestAnimationFrame(note);
    }""")
    start = time.monotonic()
    step = 0
    while time.monotonic() - start < ROTATION_SECONDS:
        step += 1
        page.mouse.move(x + 160 * np.cos(step / 12), y + 60 * np.sin(step / 12))
    page.mouse.up()
    turn = page.evaluate("[window.turn_, window.turn_ = null][0]")
    between = np.diff(np.array(turn["times"]))
    return {
        "frames_per_second": round(float(len(between) / (between.sum() / 1000)), 1),
        "slowest_frame_ms": round(float(between.max()), 1),
        # A machine that is too slow draws a sample of the points while the map moves.
        "median_points_while_moving": statistics.median(turn["points"]),
    }


def make_run(folder: Path, rows: int) -> RunStore:
    """Write a run of two datasets of `rows` images each, in twelve clusters."""
    random = np.random.default_rng(0)
    record = RunRecord.of_embeddings(dict.fromkeys(NAMES, rows), dict.fromkeys(LEVELS, CHANNELS), block_rows=BLOCK_ROWS)
    sources = {name: f"/images/{name}" for name in NAMES}
    record.config = replace(record.config, datasets=sources)
    record.write(folder)
    run = RunStore(folder, record)
    for name in NAMES:
        write_index(run, name, index_entries(name, rows))
        write_blocks(run, name, rows, random)
        create_pyramid(run, name, dict.fromkeys(LEVELS, CHANNELS))
    levels = {level: make_level(run, level, rows, random) for level in LEVELS}
    record.write(folder)
    datasets: dict[str, DatasetMetrics] = {
        name: {
            "listed": rows,
            "read": rows,
            "rejected": 0,
            "groups": rows,
            "group_rule": "none",
            "class_rule": "none",
            "statuses": {},
            "listing": "",
            "value_ranges": [],
            "warnings": [],
        }
        for name in NAMES
    }
    metrics: Metrics = {
        "datasets": datasets,
        "headlines": {pair.name: "" for pair in run.pairs},
        "level_rankings": {pair.name: list(run.levels) for pair in run.pairs},
        "limits": {pair.name: {"smallest_gap": 1, "message": None} for pair in run.pairs},
        "shared_groups": {},
        "confounders": {},
        "duplicates": {"groups": 0, "images": 0, "repeats": {}, "pairs": {}},
        "across_levels": {},
        "probes": {},
        "boxes": {},
        "causes": {},
        "wanted": {},
        "levels": levels,
    }
    write_metrics(folder, metrics)
    write_gaps(folder, {"kinds": [], "looks": [], "sentences": {}, "levels": {}})
    write_members(folder, pa.table({name: [] for name in MEMBERS_SCHEMA.names}, schema=MEMBERS_SCHEMA))
    return run


def index_entries(name: str, rows: int) -> Iterator[Entry]:
    """Return index entries of images with numbered names."""
    return (Entry(f"/images/{name}/{row // 1000:05d}/{row:08d}.jpg", 50_000) for row in range(rows))


def write_blocks(run: RunStore, name: str, rows: int, random: np.random.Generator) -> None:
    """Write the image statistics of every row, and the thumbnails that a run of that size keeps."""
    thumbnails = [thumbnail(random) for _ in range(64)]
    for block, start in enumerate(range(0, rows, BLOCK_ROWS)):
        block_range = range(start, min(rows, start + BLOCK_ROWS))
        image_stats: ImageStats = {"format": "JPEG", "width": 640, "height": 480, "status": "ok", "error": ""}
        write_image_stats(run, name, block, [image_stats] * len(block_range))
        uris = [f"/images/{name}/{row // 1000:05d}/{row:08d}.jpg" for row in block_range]
        kept = np.flatnonzero(is_kept(name, uris, share_kept(rows)))
        write_thumbnails(run, name, block, {start + int(offset): thumbnails[offset % 64] for offset in kept})
    merge_image_stats(run, name)


def thumbnail(random: np.random.Generator) -> bytes:
    """Return a JPEG about as hard to compress as a photograph."""
    noise = Image.fromarray(random.integers(0, 256, (20, 27, 3), dtype=np.uint8)).resize((160, 120))
    data = io.BytesIO()
    noise.save(data, "JPEG", quality=85)
    return data.getvalue()


def make_level(run: RunStore, level: str, rows: int, random: np.random.Generator) -> LevelMetrics:
    """Write a level's layout, neighbors and manifests; return its metrics."""
    cluster = random.integers(0, 12, 2 * rows)
    points = random.normal(scale=6.0, size=(12, 3))[cluster] + random.normal(size=(2 * rows, 3))
    write_layout(run, level, points.astype(np.float32), cluster.astype(np.int32))
    make_embeddings(run, level, cluster, random)
    pairs: dict[str, PairMetrics] = {}
    style_aside: dict[str, StyleAsideMetrics] = {}
    for pair in run.pairs:
        pairs[pair.name] = pair_metrics(pair, rows, make_reading(run, level, pair, "as-is", random))
        listed = make_reading(run, level, pair, "style-aside", random)
        style_aside[pair.name] = {
            **pair_metrics(pair, rows, listed),
            "basis": "calibrated",
            "residual": 0.0,
            "content": 0.9,
            "trimmed": False,
        }
    return {
        "pairs": pairs,
        "style_aside": style_aside,
        "clusters": {"count": 12, "datasets": list(NAMES), "composition": [], "one_sided": []},
        "matrix": {"datasets": list(NAMES), "outlier_share": [], "gap": []},
        "group_neighbors": {},
        "style_aside_neighbors": {},
        "neighbors": {},
        "layout": {
            "strategy": "full",
            "images": 2 * rows,
            "umap_images": 2 * rows,
            "note": "",
            "trustworthiness": None,
            "neighbor_recall": None,
            "k": 15,
            "sample": 0,
            "clustered": 2 * rows,
        },
    }


def make_embeddings(run: RunStore, level: str, cluster: NDArray[np.int64], random: np.random.Generator) -> None:
    """Write embeddings whose variance falls from axis to axis as that of networks does, and scalers that do nothing."""
    spread = (np.arange(1, CHANNELS + 1) ** -0.5).astype(np.float32)
    centers = random.normal(size=(12, CHANNELS)).astype(np.float32) * spread
    rows = len(cluster) // len(NAMES)
    for number, name in enumerate(NAMES):
        for start in range(0, rows, BLOCK_ROWS):
            own = cluster[number * rows + start : number * rows + min(rows, start + BLOCK_ROWS)]
            values = centers[own] + random.normal(size=(len(own), CHANNELS)).astype(np.float32) * spread
            write_embeddings(run, name, start, {level: values.astype(np.float16)})
    mean, std = [0.0] * CHANNELS, [1.0] * CHANNELS
    run.record.scaler[level] = ScalerRecord(mean=mean, std=std)
    run.record.style_scaler[level] = dict.fromkeys(NAMES, StyleScalerRecord(mean=mean, std=std, trimmed=False))


def make_reading(run: RunStore, level: str, pair: Pair, reading: Reading, random: np.random.Generator) -> int:
    """Write neighbors, manifest and scores of a level, ordered pair and reading; return how many images it lists."""
    rows = run.record.datasets[pair.query].listed
    distances = np.sort(random.gamma(4.0, 0.1, (rows, N_NEIGHBORS)).astype(np.float32), axis=1)
    indices = random.integers(0, rows, (rows, N_NEIGHBORS))
    if reading == "as-is":
        write_neighbors(run, level, pair, distances, indices)
    else:
        create_neighbors(run, level, pair, N_NEIGHBORS, reading)
        write_neighbor_rows(run, level, pair, np.arange(rows), distances, indices, reading)
        finish_neighbors(run, level, pair, {"method": "exact", "recall": 1.0, "sample": 0}, reading)
    outliers = random.choice(rows, round(OUTLIER_SHARE * rows), replace=False)
    write_manifest(run.path, level, pair, reading, [manifest(pair.query, outliers, distances)], pa.schema([]))
    p = np.linspace(0, 1, rows)
    write_scores(run.path, level, pair, reading, np.arange(rows), distances[:, 4], p, p <= 0.1, p.astype(np.float32))
    return len(outliers)


def pair_metrics(pair: Pair, rows: int, outliers: int) -> PairMetrics:
    """Return metrics that hold no more than the number of outliers."""
    return {
        "query": pair.query,
        "reference": pair.reference,
        "images": rows,
        "groups": rows,
        "reference_images": rows,
        "reference_groups": rows,
        "outliers": outliers,
        "outlier_groups": outliers,
        "outlier_share": OUTLIER_SHARE,
        "outside": outliers,
        "under_represented": 0,
        "share_outside": 0.0,
        "share_outside_low": 0.0,
        "share_outside_high": 0.0,
        "coverage": 1.0,
        "reference_neighbors": 0.5,
        "reference_neighbors_expected": 0.5,
        "gap": 0.0,
        "measures": {},
        "scores": {"edges": [0.0, 1.0], "query": [rows], "reference": [rows]},
        "ranking": [],
    }


def manifest(query: str, outliers: NDArray[np.int64], distances: NDArray[np.float32]) -> pd.DataFrame:
    """Return a manifest of the rows `outliers`."""
    count = len(outliers)
    p_values = dict.fromkeys(("p", "q", "outside_p", "outside_q", "under_p", "under_q"), np.linspace(0, 0.1, count))
    coordinates = dict.fromkeys("xyz", np.zeros(count))
    return pd.DataFrame(
        {
            "rank": np.arange(1, count + 1),
            "uri": [f"/images/{query}/{row // 1000:05d}/{row:08d}.jpg" for row in outliers],
            "row": outliers,
            "listed": True,
            "reason": "outside",
            "score": distances[outliers, 4],
            "distance": distances[outliers, 4],
            **p_values,
            "nearest_distance": distances[outliers, 0],
            "neighbors": pd.Series([[]] * count, dtype=object),
            **coordinates,
            "cluster": 0,
        }
    )


if __name__ == "__main__":
    main()
