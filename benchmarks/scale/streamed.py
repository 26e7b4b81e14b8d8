"""Memory of a streamed Dataset: does it stay flat while the images of a Python program are kept and embedded?

A torch Dataset makes its images when it is asked for them: crops of photographs, 64 pixels wide. `gapscope.compare` is
given that, beside a small dataset, in this process. The memory of the process is noted again and again while images are
kept in the run and while they are embedded. Of either, a line is fitted to memory over images, beyond the first tenth.

Takes some ten minutes and 2 GB of a temporary folder on two cores, for 100,000 images.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy import stats
from torch.utils.data import Dataset

import gapscope
from gapscope.progress import Task

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import Stopwatch, argument_parser, write_result
from images import PHOTOGRAPHS, random_crop, skimage_photograph

_SIDE = 64
_SAMPLES = 400
_STAGES = {"keeping real": "keep", "embedding": "embed"}


class Crops(Dataset[tuple[NDArray[np.uint8], int]]):
    """Crops of photographs, each made when it is asked for; the label is the photograph."""

    def __init__(self, count: int, seed: int) -> None:
        self._photographs = [skimage_photograph(name) for name in PHOTOGRAPHS]
        self._count, self._seed = count, seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> tuple[NDArray[np.uint8], int]:
        random = np.random.default_rng((self._seed, number))
        label = number % len(self._photographs)
        return np.asarray(random_crop(self._photographs[label], _SIDE, random)), label


class _Memory:
    """A task that notes the memory of the process as it advances."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.samples: list[tuple[int, int]] = []
        self._process = psutil.Process()

    def advance(self, done: int, rejected: int = 0) -> None:
        del rejected
        before, self.done = self.done, self.done + done
        step = max(1, self.total // _SAMPLES)
        if self.done // step > before // step:
            self.samples.append((self.done, self._process.memory_info().rss))

    def show(self, fact: str) -> None:
        del fact

    def result(self) -> dict[str, Any]:
        later = [(done, memory) for done, memory in self.samples if done > self.total / 10]
        done, memory = (np.array(column, float) for column in zip(*later, strict=True))
        fit = stats.linregress(done, memory)
        return {
            "images": self.done,
            "mib_at_a_tenth": round(later[0][1] / 2**20, 1),
            "mib_at_the_end": round(later[-1][1] / 2**20, 1),
            "mib_peak": round(max(memory) / 2**20, 1),
            "bytes_per_image": round(float(fit.slope), 1),
            "bytes_per_image_error": round(float(fit.stderr), 1),
        }


class _Recording:
    def __init__(self) -> None:
        self.memory: dict[str, _Memory] = {}

    @contextmanager
    def _task(self, title: str, total: int) -> Iterator[Task]:
        task = _Memory(total)
        if title in _STAGES:
            self.memory[_STAGES[title]] = task
        yield task

    def task(self, title: str, total: int, unit: str) -> AbstractContextManager[Task]:
        del unit
        return self._task(title, total)

    def note(self, message: str) -> None:
        del message


def main() -> None:
    """Write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="of the Dataset (default: 100,000)")
    options = parser.parse_args()
    progress, watch = _Recording(), Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        gapscope.compare(
            {"real": Crops(options.images, 0), "synthetic": Crops(2000, 1)},
            out=Path(folder) / "run",
            model="bundled",
            levels=["P3"],
            size=_SIDE,
            cluster="inline",
            landmarks=5000,
            max_points=5000,
            progress=progress,
        )
    stages = {stage: memory.result() for stage, memory in progress.memory.items()}
    write_result(options.out, {"images": options.images, "side": _SIDE, "seconds": watch.lap(), "stages": stages})


if __name__ == "__main__":
    main()
