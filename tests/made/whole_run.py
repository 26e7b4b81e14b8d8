"""A comparison from images to the page that takes a second or two, and what its files hold."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import gapscope

Folders = dict[str, str]
OPTIONS: dict[str, Any] = {"model": "bundled", "levels": ["P3", "P5"], "size": 64, "n_epochs": 11, "cluster": "inline"}


def write_images(folder: Path) -> Folders:
    """Enough images for two blocks of one dataset and one of the other; one image in each cannot be read."""
    random = np.random.default_rng(4)
    for name, count in (("real", 40), ("synthetic", 12)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((40, 30)).save(folder / name / f"{number:02d}.png")
        (folder / name / "broken.jpg").write_bytes(b"no image")
    return {name: str(folder / name) for name in ("real", "synthetic")}


def compare(folders: Folders, run: Path, **options: Any) -> gapscope.Run:
    """Compare them, or go on with it."""
    return gapscope.compare(folders, out=run, **OPTIONS | options)


def content(run: Path) -> dict[str, bytes]:
    """What a run's files hold, but for times: run.json, the log, and of the page what quotes the first."""
    apart = ("run.json", "log.txt", "report/data/facts.js", "report/SHA256SUMS")
    files = {str(path.relative_to(run)): path for path in sorted(run.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in apart}
