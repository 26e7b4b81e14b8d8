"""The page itself, its data and the libraries it needs, all in one folder."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from gapscope.report.columns import read_columns
from gapscope.report.lists import NEAREST, OneSidedCluster, OutlierList
from gapscope.report.neighbor_lists import NeighborLists, nearest
from gapscope.report.page_data import page_data
from gapscope.report.points import PointIndex, read_level
from gapscope.report.script import packed, script
from gapscope.report.selection import Selection
from gapscope.report.tiles import Tiles
from gapscope.run import Run
from gapscope.store.index import take_rows

ASSETS = (
    "page.css",
    "data.js",
    "shared.js",
    "colors.js",
    "map.js",
    "cards.js",
    "charts.js",
    "sections.js",
    "find.js",
    "select.js",
    "page.js",
)
"""Files that are the same in every report."""


def write_page(
    run: Run,
    places: PointIndex,
    listed: list[OutlierList],
    one_sided: list[list[OneSidedCluster]],
    chosen: Selection,
    tiles: Tiles,
    folder: Path,
) -> None:
    """Write index.html and everything it loads, apart from the tiles, into `folder`.

    Args:
        run: the run.
        places: every image's place.
        listed: every outlier list.
        one_sided: the one-sided clusters of every level.
        chosen: the images on the page.
        tiles: their thumbnails.
        folder: an existing folder.
    """
    for name, text in own_files().items():
        _write(folder / name, text)
    (folder / "data").mkdir()

    def hand_over(name: str, value: Any) -> None:
        _write(folder / "data" / f"{name}.js", script(name, value))

    columns = read_columns(run, places, chosen)
    hand_over("facts", page_data(run, places, one_sided, chosen, tiles, columns))
    for number, column in enumerate(columns):
        hand_over(f"column-{number}", column.values)
    hand_over("images", _images(run, places, chosen, tiles))
    for number, level in enumerate(run.levels):
        lists = [one for one in listed if one.level == level]
        near = [nearest(run, level, pair, places, chosen) for pair in run.pairs]
        hand_over(f"level-{number}", _level(run, level, lists, near, places, chosen))
        hand_over(f"near-{number}", _near(near))


def own_files() -> dict[str, str]:
    """Return the page and what it loads beside its data, by name: the same in every report of this gapscope."""
    assets = files("gapscope.report") / "assets"
    plotly = get_plotlyjs()
    page = (assets / "page.html").read_text(encoding="utf-8")
    return {
        **{name: (assets / name).read_text(encoding="utf-8") for name in ASSETS},
        "index.html": page.replace("<!-- stand-ins -->", _stand_ins(plotly)),
        "plotly.min.js": plotly,
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _stand_ins(plotly: str) -> str:
    """Return elements in whose place Plotly would put styles of maps that the page has none of.

    They would be the only inline styles with any content; the page's policy allows empty ones alone.
    """
    return "".join(f'<meta id="{name}" content="">' for name in dict.fromkeys(_STYLE.findall(plotly)))


_STYLE = re.compile(r'getElementById\("([0-9a-f]{64})"\)')


def _images(run: Run, places: PointIndex, chosen: Selection, tiles: Tiles) -> dict[str, Any]:
    dataset, row = places.dataset[chosen.image], places.row[chosen.image]
    uris = np.empty(len(dataset), dtype=object)
    for number, name in enumerate(places.datasets):
        uris[dataset == number] = take_rows(run.path, name, row[dataset == number], ["uri"])["uri"].to_pylist()
    prefixes = [_common_folder(list(uris[dataset == number])) for number in range(len(places.datasets))]
    return {
        "dataset": packed(dataset.astype(np.uint16)),
        "row": packed(row.astype(np.uint32)),
        "drawn": packed(chosen.drawn.astype(np.uint8)),
        "sizes": packed(tiles.sizes),
        "prefixes": prefixes,
        "names": [uri[len(prefixes[number]) :] for uri, number in zip(uris, dataset, strict=True)],
    }


def _common_folder(uris: list[str]) -> str:
    # What the first and the last in order have in common, all between them have too.
    first, last = min(uris, default=""), max(uris, default="")
    same = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: first.rfind("/", 0, same) + 1]


def _level(
    run: Run, level: str, lists: list[OutlierList], near: list[NeighborLists], places: PointIndex, chosen: Selection
) -> dict[str, Any]:
    placed, clusters = read_level(run, level, places, chosen.image)
    points = placed.astype(np.float64)
    low = points.min(axis=0, initial=np.inf) if len(points) else np.zeros(3)
    span = float((points - low).max(initial=0.0)) or 1.0
    number = chosen.numbers(len(places))
    return {
        "low": [float(value) for value in low],
        "span": span,
        # 16 bits a coordinate are finer than a pixel of any screen.
        "points": packed(np.rint((points - low) / span * 65535).astype(np.uint16)),
        "clusters": packed(clusters),
        "scores": [packed(one.score.astype(np.float16)) for one in near],
        "lists": [_list(one, number) for one in lists],
    }


def _near(near: list[NeighborLists]) -> dict[str, Any]:
    pairs = [{"images": packed(one.image), "distances": packed(one.distance)} for one in near]
    return {"across": NEAREST, "pairs": pairs}


def _list(listed: OutlierList, number: NDArray[np.int32]) -> dict[str, Any]:
    """Return an outlier list of those of its images that are on the page."""
    there = number[listed.image] >= 0
    return {
        "total": len(listed.image),
        "image": packed(number[listed.image[there]]),
        "rank": packed(listed.rank[there]),
        "reason": packed(listed.reason[there]),
        "numbers": packed(listed.numbers[there]),
    }
