"""The page itself, its data and the libraries it needs, all in one folder."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from gapscope.report.columns import read_columns
from gapscope.report.facts import facts
from gapscope.report.listed import Listed
from gapscope.report.near import NEAREST, nearest
from gapscope.report.places import Places
from gapscope.report.sample import Chosen
from gapscope.report.script import packed, script
from gapscope.run import Run

ASSETS = ("page.css", "data.js", "shared.js", "colors.js", "map.js", "cards.js", "charts.js", "sections.js", "page.js")
"""Files that are the same in every report."""


def write_page(
    run: Run, places: Places, listed: list[Listed], chosen: Chosen, tiles: NDArray[np.uint8], folder: Path
) -> None:
    """Write index.html and everything it loads, apart from the tiles, into `folder`.

    Args:
        run: the run.
        places: every image's place.
        listed: every outlier list.
        chosen: the images on the page.
        tiles: (n, 2) width and height of their thumbnails.
        folder: an existing folder.
    """
    assets = files("gapscope.report") / "assets"
    for name in ASSETS:
        _write(folder / name, (assets / name).read_text(encoding="utf-8"))
    _write(folder / "index.html", (assets / "page.html").read_text(encoding="utf-8"))
    _write(folder / "plotly.min.js", get_plotlyjs())
    data = folder / "data"
    data.mkdir()
    columns = read_columns(run, places, chosen)
    _write(data / "facts.js", script("facts", facts(run, places, chosen) | {"columns": [one.head for one in columns]}))
    for number, column in enumerate(columns):
        _write(data / f"column-{number}.js", script(f"column-{number}", column.values))
    _write(data / "images.js", script("images", _images(places, chosen, tiles)))
    for number, level in enumerate(run.levels):
        lists = [one for one in listed if one.level == level]
        _write(data / f"level-{number}.js", script(f"level-{number}", _level(level, lists, places, chosen)))
        near = [packed(nearest(run, level, pair, places, chosen)) for pair in run.pairs]
        _write(data / f"near-{number}.js", script(f"near-{number}", {"across": NEAREST, "pairs": near}))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _images(places: Places, chosen: Chosen, tiles: NDArray[np.uint8]) -> dict[str, Any]:
    dataset = places.dataset[chosen.image]
    uris = places.uri[chosen.image]
    prefixes = [_common_folder(list(uris[dataset == number])) for number in range(len(places.datasets))]
    return {
        "dataset": packed(dataset.astype(np.uint16)),
        "drawn": packed(chosen.drawn.astype(np.uint8)),
        "sizes": packed(tiles),
        "prefixes": prefixes,
        "names": [uri[len(prefixes[number]) :] for uri, number in zip(uris, dataset, strict=True)],
    }


def _common_folder(uris: list[str]) -> str:
    # What the first and the last in order have in common, all between them have too.
    first, last = min(uris, default=""), max(uris, default="")
    same = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: first.rfind("/", 0, same) + 1]


def _level(level: str, lists: list[Listed], places: Places, chosen: Chosen) -> dict[str, Any]:
    points = places.points[level][chosen.image].astype(np.float64)
    low = points.min(axis=0, initial=np.inf) if len(points) else np.zeros(3)
    span = float((points - low).max(initial=0.0)) or 1.0
    number = chosen.numbers(len(places))
    return {
        "low": [float(value) for value in low],
        "span": span,
        # 16 bits a coordinate are finer than a pixel of any screen.
        "points": packed(np.rint((points - low) / span * 65535).astype(np.uint16)),
        "clusters": packed(places.clusters[level][chosen.image]),
        "lists": [_list(one, number) for one in lists],
    }


def _list(listed: Listed, number: NDArray[np.int32]) -> dict[str, Any]:
    """Return an outlier list of those of its images that are on the page."""
    there = number[listed.image] >= 0
    return {
        "total": len(listed.image),
        "image": packed(number[listed.image[there]]),
        "rank": packed(listed.rank[there]),
        "kind": packed(listed.kind[there]),
        "numbers": packed(listed.numbers[there]),
    }
