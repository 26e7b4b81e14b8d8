"""Runs the demo: generates its images, compares them, and reports how many images of each planted gap are listed."""

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
    """The result of the demo.

    Attributes:
        data: the images' folders, and the gaps planted in them.
        run: the comparison of `real` and `synthetic`.
    """

    data: DemoData
    run: Run

    def n_listed(self, level: str, dataset: str, kind: str) -> int:
        """Return how many images of a kind are in the dataset's manifest at a level."""
        reference = SYNTHETIC if dataset == REAL else REAL
        return _count_kind(self.run.outliers(level, dataset, reference)["uri"], kind)

    def summary(self) -> str:
        """Return a text, one line per planted kind, with the number of its images that each level's manifest lists."""
        lines = ["Planted, and how many pictures of it the manifests list:"]
        for title, dataset, kinds in (
            ("never rendered", REAL, self.data.planted_real),
            ("never photographed", SYNTHETIC, self.data.planted_rendered),
            ("rendered out of focus", SYNTHETIC, self.data.soft),
            ("rendered too rarely", REAL, self.data.rare),
            ("rendered rearranged", REAL, self.data.rearranged),
        ):
            for kind in kinds:
                images = _count_kind(self.run.index(dataset)["uri"], kind)
                counts = "  ".join(f"{level} {self.n_listed(level, dataset, kind):>2}" for level in self.run.levels)
                lines.append(f"  {kind:<17} {title:<22} {counts}  of {images}")
        return "\n".join(lines)


def _count_kind(uris: Iterable[str], kind: str) -> int:
    return sum(Path(uri).parent.name == kind for uri in uris)


def run_demo(out: Path, progress: Progress | None = None) -> Demo:
    """Generate the demo's images in `out`/images unless they exist, and compare them into `out`/run.

    Raises:
        UserError: scikit-image is not installed, or `out`/run holds something other than this comparison.
    """
    folder = out.expanduser().absolute()
    if progress:
        progress.note(f"the demo's pictures go to {folder / 'images'}, the comparison to {folder / 'run'}")
    data = make_demo_data(folder / "images")
    datasets = {REAL: data.photographs, SYNTHETIC: data.parameters}
    return Demo(data, compare(datasets, out=folder / "run", model="bundled", progress=progress))
