"""The demo: the main job on pictures made on the spot, and an account of how the planted truths were found."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gapscope.demo.data import DemoData, make_demo_data
from gapscope.progress import Progress
from gapscope.run import Run
from gapscope.stages.pipeline import compare

REAL, SYNTHETIC = "real", "synthetic"


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes:
        data: its pictures, and what is planted in them.
        run: the comparison of `real` and `synthetic`.
    """

    data: DemoData
    run: Run

    def found(self, level: str, dataset: str, kind: str) -> int:
        """Return how many of a dataset's pictures of a kind the manifest of a level lists."""
        reference = SYNTHETIC if dataset == REAL else REAL
        return _of_kind(self.run.outliers(level, dataset, reference)["uri"], kind)

    def account(self) -> str:
        """Return, as lines for a person, what was planted and how many pictures of it each level lists."""
        lines = ["Planted, and how many pictures of it the manifests list:"]
        for title, dataset, kinds in (
            ("never rendered", REAL, self.data.planted_real),
            ("never photographed", SYNTHETIC, self.data.planted_rendered),
            ("rendered out of focus", SYNTHETIC, self.data.soft),
        ):
            for kind in kinds:
                images = _of_kind(self.run.index(dataset)["uri"], kind)
                counts = "  ".join(f"{level} {self.found(level, dataset, kind):>2}" for level in self.run.levels)
                lines.append(f"  {kind:<17} {title:<22} {counts}  of {images}")
        return "\n".join(lines)


def _of_kind(uris: Iterable[str], kind: str) -> int:
    return sum(Path(uri).parent.name == kind for uri in uris)


def run_demo(out: Path, progress: Progress | None = None) -> Demo:
    """Make the demo's pictures in `out`/images, unless they are there, and compare them into `out`/run.

    Raises:
        UserError: scikit-image is not installed, or `out`/run is something else.
    """
    folder = out.expanduser().absolute()
    if progress:
        progress.note(f"the demo's pictures go to {folder / 'images'}, the comparison to {folder / 'run'}")
    data = make_demo_data(folder / "images")
    datasets = {REAL: data.photographs, SYNTHETIC: data.rendered}
    return Demo(data, compare(datasets, out=folder / "run", model="bundled", progress=progress))
