import io
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

import gapscope

# How long an example takes depends on the machine and its load.
settings.register_profile("gapscope", deadline=None)
settings.load_profile("gapscope")

Write = Callable[[Path, Sequence[str], int, int], None]


def photograph(name: str) -> Image.Image:
    """Return a photograph from scikit-image's wheel."""
    return Image.open(io.BytesIO((files("skimage") / "data" / name).read_bytes())).convert("RGB")


@pytest.fixture(scope="session")
def write_crops() -> Write:
    """Write `count` random crops of each named photograph, as JPEG files, into a folder."""

    def write(folder: Path, names: Sequence[str], count: int, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(seed)
        for name in names:
            image = photograph(name)
            side = min(image.size) // 2
            for number in range(count):
                left, top = (int(random.integers(0, length - side)) for length in image.size)
                crop = image.crop((left, top, left + side, top + side)).resize((96, 96))
                crop.save(folder / f"{Path(name).stem}-{number:03d}.jpg", quality=92)

    return write


@pytest.fixture(scope="session")
def two_folders(tmp_path_factory: pytest.TempPathFactory, write_crops: Write) -> tuple[Path, Path]:
    """Crops of three photographs, and of two of them; the first folder also has files that cannot be read."""
    folder = tmp_path_factory.mktemp("images")
    write_crops(folder / "real", ["brick.png", "grass.png", "chelsea.png"], 24, 1)
    write_crops(folder / "synthetic", ["brick.png", "grass.png"], 30, 2)
    jpeg = (folder / "real" / "brick-000.jpg").read_bytes()
    (folder / "real" / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "real" / "empty.png").touch()
    (folder / "real" / "words.png").write_text("not an image")
    (folder / "real" / "notes.txt").write_text("ignored")
    return folder / "real", folder / "synthetic"


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, two_folders: tuple[Path, Path]) -> gapscope.Run:
    """A finished comparison of `two_folders`, run through the library in this process."""
    real, synthetic = two_folders
    return gapscope.compare(
        {"real": real, "synthetic": synthetic},
        out=tmp_path_factory.mktemp("runs") / "small",
        model="bundled",
        size=96,
        cluster="inline",
    )
