"""A pytest plugin: the folders and runs that the examples in docstrings work with (`make test-slow` loads it).

An example that names one of them starts in a folder with `photos`, whose last 20 pictures are of stripes, `renders`,
which lacks such pictures, and `more-renders`, which has them; and with `runs/monday` and `runs/tuesday`, finished
comparisons of `photos` with the one and the other; and with `runs/clips`, in which every four photos are a group.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gapscope

SIDE = 64


def write_images(folder: Path, noise: int, stripes: int, seed: int) -> None:
    """Write pictures of smooth noise, and after them pictures of stripes."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    for number in range(noise + stripes):
        pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        if number >= noise:
            lines = np.arange(SIDE) // 2 % 2 * 255
            picture = Image.fromarray(np.broadcast_to(lines[:, None], (SIDE, SIDE)).astype(np.uint8)).convert("RGB")
            picture.paste(tuple(pixels[0, 0].tolist()), (0, 0, 2 * number % SIDE, 8))
        picture.save(folder / f"{number:02d}.png")


@pytest.fixture(scope="session")
def folder_of_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    write_images(folder / "photos", noise=40, stripes=20, seed=1)
    write_images(folder / "renders", noise=60, stripes=0, seed=2)
    write_images(folder / "more-renders", noise=40, stripes=20, seed=3)
    for day, renders in (("monday", "renders"), ("tuesday", "more-renders")):
        gapscope.compare(
            {"real": folder / "photos", "synthetic": folder / renders},
            out=folder / "runs" / day,
            model="bundled",
            levels=["P3", "P5"],
            size=SIDE,
            cluster="inline",
        )
    gapscope.compare(
        {"drives": folder / "photos", "renders": folder / "renders"},
        out=folder / "runs" / "clips",
        group={"drives": [number // 4 for number in range(60)]},
        model="bundled",
        levels=["P3", "P5"],
        size=SIDE,
        cluster="inline",
    )
    return folder


@pytest.fixture(autouse=True)
def beside_the_runs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start an example beside the runs if it names them or their folders; the others do not wait for them."""
    examples = request.node.dtest.examples if hasattr(request.node, "dtest") else []
    source = "".join(example.source for example in examples)
    if '"runs/' in source or '"photos"' in source:
        monkeypatch.chdir(request.getfixturevalue("folder_of_runs"))
