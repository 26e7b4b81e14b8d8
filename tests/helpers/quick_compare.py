"""A complete comparison, from images to the report, that takes a second or two; and the content of its files."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import gapscope
from gapscope.store.location import Location, relative_name

DatasetFolders = dict[str, str]
"""Dataset to folder of images."""

OPTIONS: dict[str, Any] = {"model": "bundled", "levels": ["P3", "P5"], "size": 64, "n_epochs": 11, "cluster": "inline"}


def write_images(folder: Path) -> DatasetFolders:
    """Write two blocks of images for one dataset and one block for the other, with an unreadable image in each."""
    random = np.random.default_rng(4)
    for name, count in (("real", 40), ("synthetic", 12)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((40, 30)).save(folder / name / f"{number:02d}.png")
        (folder / name / "broken.jpg").write_bytes(b"no image")
    return {name: str(folder / name) for name in ("real", "synthetic")}


def quick_compare(folders: DatasetFolders, run: Path, **options: Any) -> gapscope.Run:
    """Compare the datasets, or resume an interrupted comparison."""
    return gapscope.compare(folders, out=run, **OPTIONS | options)


def read_run_files(run: Location) -> dict[str, bytes]:
    """Return the content of a run's files by name, without those that contain times.

    These are run.json, the log, and the files of the report that quote run.json.
    """
    with_times = ("run.json", "log.txt", "report/data/facts.js", "report/SHA256SUMS")
    files = {relative_name(path, run): path for path in run.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in with_times}
